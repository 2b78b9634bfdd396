//===- FastRegion.cpp - scalar code with the GPU's own functions -*- C++ -*-==//
#include "passes/gpu/hopper/FastRegion.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/gpu/Intrinsics.h"
#include "passes/gpu/hopper/Ptx.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

constexpr double log2e = 1.44269504088896340736;

/// x * factor; of a difference that may be `fused` by one operation, the part
/// that is subtracted scaled by itself, once for all that share it.
static Value scaled(CodeBuilder &b, Value x, double factor, bool fused) {
  Type f32 = b.getF32Type();
  auto difference = x.getDefiningOp<arith::SubFOp>();
  if (!difference || !fused)
    return b.mul(x, b.real(f32, factor));
  Value left = difference.getLhs();
  double leftFactor = factor;
  if (auto product = left.getDefiningOp<arith::MulFOp>())
    if (auto constant = constantReal(product.getRhs())) {
      left = product.getLhs();
      leftFactor *= *constant;
    }
  Value right = b.mul(difference.getRhs(), b.real(f32, factor));
  return math::FmaOp::create(b, left, b.real(f32, leftFactor),
                             arith::NegFOp::create(b, right));
}

Value gpu::fastExp2(CodeBuilder &b, Value x) {
  return intrinsic(b, "llvm.nvvm.ex2.approx.ftz", b.getF32Type(), x);
}

Value gpu::exponentOf(Value value) {
  auto call = value.getDefiningOp<LLVM::CallIntrinsicOp>();
  if (!call || !call.getIntrin().starts_with("llvm.nvvm.ex2.approx"))
    return {};
  return call->getOperand(0);
}

static Value reciprocal(CodeBuilder &b, Value x) {
  return gpu::intrinsic(b, "llvm.nvvm.rcp.approx.ftz.f", b.getF32Type(), {x});
}

/// tanh x = 1 - 2 / (e^2x + 1)
static Value hyperbolicTangent(CodeBuilder &b, Value x) {
  Type f32 = b.getF32Type();
  Value e = gpu::fastExp2(b, b.mul(x, b.real(f32, 2 * log2e)));
  Value r = reciprocal(b, b.add(e, b.real(f32, 1)));
  return b.add(b.mul(r, b.real(f32, -2)), b.real(f32, 1));
}

/// The same i1, which the back end takes for no conjunction: it would select
/// once for each of its parts.
static Value whole(CodeBuilder &b, Value flag) {
  if (!flag.getDefiningOp<arith::AndIOp>())
    return flag;
  return gpu::inlineAsm(b, "mov.pred $0, $1;", "=b,b", flag.getType(), flag,
                        false)
      .front();
}

Scalar gpu::told(CodeBuilder &b, Scalar scalar) {
  Scalar result = tellByValue(b, scalar);
  auto select = result.value.getDefiningOp<arith::SelectOp>();
  if (result.value == scalar.value || !select)
    return result;
  // What is there is chosen before it is scaled: the largest one needs no
  // scaling of the others then, and exponents are scaled as they are shifted.
  auto [part, factor] = positiveMultiple(scalar.value);
  Value low = select.getFalseValue();
  result.value = b.select(whole(b, select.getCondition()),
                          part ? part : scalar.value, low);
  if (part)
    result.value = b.mul(result.value, b.real(low.getType(), factor));
  result.present = b.compare(arith::CmpIPredicate::ne, result.value, low);
  return result;
}

bool gpu::asksAboveMinusInfinity(MapOp op) {
  return op.getFn() == Fn::ne && isMinusInfinity(op.getOperand(1));
}

Scalar gpu::FastRegion::emitMap(MapOp op) {
  Fn fn = op.getFn();
  if (auto known = decided.find(op); known != decided.end())
    return known->second;
  if (finite && asksAboveMinusInfinity(op)) {
    Scalar x = lookup(op.getOperand(0));
    auto [part, factor] = positiveMultiple(x.value);
    if (finite->contains(part && factor <= 1 ? part : x.value))
      return {b.boolean(true), x.present, {}, true};
  }
  for (Value operand : op.getOperands())
    if (Scalar scalar = lookup(operand); scalar.present) {
      if (join)
        scalar.present = join(scalar.present);
      bind(operand, told(b, scalar));
    }
  bool unary = llvm::is_contained({Fn::exp, Fn::exp2, Fn::tanh}, fn);
  bool quotient =
      fn == Fn::div && !matchPattern(op.getOperand(1), m_Constant());
  if (!unary && !quotient)
    return TileRegion::emitMap(op);
  Scalar x = lookup(op.getOperand(0)), y = lookup(op.getOperands().back());
  if (x.exact && y.exact)
    return TileRegion::emitMap(op); // of coordinates alone: in f64
  x = settled(x);
  y = settled(y);
  if (!x.value.getType().isF32() || !y.value.getType().isF32())
    return TileRegion::emitMap(op);
  Value from = op.getOperand(0);
  while (auto where = from.getDefiningOp<WhereOp>())
    from = where.getValue();
  bool fused = decided.contains(from.getDefiningOp());
  Scalar result;
  result.present = quotient ? b.both(x.present, y.present) : x.present;
  switch (fn) {
  case Fn::exp:
    result.value = fastExp2(b, scaled(b, x.value, log2e, fused));
    break;
  case Fn::exp2:
    result.value = fastExp2(b, scaled(b, x.value, 1, fused));
    break;
  case Fn::tanh:
    result.value = hyperbolicTangent(b, x.value);
    break;
  default:
    result.value = b.mul(x.value, reciprocal(b, y.value));
  }
  return result;
}

Scalar gpu::FastRegion::emitRead(ReadOp op, ArrayRef<Scalar> indices) {
  using arith::CmpIPredicate;
  const Storage &s = outside.storage(op.getTensor());
  Type i32 = b.getI32Type(), i64 = b.getI64Type();
  if (llvm::any_of(indices, [](const Scalar &index) { return index.wide; }))
    return TileRegion::emitRead(op, indices);
  bool data = op.getBounds() == Bounds::data;
  Value offset = b.i64(0);
  Scalar result;
  result.exact = s.exact;
  for (auto [axis, index] : llvm::enumerate(indices)) {
    Value i = b.convert(index.value, i32);
    Value high = b.convert(data ? s.extents[axis] : s.high[axis], i32);
    Value inside;
    if (data) {
      inside = b.ult(i, high);
    } else {
      Value low = b.convert(s.low[axis], i32);
      inside = b.bitAnd(b.compare(CmpIPredicate::sge, i, low),
                        b.compare(CmpIPredicate::slt, i, high));
    }
    // What is outside reads the box's first point.
    i = b.select(inside, i, b.convert(s.anchor[axis], i32));
    result.present = b.both(result.present, index.present);
    if (op.getBounds() != Bounds::inside)
      result.present = b.both(result.present, inside);
    offset = b.add(offset, b.mul(b.convert(i, i64), s.strides[axis]));
  }
  Type type = scalarTypeOf(s.element);
  if (isa<FloatType>(type) && !s.exact)
    type = real;
  result.value = loadElements(b, s, offset, type);
  if (s.presence)
    result.present = b.both(result.present, loadPresence(b, s, offset));
  return result;
}
