//===- EmitTerms.cpp - terms to scalar operations -------------------------===//
//
// Conversions between the scalar types: integers become reals where they meet
// reals, i32 becomes i64 where it meets i64; nothing else is implicit.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Emit.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace attn;
using namespace attn::text;
using llvm::StringRef;
using mlir::Value;

mlir::Type Emitter::scalar(Ty type) { return scalarTypeOf(storage(type)); }

Value Emitter::constant(T term, Ty type) {
  mlir::Type scalarType = scalar(type);
  mlir::TypedAttr value;
  if (mlir::isa<mlir::FloatType>(scalarType))
    value = builder.getFloatAttr(scalarType, term->is(Term::Kind::Real)
                                                 ? term->real()
                                                 : double(term->integer()));
  else
    value = builder.getIntegerAttr(scalarType, term->integer());
  return mlir::arith::ConstantOp::create(builder, locate(term->range()), value);
}

Value Emitter::emit(T term) {
  if (Value known = emitted.lookup(term))
    return known;
  Value value = emitUncached(term);
  emitted[term] = value;
  return value;
}

Value Emitter::emitAs(T term, Ty wanted, SourceRange range, Use use) {
  Ty type = typeOf(term);
  if (wanted == Ty::Bool && type != Ty::Bool) {
    error(range, "number used as a bool", "compare it: `x != 0`");
    return constant(model.terms.boolean(false), Ty::Bool);
  }
  if (wanted != Ty::Bool && type == Ty::Bool) {
    error(range, "bool used as a number", "`num(p)`");
    return constant(model.terms.integer(0), wanted);
  }
  if (isInteger(wanted) && isReal(type)) {
    error(range,
          llvm::Twine("real used as an ") +
              (use == Use::Index ? "index" : "integer"),
          "`i32(floor(x))`");
    return constant(model.terms.integer(0), wanted);
  }
  Value &known = converted[{term, unsigned(wanted)}];
  if (known)
    return known;
  if (term->isConstant())
    return known = constant(term, wanted);
  Value value = emit(term);
  mlir::Type target = scalar(wanted);
  if (value.getType() == target)
    return value;
  mlir::Location location = locate(range);
  Value result;
  if (mlir::isa<mlir::FloatType>(target))
    result = MapOp::create(builder, location, Fn::real, value);
  else
    result = CastOp::create(builder, location, target, value,
                            mlir::TypeAttr::get(target));
  return converted[{term, unsigned(wanted)}] = result;
}

Value Emitter::emitUncached(T term) {
  mlir::Location location = locate(term->range());
  switch (term->kind()) {
  case Term::Kind::Int:
  case Term::Kind::Real:
  case Term::Kind::Bool:
    return constant(term, typeOf(term));
  case Term::Kind::State:
    return states[term->integer()];
  case Term::Kind::Coord:
    assert(coordinates.count(term->rank()) && "a coordinate of the space");
    return coordinates.lookup(term->rank());
  case Term::Kind::Extent:
    return ExtentOp::create(builder, location, builder.getI32Type(),
                            rankName(term->rank()));
  case Term::Kind::Read: {
    llvm::SmallVector<Value> indices;
    for (auto [i, index] : llvm::enumerate(term->operands())) {
      Ty type = typeOf(index);
      indices.push_back(
          emitOperand(term, i, isInteger(type) ? type : Ty::I32, Use::Index));
    }
    return ReadOp::create(
        builder, location, valueOf(term->tensor()), indices,
        BoundsAttr::get(builder.getContext(), term->bounds()));
  }
  case Term::Kind::Map:
    return emitMapTerm(term);
  case Term::Kind::Cast: {
    mlir::Type type = storageType(term->storage(), builder.getContext());
    Value operand = emitOperand(term, 0, typeOf(term->operand(0)));
    return CastOp::create(builder, location, scalarTypeOf(type), operand,
                          mlir::TypeAttr::get(type));
  }
  case Term::Kind::Where: {
    Value operand = emitOperand(term, 0, typeOf(term->operand(0)));
    return WhereOp::create(builder, location, operand,
                           emitOperand(term, 1, Ty::Bool, Use::Condition));
  }
  case Term::Kind::Else:
    return emitElse(term);
  }
  llvm_unreachable("unknown term");
}

Value Emitter::emitElse(T term) {
  T value = term->operand(0), otherwise = term->operand(1);
  Ty type = typeOf(term);
  Value first = emitOperand(term, 0, type);
  // `x where p else true` meant a predicate; as it stands it fills x.
  if (type != Ty::Bool && otherwise->is(Term::Kind::Bool)) {
    T filled = value;
    while (filled->is(Term::Kind::Where))
      filled = filled->operand(0);
    std::string word = otherwise->integer() ? "true" : "false";
    std::string text = ("`else " + word + "` fills the numeric " +
                        diagnostics.sourceManager().text(filled->range()))
                           .str();
    if (reported.insert(std::to_string(term->range().begin) + text).second)
      diagnostics.warning(term->range(), text,
                          "a predicate is `where (p else " + word + ")`");
    otherwise = model.terms.integer(otherwise->integer());
  }
  return ElseOp::create(builder, locate(term->range()), first,
                        emitAs(otherwise, type, term->operandRange(1)));
}

Value Emitter::emitMapTerm(T term) {
  Fn fn = term->fn();
  Ty type = typeOf(term);
  Ty joined = Ty::None;
  for (T operand : term->operands())
    joined = std::max(joined, typeOf(operand));
  llvm::SmallVector<Value> operands;
  auto each = [&](Ty wanted, Use use = Use::Operand) {
    for (unsigned i = 0; i < term->operands().size(); ++i)
      operands.push_back(emitOperand(term, i, wanted, use));
  };
  switch (info(fn).typing) {
  case FnTyping::Arith:
    each(type == Ty::Bool || type == Ty::None ? Ty::I32 : type);
    break;
  case FnTyping::Real:
  case FnTyping::RealToBool:
  case FnTyping::RealToInt:
    each(joined == Ty::F64 ? Ty::F64 : Ty::F32);
    break;
  case FnTyping::Integer:
    each(type, Use::Integer);
    break;
  case FnTyping::Compare:
    each(joined);
    break;
  case FnTyping::Logic:
    each(Ty::Bool, Use::Condition);
    break;
  case FnTyping::IntToReal:
    // The random functions take words of any width.
    for (auto [i, operand] : llvm::enumerate(term->operands()))
      operands.push_back(emitOperand(
          term, i, isInteger(typeOf(operand)) ? typeOf(operand) : Ty::I32,
          Use::Integer));
    break;
  }
  return MapOp::create(builder, locate(term->range()), fn, operands);
}
