//===- AstDump.cpp - the syntax tree as S-expressions ---------------------===//
//
// Structure only: what two dumps agree on is what a formatter must keep.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Ast.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace attn::text;
using llvm::ArrayRef;
using llvm::raw_ostream;
using llvm::StringRef;

static void dumpRanks(ArrayRef<Ident> ranks, Ident result, raw_ostream &os) {
  if (ranks.empty())
    return;
  os << " [";
  llvm::interleave(ranks, os, [&](const Ident &rank) { os << rank.name; }, " ");
  if (result)
    os << " -> " << result.name;
  os << ']';
}

static void dumpAll(ArrayRef<const Expr *> exprs, raw_ostream &os) {
  for (const Expr *expr : exprs) {
    os << ' ';
    dumpAst(*expr, os);
  }
}

static void dump(const ConstantExpr *e, raw_ostream &os) {
  static constexpr StringRef names[] = {"inf", "pi", "true", "false"};
  os << names[size_t(e->value)];
}

static void dump(const AccessExpr *e, raw_ostream &os) {
  os << "(at" << (e->optional ? "? " : " ") << e->tensor.name;
  dumpAll(e->indices, os);
  os << ')';
}

static void dump(const CallExpr *e, raw_ostream &os) {
  os << "(call " << e->callee.name;
  dumpRanks(e->ranks, e->resultRank, os);
  dumpAll(e->args, os);
  os << ')';
}

static void dump(const SubstExpr *e, raw_ostream &os) {
  os << "(subst" << (e->optional ? "? " : " ");
  dumpAst(*e->operand, os);
  for (const Binding &binding : e->bindings) {
    os << " (" << binding.rank.name << ' ';
    dumpAst(*binding.value, os);
    os << ')';
  }
  os << ')';
}

static void dump(const ChainExpr *e, raw_ostream &os) {
  os << '(' << spelling(e->firstOp) << ' ' << spelling(e->secondOp);
  dumpAll({e->first, e->middle, e->last}, os);
  os << ')';
}

void attn::text::dumpAst(const Expr &expr, raw_ostream &os) {
  llvm::TypeSwitch<const Expr *>(&expr)
      .Case([&](const NumberExpr *e) { os << e->text; })
      .Case([&](const ExtentExpr *e) { os << '|' << e->rank.name << '|'; })
      .Case([&](const NameExpr *e) { os << e->name; })
      .Case<ConstantExpr, AccessExpr, CallExpr, SubstExpr, ChainExpr>(
          [&](const auto *e) { dump(e, os); })
      .Case([&](const UnaryExpr *e) {
        os << '(' << spelling(e->op);
        dumpAll(e->operand, os);
        os << ')';
      })
      .Case([&](const BinaryExpr *e) {
        os << '(' << spelling(e->op);
        dumpAll({e->lhs, e->rhs}, os);
        os << ')';
      })
      .Case([&](const TupleExpr *e) {
        os << "(tuple";
        dumpAll(e->elements, os);
        os << ')';
      });
}

static void dump(const Relation &relation, raw_ostream &os) {
  static constexpr StringRef names[] = {"extent", "product", "sum"};
  os << '(' << names[size_t(relation.kind)] << ' ' << relation.rank.name;
  if (relation.extent)
    dumpAll(relation.extent, os);
  for (const RelationPart &part : relation.parts) {
    os << " (" << part.rank.name;
    if (part.extent)
      dumpAll(part.extent, os);
    os << ')';
  }
  os << ')';
}

static void dump(const LeftSide &lhs, raw_ostream &os) {
  os << " (left " << lhs.tensor.name;
  dumpAll(lhs.indices, os);
  os << ')';
}

void attn::text::dumpAst(const Stmt &stmt, raw_ostream &os) {
  llvm::TypeSwitch<const Stmt *>(&stmt)
      .Case([&](const EquationStmt *s) {
        os << "(=";
        dump(s->lhs, os);
        if (s->type)
          os << ' ' << spelling(s->type->type);
        dumpAll(s->rhs, os);
      })
      .Case([&](const TupleEquationStmt *s) {
        os << "(tuple=";
        for (const LeftSide &lhs : s->lhs)
          dump(lhs, os);
        dumpAll(s->rhs, os);
      })
      .Case([&](const RankStmt *s) {
        os << "(rank";
        for (const Relation &relation : s->relations) {
          os << ' ';
          dump(relation, os);
        }
      })
      .Case([&](const ReturnStmt *s) {
        os << "(return";
        dumpAll(s->value, os);
      });
  os << ')';
}

static void dump(const Annotation &annotation, raw_ostream &os) {
  static constexpr StringRef names[] = {"layout", "quant", "into"};
  os << " (" << names[size_t(annotation.kind)];
  if (annotation.name)
    os << ' ' << annotation.name.name;
  for (const LayoutArg &arg : annotation.args) {
    if (arg.key)
      os << ' ' << arg.key.name << '=';
    dumpAll(arg.value, os);
  }
  if (annotation.type)
    os << ' ' << spelling(annotation.type->type);
  dumpRanks(annotation.ranks, Ident(), os);
  os << ')';
}

static void dump(StringRef direction, ArrayRef<Port> ports, raw_ostream &os) {
  for (const Port &port : ports) {
    os << "\n  (" << direction << (port.isConst ? " const " : " ")
       << port.name.name << ' ' << spelling(port.type.type);
    for (const Axis &axis : port.axes) {
      os << " (" << axis.rank.name;
      if (axis.extent)
        dumpAll(axis.extent, os);
      os << ')';
    }
    for (const Annotation &annotation : port.annotations)
      dump(annotation, os);
    if (port.defaultValue) {
      os << " =";
      dumpAll(port.defaultValue, os);
    }
    os << ')';
  }
}

static void dump(ArrayRef<const Stmt *> body, raw_ostream &os) {
  for (const Stmt *stmt : body) {
    os << "\n  ";
    dumpAst(*stmt, os);
  }
}

static void dump(const CascadeDecl *d, raw_ostream &os) {
  os << "(cascade " << d->name().name;
  dump("in", d->inputs, os);
  dump("out", d->outputs, os);
  for (const Relation &relation : d->relations) {
    os << "\n  ";
    dump(relation, os);
  }
  for (const Ident &cut : d->cuts)
    os << "\n  (cut " << cut.name << ')';
  dump(d->body, os);
}

static void dump(const DefDecl *d, raw_ostream &os) {
  os << "(def " << d->name().name;
  dumpRanks(d->ranks, d->resultRank, os);
  os << " (";
  llvm::interleave(d->args, os, [&](const Ident &a) { os << a.name; }, " ");
  os << ')';
  if (d->expr)
    dumpAll(d->expr, os);
  dump(d->body, os);
}

static void dump(const MonoidDecl *d, raw_ostream &os) {
  os << "(monoid " << d->name().name << (d->ordered ? " ordered" : "");
  for (const MonoidState &state : d->states) {
    os << " (" << state.name.name;
    dumpAll(state.identity, os);
    os << ')';
  }
  dumpRanks(d->primed, Ident(), os);
  dumpAll(d->combination, os);
}

void attn::text::dumpAst(const Ast &ast, raw_ostream &os) {
  for (const Decl *decl : ast.decls) {
    llvm::TypeSwitch<const Decl *>(decl).Case<CascadeDecl, DefDecl, MonoidDecl>(
        [&](const auto *d) { dump(d, os); });
    os << ")\n";
  }
}
