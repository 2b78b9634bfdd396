//===- Scalars.cpp - the scalar code of regions -----------------*- C++ -*-===//
#include "passes/cpu/Scalars.h"
#include "dialect/Functions.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/Formats.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

void RegionCode::bindCoordinate(Value name, Value i64) {
  bind(name, {b.convert(i64, b.getI32Type()), {}, i64, true});
}

SmallVector<Scalar> RegionCode::emit(Block &block) {
  for (Operation &op : llvm::drop_end(block)) // attn.yield is no terminator
    emit(&op);
  return operands(&block.back());
}

Scalar RegionCode::emit(Operation *op) {
  Scalar value = emitOperation(op);
  scalars[op->getResult(0)] = value;
  return value;
}

SmallVector<Scalar> RegionCode::operands(Operation *op) {
  return llvm::map_to_vector(op->getOperands(),
                             [&](Value v) { return scalars.lookup(v); });
}

Scalar RegionCode::settled(Scalar value) {
  if (value.exact && isa<FloatType>(getElementTypeOrSelf(value.value)))
    value.value = b.convert(value.value, real);
  value.exact = false;
  return value;
}

bool RegionCode::unify(MutableArrayRef<Scalar> values) {
  bool exact = llvm::all_of(values, [](const Scalar &s) { return s.exact; });
  if (!exact)
    for (Scalar &value : values)
      value = settled(value);
  return exact;
}

Scalar RegionEmitter::emitRead(ReadOp op, ArrayRef<Scalar> indices) {
  return storages.read(b, op, indices, real);
}

Value RegionEmitter::extent(StringAttr rank) {
  return storages.frame.extent(rank);
}

bool RegionEmitter::isNonZero(Value divisor) {
  return storages.plan.facts.isNonZero(divisor);
}

Scalar RegionCode::emitOperation(Operation *op) {
  return llvm::TypeSwitch<Operation *, Scalar>(op)
      .Case([&](arith::ConstantOp constant) {
        return Scalar{
            b.constant(cast<TypedAttr>(constant.getValue())), {}, {}, true};
      })
      .Case([&](ExtentOp extent) {
        Value wide = this->extent(extent.getRankAttr());
        return Scalar{b.convert(wide, b.getI32Type()), {}, wide, true};
      })
      .Case([&](ReadOp read) {
        SmallVector<Scalar> indices;
        for (Value index : read.getIndices())
          indices.push_back(scalars.lookup(index));
        return emitRead(read, indices);
      })
      .Case([&](MapOp map) { return emitMap(map); })
      .Case([&](CastOp cast) { return emitCast(cast); })
      .Case([&](ElseOp other) { return emitElse(other); })
      .Case([&](WhereOp where) {
        Scalar value = scalars.lookup(where.getValue());
        Scalar condition = scalars.lookup(where.getCondition());
        Value holds = b.both(condition.value, condition.present);
        value.present = b.both(value.present, holds);
        return value;
      })
      .Default([](Operation *) -> Scalar {
        llvm_unreachable("no scalar operation");
      });
}

Scalar RegionCode::emitElse(ElseOp op) {
  SmallVector<Scalar> values = operands(op);
  if (!values[0].present)
    return values[0];
  bool exact = unify(values);
  Value present = b.either(values[0].present, values[1].present);
  return {b.select(values[0].present, values[0].value, values[1].value),
          present,
          {},
          exact};
}

/// Kleene: absent operands count only where the other does not decide.
Scalar RegionCode::emitLogic(Fn fn, const Scalar &x, const Scalar &y) {
  bool isAnd = fn == Fn::and_;
  Scalar result;
  result.exact = x.exact && y.exact;
  // A value that decides (false for and, true for or), where it is present.
  auto decides = [&](const Scalar &s) {
    Value value = isAnd ? b.bitNot(s.value) : s.value;
    return s.present ? b.bitAnd(value, s.present) : value;
  };
  if (!x.present && !y.present) {
    result.value =
        isAnd ? b.bitAnd(x.value, y.value) : b.bitOr(x.value, y.value);
    return result;
  }
  Value decided = b.bitOr(decides(x), decides(y));
  if (Value all = b.both(x.present, y.present))
    result.present = b.bitOr(decided, all);
  result.value = isAnd ? b.bitNot(decided) : decided;
  return result;
}

/// A quotient by a constant as a product, where the reciprocal is an ordinary
/// number: half a rounding error more for a tenth of the time.
static Value divideByConstant(CodeBuilder &b, Value x, Value divisor) {
  std::optional<double> value = constantReal(divisor);
  if (!value)
    return {};
  double reciprocal = 1 / *value;
  double magnitude = std::fabs(reciprocal);
  if (!(magnitude > 1e-30 && magnitude < 1e30))
    return {};
  return b.mul(x, b.real(getElementTypeOrSelf(x), reciprocal));
}

/// Is the quotient yielded as it is?
static bool isYielded(Operation *op) {
  return llvm::all_of(op->getUsers(), [](Operation *user) {
    return isa<WhereOp, ElseOp>(user) ? isYielded(user)
                                      : user->hasTrait<OpTrait::IsTerminator>();
  });
}

Scalar RegionCode::emitMap(MapOp op) {
  SmallVector<Scalar> values = operands(op);
  if (op.getFn() == Fn::and_ || op.getFn() == Fn::or_)
    return emitLogic(op.getFn(), values[0], values[1]);
  Scalar result;
  result.exact = unify(values);
  SmallVector<Value> plain;
  for (const Scalar &value : values) {
    plain.push_back(value.value);
    result.present = b.both(result.present, value.present);
  }
  if (op.getFn() == Fn::div && !result.exact) {
    result.value = divideByConstant(b, plain[0], plain[1]);
    // A rounding that the result's own hides; many quotients have one divisor,
    // whose reciprocal leaves their loop.
    bool isReal = isa<FloatType>(getElementTypeOrSelf(plain[0]));
    if (!result.value && isReal && isRounded && isYielded(op)) {
      Value one = b.real(plain[1].getType(), 1);
      result.value = b.mul(plain[0], arith::DivFOp::create(b, one, plain[1]));
    }
    if (result.value)
      return result;
  }
  bool nonZero = op.getOperands().size() == 2 && isNonZero(op.getOperand(1));
  Value guard;
  result.value = emitFn(b, op.getFn(), plain,
                        result.exact ? b.getF64Type() : real, nonZero, guard);
  result.present = b.both(result.present, guard);
  return result;
}

Scalar RegionCode::emitCast(CastOp op) {
  Scalar value = scalars.lookup(op.getOperand());
  Type to = op.getType();
  Type from = getElementTypeOrSelf(value.value);
  if (auto type = dyn_cast<IntegerType>(to)) {
    Value integer = isa<FloatType>(from) ? saturate(b, type, value.value)
                                         : wrap(b, type, value.value);
    return {integer, value.present, {}, value.exact};
  }
  if (isa<IntegerType>(from)) {
    // i32 is exact in f64, so that the one rounding is the format's.
    bool direct = isa<Float32Type>(to);
    Type via = b.like(value.value.getType(),
                      direct ? Type(b.getF32Type()) : b.getF64Type());
    value.value = from.isInteger(1)
                      ? Value(arith::UIToFPOp::create(b, via, value.value))
                      : Value(arith::SIToFPOp::create(b, via, value.value));
    value.wide = {};
  }
  value.value = b.convert(roundThrough(b, to, value.value), real);
  value.exact = false;
  return value;
}
