//===- TileRegion.cpp - scalar code of tile regions -------------*- C++ -*-===//
#include "passes/cpu/tile/TileRegion.h"
#include "passes/cpu/Formats.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

void TileRegion::capture(const RegionCode &outer, Region &region) {
  llvm::SetVector<Value> used;
  getUsedValuesDefinedAbove(region, used);
  for (Value value : used) {
    if (isa<NamedTensorType, tile::TileType>(value.getType()))
      continue;
    // The two may compute in different precision.
    Scalar known = outer.lookup(value);
    if (isa<FloatType>(getElementTypeOrSelf(known.value)) && !known.exact)
      known.value = b.convert(known.value, real);
    bind(value, known);
  }
}

Value TileRegion::extent(StringAttr rank) { return outside.extent(rank); }

bool TileRegion::isNonZero(Value divisor) {
  APInt value;
  return matchPattern(divisor, m_ConstantInt(&value)) && !value.isZero();
}

Scalar TileRegion::emitMap(MapOp op) {
  if (!full || !op->hasAttr("bounded"))
    return RegionCode::emitMap(op);
  if (matchPattern(full, m_One()))
    return {full, {}, {}, true};
  Scalar tested = RegionCode::emitMap(op);
  tested.value = b.bitOr(full, tested.value);
  if (tested.present)
    tested.present = b.bitOr(full, tested.present);
  return tested;
}

Value cpu::wideInteger(CodeBuilder &b, const Scalar &scalar) {
  return scalar.wide ? scalar.wide : b.convert(scalar.value, b.getI64Type());
}

/// Elements of `type` at base + offset.
static Value fetch(CodeBuilder &b, Type type, Value base, Value offset) {
  auto lanes = dyn_cast<VectorType>(offset.getType());
  if (!lanes)
    return b.load(type, b.gep(type, base, offset));
  Value pointers = LLVM::GEPOp::create(
      b, lanes.clone(b.ptrType()), type, base, ArrayRef<LLVM::GEPArg>{offset});
  auto result = lanes.clone(type);
  Value pass = isa<FloatType>(type) ? b.real(result, 0) : b.integer(result, 0);
  return LLVM::masked_gather::create(
      b, result, pointers, b.integer(lanes.clone(b.getI1Type()), 1),
      ValueRange{pass}, b.getI32IntegerAttr(type.getIntOrFloatBitWidth() / 8));
}

Value cpu::loadElements(CodeBuilder &b, const Storage &s, Value offset,
                        Type to) {
  if (storedBits(s.element) != 4)
    return decode(b, s.element,
                  fetch(b, rawType(b.target, s.element), s.base, offset), to);
  // Two codes a byte: the wanted one is shifted to the top and back.
  Type i8 = b.like(offset.getType(), b.getI8Type());
  Value one = b.integer(offset.getType(), 1);
  Value byte = fetch(b, b.getI8Type(), s.base,
                     arith::ShRSIOp::create(b, offset, one));
  Value low = b.compare(CmpIPredicate::eq, b.bitAnd(offset, one),
                        b.integer(offset.getType(), 0));
  Value four = b.integer(i8, 4);
  Value top = b.select(low, arith::ShLIOp::create(b, byte, four), byte);
  auto type = cast<IntegerType>(s.element);
  Value code = type.isUnsigned()
                   ? Value(arith::ShRUIOp::create(b, top, four))
                   : Value(arith::ShRSIOp::create(b, top, four));
  return decode(b, s.element, code, to);
}

Value cpu::loadPresence(CodeBuilder &b, const Storage &s, Value offset) {
  Value byte = fetch(b, b.getI8Type(), s.presence, offset);
  return b.compare(CmpIPredicate::ne, byte, b.integer(byte.getType(), 0));
}

Scalar TileRegion::emitRead(ReadOp op, ArrayRef<Scalar> indices) {
  const Storage &s = outside.storage(op.getTensor());
  bool data = op.getBounds() == Bounds::data;
  Value offset = b.i64(0);
  Scalar result;
  result.exact = s.exact;
  for (auto [axis, index] : llvm::enumerate(indices)) {
    Value i = wideInteger(b, index);
    Value low = data ? b.i64(0) : s.low[axis];
    Value inside = b.bitAnd(
        b.compare(CmpIPredicate::sge, i, low),
        b.compare(CmpIPredicate::slt, i, data ? s.extents[axis] : s.high[axis]));
    // What is outside reads the box's first point.
    i = b.select(inside, i, s.anchor[axis]);
    result.present = b.both(result.present, index.present);
    if (op.getBounds() != Bounds::inside)
      result.present = b.both(result.present, inside);
    offset = b.add(offset, b.mul(i, s.strides[axis]));
  }
  Type type = scalarTypeOf(s.element);
  if (isa<FloatType>(type) && !s.exact)
    type = real;
  result.value = loadElements(b, s, offset, type);
  if (s.presence)
    result.present = b.both(result.present, loadPresence(b, s, offset));
  return result;
}
