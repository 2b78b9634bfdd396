//===- Expr.h - expressions of the syntax tree ------------------*- C++ -*-===//
//
// The expression nodes of Ast.h, which says what the parser guarantees. An Expr
// is never null unless its field says so.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_EXPR_H
#define ATTN_FRONTENDS_TEXT_EXPR_H

#include "frontends/text/Source.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Casting.h"
#include <algorithm>
#include <optional>

namespace attn::text {

/// Levels of nesting that an expression may have; deeper is a syntax error, so
/// that recursive walks over the tree are safe.
inline constexpr unsigned maxExprDepth = 1000;

/// A name where it stands: rank, tensor, scalar, def, ... as the context says.
struct Ident {
  llvm::StringRef name;
  SourceRange range;

  explicit operator bool() const { return !name.empty(); }
};

enum class ScalarType {
  F64,
  F32,
  F16,
  BF16,
  F8E4M3,
  F8E5M2,
  I64,
  I32,
  I8,
  U8,
  I4,
  Bool
};

/// "bf16" etc.
llvm::StringRef spelling(ScalarType type);
std::optional<ScalarType> scalarTypeNamed(llvm::StringRef name);

struct TypeRef {
  ScalarType type;
  SourceRange range;
};

class Expr {
public:
  enum class Kind {
    Number,
    Constant,
    Extent,
    Name,
    Access,
    Call,
    Subst,
    Unary,
    Binary,
    Chain,
    Tuple
  };

  Kind kind() const { return exprKind; }
  SourceRange range() const { return exprRange; }
  /// 1 for a leaf, else 1 + the deepest child.
  unsigned depth() const { return exprDepth; }

protected:
  Expr(Kind kind, SourceRange range, unsigned childDepth = 0)
      : exprKind(kind), exprDepth(childDepth + 1), exprRange(range) {}

private:
  Kind exprKind;
  unsigned exprDepth;
  SourceRange exprRange;
};

/// The depth of the deepest of `exprs` (null entries count 0).
unsigned depthOf(llvm::ArrayRef<const Expr *> exprs);

/// `3`, `0.5`, `1e-12`. Literals are never negative.
struct NumberExpr : Expr {
  llvm::StringRef text; ///< as written; exact
  bool isInteger;       ///< no point and no exponent
  int64_t value;        ///< of an integer; 0 for a real

  NumberExpr(SourceRange range, llvm::StringRef text, bool isInteger,
             int64_t value)
      : Expr(Kind::Number, range), text(text), isInteger(isInteger),
        value(value) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Number; }
};

/// `inf pi true false`.
struct ConstantExpr : Expr {
  enum class Value { Inf, Pi, True, False };
  Value value;

  ConstantExpr(SourceRange range, Value value)
      : Expr(Kind::Constant, range), value(value) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Constant; }
};

/// `|r|`.
struct ExtentExpr : Expr {
  Ident rank;

  ExtentExpr(SourceRange range, Ident rank)
      : Expr(Kind::Extent, range), rank(rank) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Extent; }
};

/// A name on its own: coordinate, scalar, or bare tensor.
struct NameExpr : Expr {
  llvm::StringRef name;

  NameExpr(SourceRange range, llvm::StringRef name)
      : Expr(Kind::Name, range), name(name) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Name; }
};

/// `T[i, ..]`, `T[i, ..]?`. One index or more.
struct AccessExpr : Expr {
  Ident tensor;
  llvm::ArrayRef<const Expr *> indices;
  bool optional; ///< carries `?`

  AccessExpr(SourceRange range, Ident tensor,
             llvm::ArrayRef<const Expr *> indices, bool optional)
      : Expr(Kind::Access, range, depthOf(indices)), tensor(tensor),
        indices(indices), optional(optional) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Access; }
};

/// `f(x, ..)`, `sum[d](x)`, `order[n -> j](k, ..)`: function, cast, def,
/// reduction, monoid or cascade; no argument or more.
struct CallExpr : Expr {
  Ident callee;
  llvm::ArrayRef<Ident> ranks; ///< empty: no brackets
  Ident resultRank;            ///< after `->`; false if there is none
  llvm::ArrayRef<const Expr *> args;

  CallExpr(SourceRange range, Ident callee, llvm::ArrayRef<Ident> ranks,
           Ident resultRank, llvm::ArrayRef<const Expr *> args)
      : Expr(Kind::Call, range, depthOf(args)), callee(callee), ranks(ranks),
        resultRank(resultRank), args(args) {}
  bool hasRanks() const { return !ranks.empty(); }
  static bool classof(const Expr *e) { return e->kind() == Kind::Call; }
};

/// One `r := e`.
struct Binding {
  Ident rank;
  const Expr *value;
};

/// `x[r := e, ..]`, `x[r := e, ..]?`. One binding or more.
struct SubstExpr : Expr {
  const Expr *operand;
  llvm::ArrayRef<Binding> bindings;
  bool optional; ///< carries `?`

  SubstExpr(SourceRange range, const Expr *operand,
            llvm::ArrayRef<Binding> bindings, bool optional);
  static bool classof(const Expr *e) { return e->kind() == Kind::Subst; }
};

enum class UnaryOp { Neg, Not };
llvm::StringRef spelling(UnaryOp op);

struct UnaryExpr : Expr {
  UnaryOp op;
  const Expr *operand;

  UnaryExpr(SourceRange range, UnaryOp op, const Expr *operand)
      : Expr(Kind::Unary, range, operand->depth()), op(op), operand(operand) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Unary; }
};

enum class BinaryOp {
  Where,
  Else,
  Or,
  And,
  Lt,
  Le,
  Gt,
  Ge,
  Eq,
  Ne,
  Add,
  Sub,
  Mul,
  Div,
  FloorDiv,
  Mod,
  Pow
};
llvm::StringRef spelling(BinaryOp op);
inline bool isComparison(BinaryOp op) {
  return op >= BinaryOp::Lt && op <= BinaryOp::Ne;
}

/// `x where p` has the value on the left and the condition on the right,
/// `x else y` the fallback on the right.
struct BinaryExpr : Expr {
  BinaryOp op;
  const Expr *lhs;
  const Expr *rhs;
  SourceRange opRange;

  BinaryExpr(SourceRange range, BinaryOp op, const Expr *lhs, const Expr *rhs,
             SourceRange opRange)
      : Expr(Kind::Binary, range, std::max(lhs->depth(), rhs->depth())), op(op),
        lhs(lhs), rhs(rhs), opRange(opRange) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Binary; }
};

/// `a <= b < c`: both comparisons hold. The second one is `<` or `<=`.
struct ChainExpr : Expr {
  const Expr *first;
  BinaryOp firstOp;
  const Expr *middle;
  BinaryOp secondOp;
  const Expr *last;

  ChainExpr(SourceRange range, const Expr *first, BinaryOp firstOp,
            const Expr *middle, BinaryOp secondOp, const Expr *last)
      : Expr(Kind::Chain, range, depthOf({first, middle, last})), first(first),
        firstOp(firstOp), middle(middle), secondOp(secondOp), last(last) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Chain; }
};

/// `(a, b, ..)`: two elements or more, in a monoid only.
struct TupleExpr : Expr {
  llvm::ArrayRef<const Expr *> elements;

  TupleExpr(SourceRange range, llvm::ArrayRef<const Expr *> elements)
      : Expr(Kind::Tuple, range, depthOf(elements)), elements(elements) {}
  static bool classof(const Expr *e) { return e->kind() == Kind::Tuple; }
};

/// Calls `visit` on the direct subexpressions, left to right.
void forEachChild(const Expr &expr,
                  llvm::function_ref<void(const Expr &)> visit);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_EXPR_H
