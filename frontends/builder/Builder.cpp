//===- Builder.cpp - .attn programs written in C++ --------------*- C++ -*-===//
#include "attn/Builder.h"

#include <cmath>
#include <cstdio>

namespace attn::lang {

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

namespace {

// How tightly operators bind, loosest first, as in the grammar.
enum Level { Choice, Or, And, Not, Compare, Add, Mul, Unary, Postfix };

const char *const typeNames[] = {"f64",    "f32",    "f16", "bf16",
                                 "f8e4m3", "f8e5m2", "i64", "i32",
                                 "i8",     "u8",     "i4",  "bool"};

template <typename Range, typename Fn>
std::string join(const Range &range, Fn text) {
  std::string out;
  for (const auto &item : range)
    out += (out.empty() ? "" : ", ") + text(item);
  return out;
}

std::string joinExprs(std::initializer_list<Expr> exprs) {
  return join(exprs, [](const Expr &e) { return e.str(); });
}

/// A left-associative operator of `level`; `right` is the least level of its
/// right operand.
Expr binary(const Expr &a, const char *op, const Expr &b, Level level,
            Level right) {
  return Expr(a.str(level) + " " + op + " " + b.str(right), level);
}

Expr compare(const Expr &a, const char *op, const Expr &b) {
  return Expr(a.str(Add) + " " + op + " " + b.str(Add), Compare);
}

} // namespace

Expr::Expr(long long value)
    : text(std::to_string(value)), level(value < 0 ? Unary : Postfix) {}

Expr::Expr(double value) : level(std::signbit(value) ? Unary : Postfix) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.17g", value);
  text = buffer;
  // A literal without point and exponent would be an integer.
  if (std::isfinite(value) && text.find_first_of(".e") == std::string::npos)
    text += ".0";
}

Expr::Expr(bool value) : text(value ? "true" : "false"), level(Postfix) {}

Expr::Expr(const Rank &rank) : text(rank.name), level(Postfix) {}

std::string Expr::str(int least) const {
  return level < least ? "(" + text + ")" : text;
}

Expr Expr::where(const Expr &condition) const {
  return binary(*this, "where", condition, Choice, Or);
}
Expr Expr::orElse(const Expr &other) const {
  return binary(*this, "else", other, Choice, Or);
}
Expr Expr::at(const Rank &rank, const Expr &coordinate) const {
  return Expr(str(Postfix) + "[" + rank.name + " := " + coordinate.str() + "]",
              Postfix);
}
Expr Expr::optional() const { return Expr(str(Postfix) + "?", Postfix); }

Expr operator+(const Expr &a, const Expr &b) {
  return binary(a, "+", b, Add, Mul);
}
Expr operator-(const Expr &a, const Expr &b) {
  return binary(a, "-", b, Add, Mul);
}
Expr operator*(const Expr &a, const Expr &b) {
  return binary(a, "*", b, Mul, Unary);
}
Expr operator/(const Expr &a, const Expr &b) {
  return binary(a, "/", b, Mul, Unary);
}
Expr operator%(const Expr &a, const Expr &b) {
  return binary(a, "%", b, Mul, Unary);
}
Expr floordiv(const Expr &a, const Expr &b) {
  return binary(a, "//", b, Mul, Unary);
}
Expr operator<(const Expr &a, const Expr &b) { return compare(a, "<", b); }
Expr operator<=(const Expr &a, const Expr &b) { return compare(a, "<=", b); }
Expr operator>(const Expr &a, const Expr &b) { return compare(a, ">", b); }
Expr operator>=(const Expr &a, const Expr &b) { return compare(a, ">=", b); }
Expr operator==(const Expr &a, const Expr &b) { return compare(a, "==", b); }
Expr operator!=(const Expr &a, const Expr &b) { return compare(a, "!=", b); }
Expr operator&&(const Expr &a, const Expr &b) {
  return binary(a, "and", b, And, Not);
}
Expr operator||(const Expr &a, const Expr &b) {
  return binary(a, "or", b, Or, And);
}
Expr operator!(const Expr &a) { return Expr("not " + a.str(Not), Not); }
Expr operator-(const Expr &a) { return Expr("-" + a.str(Unary), Unary); }
Expr pow(const Expr &a, const Expr &b) {
  return Expr(a.str(Postfix) + " ^ " + b.str(Unary), Unary);
}
Expr extent(const Rank &rank) { return Expr("|" + rank.name + "|", Postfix); }
Expr call(const std::string &name, std::initializer_list<Expr> args) {
  return Expr(name + "(" + joinExprs(args) + ")", Postfix);
}

Op::Bound Op::operator[](std::initializer_list<Rank> ranks) const {
  return Bound(name + "[" + join(ranks, [](const Rank &r) { return r.name; }) +
               "]");
}
Op::Bound Op::operator[](const RankPair &pair) const {
  return Bound(name + "[" + pair.from.name + " -> " + pair.to.name + "]");
}

//===----------------------------------------------------------------------===//
// Cascades
//===----------------------------------------------------------------------===//

namespace detail {
struct CascadeText {
  std::string name, doc, cuts;
  std::vector<std::string> inputs, outputs, relations, statements;
};
} // namespace detail

namespace {
std::string axisText(const Axis &axis, const char *separator) {
  return axis.rank.name + (axis.extent.empty() ? "" : separator + axis.extent);
}

std::string portText(const std::string &name, Type type,
                     std::initializer_list<Axis> axes,
                     const std::string &annotations) {
  std::string text = name + ": " + typeNames[type];
  if (axes.size())
    text += "[" + join(axes, [](auto &a) { return axisText(a, "="); }) + "]";
  return annotations.empty() ? text : text + " " + annotations;
}
} // namespace

void Access::operator=(const Expr &value) {
  cascade->statements.push_back(str() + " = " + value.str());
}
Access Access::as(Type type) const {
  return Access(cascade, str() + ": " + typeNames[type]);
}
void define(std::initializer_list<Access> lhs, const Expr &value) {
  Access both(lhs.begin()->cascade,
              "(" + join(lhs, [](const Access &a) { return a.str(); }) + ")");
  both = value;
}

Access Tensor::operator[](std::initializer_list<Expr> indices) const {
  return Access(cascade, name + "[" + joinExprs(indices) + "]");
}
void Tensor::operator=(const Expr &value) {
  cascade->statements.push_back(name + " = " + value.str());
}

Tensor Cascade::input(const std::string &name, Type type,
                      std::initializer_list<Axis> axes,
                      const std::string &annotations) {
  text->inputs.push_back(portText(name, type, axes, annotations));
  return Tensor(text, name);
}
Tensor Cascade::output(const std::string &name, Type type,
                       std::initializer_list<Axis> axes,
                       const std::string &annotations) {
  text->outputs.push_back(portText(name, type, axes, annotations));
  return Tensor(text, name);
}
Tensor Cascade::scalar(const std::string &name, Type type, const Expr &value) {
  text->inputs.push_back(portText(name, type, {}, "= " + value.str()));
  return Tensor(text, name);
}
Tensor Cascade::constant(const std::string &name, Type type) {
  text->inputs.push_back("const " + portText(name, type, {}, ""));
  return Tensor(text, name);
}
Tensor Cascade::constant(const std::string &name, Type type,
                         const Expr &value) {
  text->inputs.push_back("const " +
                         portText(name, type, {}, "= " + value.str()));
  return Tensor(text, name);
}
Tensor Cascade::tensor(const std::string &name) { return Tensor(text, name); }

void Cascade::extent(const Rank &rank, const Expr &value) {
  text->relations.push_back(rank.name + ": " + value.str());
}
void Cascade::product(const Rank &whole, std::initializer_list<Axis> parts) {
  text->relations.push_back(
      whole.name + " = (" +
      join(parts, [](auto &a) { return axisText(a, ": "); }) + ")");
}
void Cascade::concatenation(const Rank &whole,
                            std::initializer_list<Rank> parts) {
  std::string sum;
  for (const Rank &part : parts)
    sum += (sum.empty() ? "" : " ++ ") + part.name;
  text->relations.push_back(whole.name + " = " + sum);
}
void Cascade::cut(const Rank &rank) {
  text->cuts += "  cut " + rank.name + "\n";
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

Cascade Program::cascade(const std::string &name, const std::string &doc) {
  auto text = std::make_shared<detail::CascadeText>();
  text->name = name;
  text->doc = doc;
  cascades.push_back(text);
  return Cascade(text);
}

Op Program::define(const std::string &text) {
  definitions.push_back(text);
  size_t begin = text.find(' ') + 1;
  return Op(text.substr(begin, text.find_first_of("[( ", begin) - begin));
}

std::string Program::text() const {
  auto same = [](const std::string &s) { return s; };
  std::string out;
  for (const std::string &definition : definitions)
    out += definition + "\n";
  for (const auto &c : cascades) {
    if (!c->doc.empty())
      out += "# " + c->doc + "\n";
    out += "cascade " + c->name + "(" + join(c->inputs, same) + ")\n  -> (" +
           join(c->outputs, same) + ")\n";
    if (!c->relations.empty())
      out += "  with " + join(c->relations, same) + "\n";
    out += c->cuts + "{\n";
    for (const std::string &statement : c->statements)
      out += "  " + statement + "\n";
    out += "}\n";
  }
  return out;
}

} // namespace attn::lang
