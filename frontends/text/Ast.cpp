//===- Ast.cpp - spellings and walks of the syntax tree -------------------===//
//
// The small functions behind Expr.h.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Ast.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;

// In the order of the enumerations.
static constexpr StringRef typeNames[] = {"f64",    "f32",    "f16", "bf16",
                                          "f8e4m3", "f8e5m2", "i64", "i32",
                                          "i8",     "u8",     "i4",  "bool"};
static constexpr StringRef unaryNames[] = {"-", "not"};
static constexpr StringRef binaryNames[] = {
    "where", "else", "or", "and", "<", "<=", ">", ">=", "==",
    "!=",    "+",    "-",  "*",   "/", "//", "%", "^"};

StringRef attn::text::spelling(ScalarType type) {
  return typeNames[size_t(type)];
}
StringRef attn::text::spelling(UnaryOp op) { return unaryNames[size_t(op)]; }
StringRef attn::text::spelling(BinaryOp op) { return binaryNames[size_t(op)]; }

std::optional<ScalarType> attn::text::scalarTypeNamed(StringRef name) {
  const StringRef *found = llvm::find(typeNames, name);
  if (found == std::end(typeNames))
    return std::nullopt;
  return ScalarType(found - typeNames);
}

unsigned attn::text::depthOf(ArrayRef<const Expr *> exprs) {
  unsigned depth = 0;
  for (const Expr *expr : exprs)
    if (expr)
      depth = std::max(depth, expr->depth());
  return depth;
}

static unsigned depthOf(const Expr *operand, ArrayRef<Binding> bindings) {
  unsigned depth = operand->depth();
  for (const Binding &binding : bindings)
    depth = std::max(depth, binding.value->depth());
  return depth;
}

SubstExpr::SubstExpr(SourceRange range, const Expr *operand,
                     ArrayRef<Binding> bindings, bool optional)
    : Expr(Kind::Subst, range, ::depthOf(operand, bindings)), operand(operand),
      bindings(bindings), optional(optional) {}

void attn::text::forEachChild(const Expr &expr,
                              llvm::function_ref<void(const Expr &)> visit) {
  auto visitAll = [&](ArrayRef<const Expr *> children) {
    for (const Expr *child : children)
      visit(*child);
  };
  llvm::TypeSwitch<const Expr *>(&expr)
      .Case([&](const AccessExpr *e) { visitAll(e->indices); })
      .Case([&](const CallExpr *e) { visitAll(e->args); })
      .Case([&](const SubstExpr *e) {
        visit(*e->operand);
        for (const Binding &binding : e->bindings)
          visit(*binding.value);
      })
      .Case([&](const UnaryExpr *e) { visit(*e->operand); })
      .Case([&](const BinaryExpr *e) { visitAll({e->lhs, e->rhs}); })
      .Case(
          [&](const ChainExpr *e) { visitAll({e->first, e->middle, e->last}); })
      .Case([&](const TupleExpr *e) { visitAll(e->elements); })
      .Default([](const Expr *) {});
}
