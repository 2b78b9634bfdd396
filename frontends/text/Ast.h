//===- Ast.h - syntax tree of an .attn file ---------------------*- C++ -*-===//
//
// Plain nodes that mirror the grammar one to one: nothing is resolved, inlined
// or checked beyond syntax. Nodes live in the arena of their Ast, are trivially
// destructible and immutable after parsing; names and number texts point into
// the source text, which must outlive the Ast. Parentheses leave no node
// (associativity is in the tree), but the range of an operator includes those
// of its operands. An Expr is never null unless its field says so.
//
// The parser guarantees: expression depth at most `maxExprDepth`; `?` only on
// accesses and substitutions; tuples (two elements or more) only in monoids;
// `return` exactly once, last, in the block of a def and nowhere else; types
// are known types; calls and accesses have non-empty `[..]` where they have
// one.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_AST_H
#define ATTN_FRONTENDS_TEXT_AST_H

#include "frontends/text/Expr.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/raw_ostream.h"
#include <memory>
#include <new>
#include <type_traits>

namespace attn::text {

//===----------------------------------------------------------------------===//
// Relations and statements
//===----------------------------------------------------------------------===//

/// A part of a product or of a sum.
struct RelationPart {
  Ident rank;
  const Expr *extent; ///< of a product part `i: 16`; null if not given
};

/// `m: |n|`, `n = (p, i: 16)`, `c = p ++ n`; in `with` and in `rank`.
struct Relation {
  enum class Kind { Extent, Product, Sum };
  Kind kind;
  SourceRange range;
  Ident rank;                         ///< the whole, or the rank of an extent
  const Expr *extent;                 ///< of Kind::Extent, else null
  llvm::ArrayRef<RelationPart> parts; ///< product: 1 or more; sum: 2 or more
};

/// A left side `T` or `T[i, ..]`. A plain rank is a NameExpr.
struct LeftSide {
  Ident tensor;
  llvm::ArrayRef<const Expr *> indices; ///< empty: no brackets
  SourceRange range;
};

class Stmt {
public:
  enum class Kind { Equation, TupleEquation, RankDecl, Return };

  Kind kind() const { return stmtKind; }
  SourceRange range() const { return stmtRange; }

protected:
  Stmt(Kind kind, SourceRange range) : stmtKind(kind), stmtRange(range) {}

private:
  Kind stmtKind;
  SourceRange stmtRange;
};

/// `S[b,n] = e`, `P[b,n]: bf16 = e`.
struct EquationStmt : Stmt {
  LeftSide lhs;
  std::optional<TypeRef> type;
  const Expr *rhs;

  EquationStmt(SourceRange range, LeftSide lhs, std::optional<TypeRef> type,
               const Expr *rhs)
      : Stmt(Kind::Equation, range), lhs(lhs), type(type), rhs(rhs) {}
  static bool classof(const Stmt *s) { return s->kind() == Kind::Equation; }
};

/// `(A[..], B[..]) = m[r](x, y)` or `= cascade(..)`; one left side or more.
struct TupleEquationStmt : Stmt {
  llvm::ArrayRef<LeftSide> lhs;
  const Expr *rhs;

  TupleEquationStmt(SourceRange range, llvm::ArrayRef<LeftSide> lhs,
                    const Expr *rhs)
      : Stmt(Kind::TupleEquation, range), lhs(lhs), rhs(rhs) {}
  static bool classof(const Stmt *s) {
    return s->kind() == Kind::TupleEquation;
  }
};

/// `rank j: |t|, n = (p, i: 16)`.
struct RankStmt : Stmt {
  llvm::ArrayRef<Relation> relations;

  RankStmt(SourceRange range, llvm::ArrayRef<Relation> relations)
      : Stmt(Kind::RankDecl, range), relations(relations) {}
  static bool classof(const Stmt *s) { return s->kind() == Kind::RankDecl; }
};

/// `return e`.
struct ReturnStmt : Stmt {
  const Expr *value;

  ReturnStmt(SourceRange range, const Expr *value)
      : Stmt(Kind::Return, range), value(value) {}
  static bool classof(const Stmt *s) { return s->kind() == Kind::Return; }
};

//===----------------------------------------------------------------------===//
// Declarations
//===----------------------------------------------------------------------===//

/// `n` or `d=128`.
struct Axis {
  Ident rank;
  const Expr *extent; ///< null if not given
};

/// `table` or `page=16` in `layout paged(table, page=16)`.
struct LayoutArg {
  Ident key; ///< false if positional
  const Expr *value;
};

/// `layout NAME(ARGS)`, `quant TYPE per (RANKS)`, `into NAME`.
struct Annotation {
  enum class Kind { Layout, Quant, Into };
  Kind kind;
  SourceRange range;
  Ident name;                     ///< layout kind, or the target of `into`
  llvm::ArrayRef<LayoutArg> args; ///< of a layout
  std::optional<TypeRef> type;    ///< of a quant
  llvm::ArrayRef<Ident> ranks;    ///< of a quant
};

/// `const W: i32 = 1024`, `K: bf16[b,n,d=128] layout paged(table)`.
struct Port {
  SourceRange range;
  bool isConst;
  Ident name;
  TypeRef type;
  llvm::ArrayRef<Axis> axes; ///< empty: a scalar
  llvm::ArrayRef<Annotation> annotations;
  const Expr *defaultValue; ///< null if not given
};

class Decl {
public:
  enum class Kind { Cascade, Def, Monoid };

  Kind kind() const { return declKind; }
  SourceRange range() const { return declRange; }
  const Ident &name() const { return declName; }
  /// The comment lines right above, without `#` and its blank, joined by
  /// newlines; empty if there are none.
  llvm::StringRef doc() const { return declDoc; }

protected:
  Decl(Kind kind, SourceRange range, Ident name, llvm::StringRef doc)
      : declKind(kind), declRange(range), declName(name), declDoc(doc) {}

private:
  Kind declKind;
  SourceRange declRange;
  Ident declName;
  llvm::StringRef declDoc;
};

struct CascadeDecl : Decl {
  llvm::ArrayRef<Port> inputs;
  llvm::ArrayRef<Port> outputs;       ///< one or more
  llvm::ArrayRef<Relation> relations; ///< of all `with` clauses
  llvm::ArrayRef<Ident> cuts;         ///< one per `cut` clause
  llvm::ArrayRef<const Stmt *> body;

  CascadeDecl(SourceRange range, Ident name, llvm::StringRef doc,
              llvm::ArrayRef<Port> inputs, llvm::ArrayRef<Port> outputs,
              llvm::ArrayRef<Relation> relations, llvm::ArrayRef<Ident> cuts,
              llvm::ArrayRef<const Stmt *> body)
      : Decl(Kind::Cascade, range, name, doc), inputs(inputs), outputs(outputs),
        relations(relations), cuts(cuts), body(body) {}
  static bool classof(const Decl *d) { return d->kind() == Kind::Cascade; }
};

struct DefDecl : Decl {
  llvm::ArrayRef<Ident> ranks; ///< empty: no brackets
  Ident resultRank;            ///< after `->`; false if there is none
  llvm::ArrayRef<Ident> args;
  const Expr *expr;                  ///< of `def f(x) = e`, else null
  llvm::ArrayRef<const Stmt *> body; ///< of a block, else empty

  DefDecl(SourceRange range, Ident name, llvm::StringRef doc,
          llvm::ArrayRef<Ident> ranks, Ident resultRank,
          llvm::ArrayRef<Ident> args, const Expr *expr,
          llvm::ArrayRef<const Stmt *> body)
      : Decl(Kind::Def, range, name, doc), ranks(ranks), resultRank(resultRank),
        args(args), expr(expr), body(body) {}
  bool hasBlock() const { return !expr; }
  static bool classof(const Decl *d) { return d->kind() == Kind::Def; }
};

/// One component of a monoid's state with its identity.
struct MonoidState {
  Ident name;
  const Expr *identity;
};

/// `monoid m(s = e, ..) + (s', ..) [ordered] = combination`.
struct MonoidDecl : Decl {
  llvm::ArrayRef<MonoidState> states; ///< names of the left operand
  llvm::ArrayRef<Ident> primed;       ///< names of the right operand
  bool ordered;
  const Expr *combination; ///< a TupleExpr if there are several states

  MonoidDecl(SourceRange range, Ident name, llvm::StringRef doc,
             llvm::ArrayRef<MonoidState> states, llvm::ArrayRef<Ident> primed,
             bool ordered, const Expr *combination)
      : Decl(Kind::Monoid, range, name, doc), states(states), primed(primed),
        ordered(ordered), combination(combination) {}
  static bool classof(const Decl *d) { return d->kind() == Kind::Monoid; }
};

//===----------------------------------------------------------------------===//
// The tree of one file
//===----------------------------------------------------------------------===//

/// Owns the nodes of one file. Movable; nodes keep their addresses.
class Ast {
public:
  llvm::ArrayRef<const Decl *> decls; ///< in order of the text

  /// A node in the arena.
  template <typename T, typename... Args> const T *make(Args &&...args) {
    static_assert(std::is_trivially_destructible_v<T>);
    return new (arena->Allocate<T>()) T(std::forward<Args>(args)...);
  }
  /// A copy of `items` in the arena.
  template <typename T> llvm::ArrayRef<T> copy(llvm::ArrayRef<T> items) {
    static_assert(std::is_trivially_destructible_v<T>);
    T *data = arena->Allocate<T>(items.size());
    std::uninitialized_copy(items.begin(), items.end(), data);
    return llvm::ArrayRef<T>(data, items.size());
  }
  llvm::StringRef copy(llvm::StringRef text) { return text.copy(*arena); }

private:
  std::unique_ptr<llvm::BumpPtrAllocator> arena =
      std::make_unique<llvm::BumpPtrAllocator>();
};

/// S-expressions for tests: structure only, no ranges, no comments.
void dumpAst(const Expr &expr, llvm::raw_ostream &os);
void dumpAst(const Stmt &stmt, llvm::raw_ostream &os);
void dumpAst(const Ast &ast, llvm::raw_ostream &os);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_AST_H
