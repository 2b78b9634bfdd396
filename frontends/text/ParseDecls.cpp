//===- ParseDecls.cpp - parsing cascades, defs and monoids ----------------===//
//
// Headers, ports and rank relations.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/ParserImpl.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace attn::text;
using llvm::SmallVector;
using llvm::SmallVectorImpl;
using llvm::StringRef;

/// The comment lines right above the token at `index`, their marks removed.
StringRef Parser::docBefore(size_t index) {
  uint32_t below = tokens[index].range.begin;
  SmallVector<StringRef> found;
  const Comment *comment =
      llvm::upper_bound(comments, index, [](size_t value, const Comment &c) {
        return value < c.before;
      });
  while (comment != comments.begin()) {
    --comment;
    StringRef between = file.text().slice(comment->range.end - file.base(),
                                          below - file.base());
    if (comment->before != index || !comment->startsLine ||
        between.count('\n') != 1)
      break;
    StringRef line = file.text().slice(comment->range.begin - file.base(),
                                       comment->range.end - file.base());
    found.push_back(line.drop_front().ltrim(' '));
    below = comment->range.begin;
  }
  if (found.empty())
    return {};
  return ast.copy(StringRef(llvm::join(llvm::reverse(found), "\n")));
}

//===----------------------------------------------------------------------===//
// Cascades
//===----------------------------------------------------------------------===//

struct attn::text::CascadeParts {
  Ident name;
  SmallVector<Port> inputs, outputs;
  SmallVector<Relation> relations;
  SmallVector<Ident> cuts;
};

void Parser::cascade() {
  uint32_t begin = here();
  StringRef doc = docBefore(pos);
  advance();
  CascadeParts parts;
  SmallVector<const Stmt *> body;
  bool good = cascadeHeader(parts);
  if (!good && !skipToBlock())
    return;
  if (!block(nullptr, body))
    return skipToDecl();
  if (good)
    decls.push_back(ast.make<CascadeDecl>(
        from(begin), parts.name, doc, keep(parts.inputs), keep(parts.outputs),
        keep(parts.relations), keep(parts.cuts), keep(body)));
}

bool Parser::cascadeHeader(CascadeParts &parts) {
  if (!name(parts.name, "the name of the cascade"))
    return false;
  SourceRange open = token().range;
  token().role = Role::Postfix;
  if (!expect(Tok::LParen))
    return false;
  auto onePort = [&](Port &out) { return port(out); };
  if (!at(Tok::RParen) && !list(parts.inputs, onePort))
    return false;
  if (!expectClose(Tok::RParen, open) ||
      !expect(Tok::Arrow, "the outputs: cascade " + parts.name.name +
                              "(..) -> O: f32[b,m]") ||
      !outputs(parts.outputs))
    return false;
  while (at(Tok::With) || at(Tok::Cut)) {
    if (accept(Tok::With)) {
      if (!list(parts.relations, [&](Relation &out) { return relation(out); }))
        return false;
      continue;
    }
    advance();
    if (!name(parts.cuts.emplace_back(), "a rank"))
      return false;
  }
  if (at(Tok::LBrace))
    return true;
  expected("`with`, `cut` or `{`");
  return false;
}

bool Parser::outputs(SmallVectorImpl<Port> &out) {
  SourceRange open = token().range;
  auto onePort = [&](Port &out) { return port(out); };
  if (accept(Tok::LParen))
    return list(out, onePort) && expectClose(Tok::RParen, open);
  return port(out.emplace_back());
}

bool Parser::port(Port &out) {
  uint32_t begin = here();
  out.isConst = accept(Tok::Const);
  if (!name(out.name, "a port", "Q: f32[b,m,d]") ||
      !expect(Tok::Colon, out.name.name + ": f32[b,m,d]") || !type(out.type))
    return false;
  ScalarType &type = out.type.type;
  if (widePorts && (type == ScalarType::BF16 || type == ScalarType::F16))
    type = ScalarType::F32;
  SmallVector<Axis> axes;
  if (at(Tok::LBracket)) {
    SourceRange open = token().range;
    token().role = Role::Postfix;
    advance();
    llvm::SaveAndRestore indexing(tight, true);
    if (!list(axes, [&](Axis &out) { return axis(out); }) ||
        !expectClose(Tok::RBracket, open))
      return false;
  }
  SmallVector<Annotation> annotations;
  while (at(Tok::Layout) || at(Tok::Quant) || at(Tok::Into))
    if (!annotation(annotations.emplace_back()))
      return false;
  if (accept(Tok::Equal) && !(out.defaultValue = expr()))
    return false;
  out.axes = keep(axes);
  out.annotations = keep(annotations);
  out.range = from(begin);
  return true;
}

bool Parser::axis(Axis &out) {
  if (!name(out.rank, "a rank", "an extent follows its rank: d=128"))
    return false;
  if (!at(Tok::Equal))
    return true;
  token().role = Role::Tight;
  advance();
  return (out.extent = add());
}

bool Parser::annotation(Annotation &out) {
  uint32_t begin = here();
  Tok keyword = kind();
  advance();
  bool good;
  if (keyword == Tok::Into) {
    out.kind = Annotation::Kind::Into;
    good = name(out.name, "an input");
  } else if (keyword == Tok::Layout) {
    out.kind = Annotation::Kind::Layout;
    SmallVector<LayoutArg> args;
    good = name(out.name, "a layout", "layout paged(table, page=16)");
    SourceRange open = token().range;
    token().role = Role::Postfix;
    good = good && expect(Tok::LParen) &&
           list(args, [&](LayoutArg &arg) { return layoutArg(arg); }) &&
           expectClose(Tok::RParen, open);
    out.args = keep(args);
  } else {
    out.kind = Annotation::Kind::Quant;
    TypeRef ref;
    SmallVector<Ident> names;
    good = type(ref) && expect(Tok::Per, "quant i8 per (b,h,n)");
    SourceRange open = token().range;
    llvm::SaveAndRestore indexing(tight, true);
    good = good && expect(Tok::LParen, "quant i8 per (b,h,n)") &&
           ranks(names) && expectClose(Tok::RParen, open);
    out.type = ref;
    out.ranks = keep(names);
  }
  out.range = from(begin);
  return good;
}

bool Parser::layoutArg(LayoutArg &out) {
  if (at(Tok::Identifier) && lookAhead(1) == Tok::Equal) {
    name(out.key);
    token().role = Role::Tight;
    advance();
  }
  return (out.value = expr());
}

bool Parser::relation(Relation &out) {
  uint32_t begin = here();
  SmallVector<RelationPart> parts;
  if (!name(out.rank, "a rank", "j: |n|, n = (p, i: 16), or c = p ++ n"))
    return false;
  if (accept(Tok::Colon)) {
    out.kind = Relation::Kind::Extent;
    if (!(out.extent = add()))
      return false;
  } else if (!expect(Tok::Equal, "an extent is " + out.rank.name + ": 16")) {
    return false;
  } else if (SourceRange open = token().range; accept(Tok::LParen)) {
    out.kind = Relation::Kind::Product;
    auto part = [&](RelationPart &part) {
      return name(part.rank, "a rank") &&
             (!accept(Tok::Colon) || (part.extent = add()));
    };
    if (!list(parts, part) || !expectClose(Tok::RParen, open))
      return false;
  } else {
    out.kind = Relation::Kind::Sum;
    StringRef hint = "a product is n = (p, i: 16), a sum c = p ++ n";
    do {
      if (!name(parts.emplace_back().rank, "a rank", hint))
        return false;
    } while (accept(Tok::PlusPlus));
    if (parts.size() == 1) {
      expected("`++`", "an extent is " + out.rank.name + ": 16, " + hint);
      return false;
    }
  }
  out.parts = keep(parts);
  out.range = from(begin);
  return true;
}

//===----------------------------------------------------------------------===//
// Defs and monoids
//===----------------------------------------------------------------------===//

struct attn::text::DefParts {
  Ident name, resultRank;
  SmallVector<Ident> ranks, args;
};

bool Parser::defHeader(DefParts &parts) {
  if (!name(parts.name, "the name of the def"))
    return false;
  SourceRange open = token().range;
  if (at(Tok::LBracket)) {
    token().role = Role::Postfix;
    advance();
    llvm::SaveAndRestore indexing(tight, true);
    if (!ranks(parts.ranks) ||
        (accept(Tok::Arrow) && !name(parts.resultRank, "a rank after `->`")) ||
        !expectClose(Tok::RBracket, open))
      return false;
  }
  open = token().range;
  token().role = Role::Postfix;
  if (!expect(Tok::LParen))
    return false;
  auto arg = [&](Ident &out) { return name(out, "an argument"); };
  if (!at(Tok::RParen) && !list(parts.args, arg))
    return false;
  return expectClose(Tok::RParen, open);
}

/// The expression after `=`, where newlines count; it ends the declaration.
const Expr *Parser::body() {
  setLines(true);
  const Expr *value = expr();
  if (value && !at(Tok::Newline) && !at(Tok::End) && !atDecl())
    value = junkAfterExpr();
  setLines(false);
  if (!value)
    skipToDecl();
  return value;
}

void Parser::def() {
  uint32_t begin = here();
  StringRef doc = docBefore(pos);
  advance();
  DefParts parts;
  const Expr *value = nullptr;
  SmallVector<const Stmt *> stmts;
  bool good = defHeader(parts);
  if (!good && !skipToBlock())
    return;
  if (at(Tok::Equal)) {
    token().role = Role::Defining;
    advance();
    if (!(value = body()))
      return;
  } else if (!at(Tok::LBrace)) {
    expected("`=` or `{`");
    return skipToDecl();
  } else if (!block(&parts.name, stmts)) {
    return skipToDecl();
  }
  if (good)
    decls.push_back(ast.make<DefDecl>(from(begin), parts.name, doc,
                                      keep(parts.ranks), parts.resultRank,
                                      keep(parts.args), value, keep(stmts)));
}

void Parser::monoid() {
  uint32_t begin = here();
  StringRef doc = docBefore(pos);
  advance();
  llvm::SaveAndRestore tuples(inMonoid, true);
  Ident id;
  SmallVector<MonoidState> states;
  SmallVector<Ident> primed;
  auto state = [&](MonoidState &out) {
    return name(out.name, "a component of the state") &&
           expect(Tok::Equal, "each component has its identity: s = 0") &&
           (out.identity = expr());
  };
  if (!name(id, "the name of the monoid"))
    return skipToDecl();
  SourceRange open = token().range;
  token().role = Role::Postfix;
  if (!expect(Tok::LParen) || !list(states, state) ||
      !expectClose(Tok::RParen, open) ||
      !expect(Tok::Plus, "monoid m(s = 0) + (s') = .."))
    return skipToDecl();
  open = token().range;
  if (!expect(Tok::LParen) || !ranks(primed) || !expectClose(Tok::RParen, open))
    return skipToDecl();
  bool ordered = accept(Tok::Ordered);
  if (!expect(Tok::Equal))
    return skipToDecl();
  if (const Expr *combination = body())
    decls.push_back(ast.make<MonoidDecl>(from(begin), id, doc, keep(states),
                                         keep(primed), ordered, combination));
}
