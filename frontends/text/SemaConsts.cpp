//===- SemaConsts.cpp - const scalars ------------------------------------===//
//
// Their values, from options or defaults, rounded to their types.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"
#include "llvm/ADT/StringExtras.h"

using namespace attn;
using namespace attn::text;
using llvm::StringRef;

T Sema::convertConstant(T value, const Port &port, SourceRange range) {
  Ty type = typeOf(port.type.type);
  StringRef name = spelling(port.type.type);
  bool isBool = value->is(Term::Kind::Bool);
  if (!value->isConstant()) {
    error(range, "the value of " + port.name.name + " is no constant");
    return nullptr;
  }
  if (isBool != (type == Ty::Bool) ||
      (isInteger(type) && !value->is(Term::Kind::Int))) {
    error(range, port.name.name + " is of type " + name + ", its value is " +
                     (isBool                       ? "a bool"
                      : value->is(Term::Kind::Int) ? "an integer"
                                                   : "a real"));
    return nullptr;
  }
  if (!isReal(type))
    return value;
  double real =
      value->is(Term::Kind::Real) ? value->real() : double(value->integer());
  return terms.real(
      roundTo(storageType(port.type.type, terms.getContext()), real));
}

/// A number, bool or constant as a command line writes it.
T Sema::constantValue(const Port &port, StringRef text) {
  StringRef body = text.trim();
  bool negative = body.consume_front("-");
  int64_t integer;
  double real;
  if (body == "true" || body == "false")
    return negative ? nullptr : terms.boolean(body == "true");
  if (body == "inf" || body == "pi")
    real = body == "inf" ? std::numeric_limits<double>::infinity() : M_PI;
  else if (!body.getAsInteger(10, integer))
    return terms.integer(negative ? -integer : integer);
  else if (body.empty() || !llvm::isDigit(body.front()) ||
           body.getAsDouble(real))
    return nullptr;
  return terms.real(negative ? -real : real);
}

void Sema::bindConst(const Port &port) {
  Entity &entity = top->names[port.name.name];
  auto it = options.consts.find(port.name.name);
  T value = nullptr;
  SourceRange range = port.name.range;
  if (!port.axes.empty()) {
    error(port.range, "const is for scalars, " + port.name.name + " has axes");
  } else if (it != options.consts.end()) {
    value = constantValue(port, it->second);
    if (!value)
      error(range,
            "const " + port.name.name + ": `" + it->second + "` is no value");
  } else if (port.defaultValue) {
    value = eval(*port.defaultValue, {plainEnv({}), top});
    range = port.defaultValue->range();
  } else {
    error(range, "const " + port.name.name + " has no value",
          "`--const " + port.name.name + "=..`, or a default");
  }
  if (value)
    value = convertConstant(value, port, range);
  entity.term = value                                ? value
                : isReal(typeOf(port.type.type))     ? terms.real(1)
                : port.type.type == ScalarType::Bool ? terms.boolean(true)
                                                     : terms.integer(1);
}
