//===- attn/Builder.h - .attn programs written in C++ -----------*- C++ -*-===//
//
// The notation of .attn files as C++ expressions. A Program is its text: the
// front end compiles that, and its diagnostics show it.
//
//   using namespace attn::lang;
//   Program program;
//   Cascade f = program.cascade("gqa");
//   Rank b("b"), h("h"), g("g"), y("y"), m("m"), n("n"), d("d"), e("e");
//   Tensor Q = f.input("Q", bf16, {b, h, m, d});
//   Tensor K = f.input("K", bf16, {b, g, n, d});
//   Tensor V = f.input("V", bf16, {b, g, n, e});
//   Tensor O = f.output("O", bf16, {b, h, m, e});
//   f.product(h, {g, {y, 4}});
//   Tensor S = f.tensor("S");
//   S[{b, h, m, n}] = (sum[d](Q * K) / sqrt(extent(d))).where(n <= m);
//   O[{b, h, m, e}] = sum[n](softmax[n](S) * V);
//
// `x else y` is x.orElse(y), `//` is floordiv, `^` is pow, `|d|` is extent(d),
// `and or not` are && || !, `n -> j` is n >> j. Functions from Expr to Expr are
// what `def` is. Needs the standard library only.
//
//===----------------------------------------------------------------------===//
#ifndef ATTN_BUILDER_H
#define ATTN_BUILDER_H

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace attn::lang {

enum Type {
  f64,
  f32,
  f16,
  bf16,
  f8e4m3,
  f8e5m2,
  i64,
  i32,
  i8,
  u8,
  i4,
  boolean
};

/// A named index; used in an expression it is its coordinate.
struct Rank {
  explicit Rank(std::string name) : name(std::move(name)) {}
  std::string name;
};

/// `n -> j` of a selection.
struct RankPair {
  Rank from, to;
};
inline RankPair operator>>(Rank from, Rank to) { return {from, to}; }

/// An expression: its text, and how tightly its outermost operator binds.
class Expr {
public:
  Expr(int value) : Expr(static_cast<long long>(value)) {}
  Expr(long value) : Expr(static_cast<long long>(value)) {}
  Expr(long long value);
  Expr(double value);
  Expr(bool value);
  Expr(const Rank &rank);
  Expr(std::string text, int level) : text(std::move(text)), level(level) {}

  /// Absent where `condition` is not present and true.
  Expr where(const Expr &condition) const;
  /// The value if present, else `other`.
  Expr orElse(const Expr &other) const;
  /// Evaluated at another coordinate: `x[r := e]`.
  Expr at(const Rank &rank, const Expr &coordinate) const;
  /// `x?`: absent outside; of accesses and substitutions.
  Expr optional() const;

  /// The text, in parentheses if it binds looser than `least`.
  std::string str(int least = 0) const;

private:
  std::string text;
  int level;
};

Expr operator+(const Expr &a, const Expr &b);
Expr operator-(const Expr &a, const Expr &b);
Expr operator*(const Expr &a, const Expr &b);
Expr operator/(const Expr &a, const Expr &b);
Expr operator%(const Expr &a, const Expr &b);
Expr operator<(const Expr &a, const Expr &b);
Expr operator<=(const Expr &a, const Expr &b);
Expr operator>(const Expr &a, const Expr &b);
Expr operator>=(const Expr &a, const Expr &b);
Expr operator==(const Expr &a, const Expr &b);
Expr operator!=(const Expr &a, const Expr &b);
Expr operator&&(const Expr &a, const Expr &b);
Expr operator||(const Expr &a, const Expr &b);
Expr operator!(const Expr &a);
Expr operator-(const Expr &a);
Expr floordiv(const Expr &a, const Expr &b);
Expr pow(const Expr &a, const Expr &b);
Expr extent(const Rank &rank);
/// `f(x, ..)`: a scalar function, cast, def or cascade by its name.
Expr call(const std::string &name, std::initializer_list<Expr> args);
inline const Expr inf("inf", 8);
inline const Expr pi("pi", 8);

#define ATTN_FUNCTION(name)                                                    \
  inline Expr name(const Expr &x) { return call(#name, {x}); }
ATTN_FUNCTION(exp)
ATTN_FUNCTION(log)
ATTN_FUNCTION(sqrt)
ATTN_FUNCTION(rsqrt)
ATTN_FUNCTION(tanh)
ATTN_FUNCTION(sin)
ATTN_FUNCTION(cos)
ATTN_FUNCTION(erf)
ATTN_FUNCTION(abs)
ATTN_FUNCTION(sign)
ATTN_FUNCTION(floor)
ATTN_FUNCTION(ceil)
ATTN_FUNCTION(round)
ATTN_FUNCTION(isnan)
ATTN_FUNCTION(sigmoid)
ATTN_FUNCTION(relu)
#undef ATTN_FUNCTION
inline Expr select(const Expr &c, const Expr &a, const Expr &b) {
  return call("select", {c, a, b});
}
inline Expr softcap(const Expr &x, const Expr &c) {
  return call("softcap", {x, c});
}

/// Something that takes ranks in brackets and expressions in parentheses: a
/// reduction, a definition, a monoid, `order`.
class Op {
public:
  explicit Op(std::string name) : name(std::move(name)) {}

  class Bound {
  public:
    template <typename... Args> Expr operator()(const Args &...args) const {
      return call(name, {Expr(args)...});
    }

  private:
    friend class Op;
    explicit Bound(std::string name) : name(std::move(name)) {}
    std::string name;
  };

  Bound operator[](const Rank &rank) const { return (*this)[{rank}]; }
  Bound operator[](std::initializer_list<Rank> ranks) const;
  Bound operator[](const RankPair &pair) const;
  template <typename... Args> Expr operator()(const Args &...args) const {
    return call(name, {Expr(args)...});
  }

private:
  std::string name;
};

inline const Op sum("sum"), prod("prod"), max("max"), min("min"), any("any"),
    all("all"), count("count"), argmax("argmax"), argmin("argmin"),
    first("first"), last("last"), order("order"), mean("mean"),
    softmax("softmax"), logsumexp("logsumexp"), topk("topk"), member("member");

namespace detail {
struct CascadeText;
}

/// `T[..]` with plain indices: an access, or the left side of an equation.
class Access : public Expr {
public:
  Access(std::shared_ptr<detail::CascadeText> cascade, const std::string &text)
      : Expr(text, 8), cascade(std::move(cascade)) {}
  Access(const Access &) = default;
  /// Adds the equation to the cascade.
  void operator=(const Expr &value);
  void operator=(const Access &value) { *this = static_cast<Expr>(value); }
  /// A left side with a declared type, `P[..]: bf16 = ..`.
  Access as(Type type) const;

private:
  friend void define(std::initializer_list<Access> lhs, const Expr &value);
  std::shared_ptr<detail::CascadeText> cascade;
};

/// `(A[..], B[..]) = value`, of a tuple monoid or a cascade call.
void define(std::initializer_list<Access> lhs, const Expr &value);

/// A tensor or scalar of a cascade; its bare name is the access at its own
/// ranks.
class Tensor {
public:
  operator Expr() const { return Expr(name, 8); }
  Access operator[](const Expr &index) const { return (*this)[{index}]; }
  Access operator[](std::initializer_list<Expr> indices) const;
  Expr where(const Expr &p) const { return Expr(*this).where(p); }
  Expr orElse(const Expr &x) const { return Expr(*this).orElse(x); }
  Expr at(const Rank &r, const Expr &e) const { return Expr(*this).at(r, e); }
  /// The equation of a scalar.
  void operator=(const Expr &value);
  void operator=(const Tensor &value) { *this = static_cast<Expr>(value); }
  Tensor(const Tensor &) = default;

private:
  friend class Cascade;
  Tensor(std::shared_ptr<detail::CascadeText> cascade, std::string name)
      : cascade(std::move(cascade)), name(std::move(name)) {}
  std::shared_ptr<detail::CascadeText> cascade;
  std::string name;
};

// Tensors and ranks take part in expressions by conversion.
inline Expr operator-(const Tensor &a) { return -Expr(a); }
inline Expr operator!(const Tensor &a) { return !Expr(a); }

/// A rank, or a rank with its extent.
struct Axis {
  Axis(const Rank &rank) : rank(rank) {}
  Axis(const Rank &rank, const Expr &extent)
      : rank(rank), extent(extent.str()) {}
  Rank rank;
  std::string extent;
};

class Cascade {
public:
  /// Annotations stand as in .attn text: "layout paged(table, page=16)".
  Tensor input(const std::string &name, Type type,
               std::initializer_list<Axis> axes = {},
               const std::string &annotations = "");
  Tensor output(const std::string &name, Type type,
                std::initializer_list<Axis> axes = {},
                const std::string &annotations = "");
  /// A run-time scalar with a default.
  Tensor scalar(const std::string &name, Type type, const Expr &value);
  Tensor constant(const std::string &name, Type type);
  Tensor constant(const std::string &name, Type type, const Expr &value);
  /// A tensor inside: its equations define it.
  Tensor tensor(const std::string &name);

  /// `r: e`, `n = (p, i: 16)`, `c = p ++ n`, `cut r`.
  void extent(const Rank &rank, const Expr &value);
  void product(const Rank &whole, std::initializer_list<Axis> parts);
  void concatenation(const Rank &whole, std::initializer_list<Rank> parts);
  void cut(const Rank &rank);

private:
  friend class Program;
  explicit Cascade(std::shared_ptr<detail::CascadeText> text)
      : text(std::move(text)) {}
  std::shared_ptr<detail::CascadeText> text;
};

class Program {
public:
  Cascade cascade(const std::string &name, const std::string &doc = "");
  /// A `def` or `monoid` as in .attn text; returns the operation it names.
  Op define(const std::string &text);
  /// The program in the .attn language.
  std::string text() const;

private:
  std::vector<std::string> definitions;
  std::vector<std::shared_ptr<detail::CascadeText>> cascades;
};

} // namespace attn::lang
#endif // ATTN_BUILDER_H
