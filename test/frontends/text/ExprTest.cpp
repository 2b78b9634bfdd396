//===- ExprTest.cpp - precedence and forms of expressions -----------------===//

#include "SyntaxTest.h"

using namespace attn::text;

namespace {
struct Row {
  const char *text, *tree;
};
} // namespace

/// From loosest to tightest, every neighbouring pair of levels in both orders.
static const Row precedence[] = {
    {"a where p else b", "(else (where a p) b)"},
    {"a else b where p", "(where (else a b) p)"},
    {"a where p where q", "(where (where a p) q)"},
    {"a where p or q", "(where a (or p q))"},
    {"p or q where r", "(where (or p q) r)"},
    {"p or q or r", "(or (or p q) r)"},
    {"p or q and r", "(or p (and q r))"},
    {"p and q or r", "(or (and p q) r)"},
    {"p and q and r", "(and (and p q) r)"},
    {"not p and q", "(and (not p) q)"},
    {"p and not q", "(and p (not q))"},
    {"not not p", "(not (not p))"},
    {"not a == b", "(not (== a b))"},
    {"a + b < c", "(< (+ a b) c)"},
    {"a < b + c", "(< a (+ b c))"},
    {"a == b", "(== a b)"},
    {"a != b and c >= d", "(and (!= a b) (>= c d))"},
    {"0 <= m - n < W", "(<= < 0 (- m n) W)"},
    {"a < b <= c or p", "(or (< <= a b c) p)"},
    {"a == b < c", "(== < a b c)"},
    {"a + b - c", "(- (+ a b) c)"},
    {"a + b * c", "(+ a (* b c))"},
    {"a * b + c", "(+ (* a b) c)"},
    {"a / b * c // d % e", "(% (// (* (/ a b) c) d) e)"},
    {"-a * b", "(* (- a) b)"},
    {"a * -b", "(* a (- b))"},
    {"a - -b", "(- a (- b))"},
    {"--a", "(- (- a))"},
    {"-x^2", "(- (^ x 2))"},
    {"2 ^ -x", "(^ 2 (- x))"},
    {"a ^ b ^ c", "(^ a (^ b c))"},
    {"a * b ^ c", "(* a (^ b c))"},
    {"-x[d := 1]", "(- (subst x (d 1)))"},
    {"x[d := 1]^2", "(^ (subst x (d 1)) 2)"},
    {"(a + b) * c", "(* (+ a b) c)"},
    {"a - (b - c)", "(- a (- b c))"},
    {"x where (p else true)", "(where x (else p true))"},
};

TEST(Expr, Precedence) {
  for (const Row &row : precedence)
    EXPECT_EQ(exprOf(row.text), row.tree) << row.text;
}

static const Row forms[] = {
    {"12", "12"},
    {"0.5", "0.5"},
    {"1e-12", "1e-12"},
    {"2.5E+3", "2.5E+3"},
    {"inf", "inf"},
    {"pi", "pi"},
    {"true", "true"},
    {"false", "false"},
    {"|n'|", "|n'|"},
    {"|n|-1", "(- |n| 1)"},
    {"|a| * |b|", "(* |a| |b|)"},
    {"x''", "x''"},
    {"_a1", "_a1"},
    {"T[i]", "(at T i)"},
    {"T[b, m-1, |n|-1]", "(at T b (- m 1) (- |n| 1))"},
    {"T[J[b,j]]?", "(at? T (at J b j))"},
    {"T[i]? else 0", "(else (at? T i) 0)"},
    {"T[x where p else 0]", "(at T (else (where x p) 0))"},
    {"f()", "(call f)"},
    {"f(x, y where p)", "(call f x (where y p))"},
    {"i32(floor(x))", "(call i32 (call floor x))"},
    {"sum[d](Q * K)", "(call sum [d] (* Q K))"},
    {"sum [d] (Q)", "(call sum [d] Q)"},
    {"softmax[v,u](S)", "(call softmax [v u] S)"},
    {"order[n -> j](k1, -k2)", "(call order [n -> j] k1 (- k2))"},
    {"order[p, i -> j](k)", "(call order [p i -> j] k)"},
    {"m[r]()", "(call m [r])"},
    {"x[r := e]", "(subst x (r e))"},
    {"x[r := e + 1, s := |t|]?", "(subst? x (r (+ e 1)) (s |t|))"},
    {"(a + b)[r := 0]", "(subst (+ a b) (r 0))"},
    {"T[i][r := 0]", "(subst (at T i) (r 0))"},
    {"f(x)[r := 0][s := 1]?", "(subst? (subst (call f x) (r 0)) (s 1))"},
    {"-x[c := 1]", "(- (subst x (c 1)))"},
};

TEST(Expr, Forms) {
  for (const Row &row : forms)
    EXPECT_EQ(exprOf(row.text), row.tree) << row.text;
}

static const Expr &bodyOf(const Parsed &parsed) {
  return *llvm::cast<DefDecl>(parsed.ast.decls[0])->expr;
}

TEST(Expr, NumbersAreExact) {
  Parsed integer("def f() = 9223372036854775807");
  const auto &i = llvm::cast<NumberExpr>(bodyOf(integer));
  EXPECT_TRUE(i.isInteger);
  EXPECT_EQ(i.value, INT64_MAX);
  Parsed real("def f() = 1e0");
  const auto &r = llvm::cast<NumberExpr>(bodyOf(real));
  EXPECT_FALSE(r.isInteger);
  EXPECT_EQ(r.text, "1e0");
}

TEST(Expr, RangesCoverParentheses) {
  Parsed parsed("def f() = (a + b) * (c)");
  const auto &product = llvm::cast<BinaryExpr>(bodyOf(parsed));
  auto text = [&](SourceRange range) {
    return parsed.sources.text(range).str();
  };
  EXPECT_EQ(text(product.range()), "(a + b) * (c)");
  EXPECT_EQ(text(product.opRange), "*");
  EXPECT_EQ(text(product.lhs->range()), "a + b");
  EXPECT_EQ(text(product.rhs->range()), "c");
}

TEST(Expr, DepthAndChildren) {
  Parsed parsed("def f() = g(T[i + 1], x[r := -y]) where 0 < a < b");
  const Expr &where = bodyOf(parsed);
  EXPECT_EQ(where.depth(), 5u);
  unsigned leaves = 0;
  auto count = [&](auto &self, const Expr &expr) -> void {
    bool leaf = true;
    forEachChild(expr, [&](const Expr &child) {
      leaf = false;
      self(self, child);
    });
    leaves += leaf;
  };
  count(count, where);
  EXPECT_EQ(leaves, 7u); // i, 1, x, y, 0, a, b
}
