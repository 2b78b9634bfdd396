//===- RowReductions.cpp - what a phase reduces over its rows ---*- C++ -*-===//
#include "passes/cpu/matrix/RowRegion.h"
#include "passes/cpu/matrix/Rows.h"
#include "passes/cpu/tile/Absence.h"
#include "passes/cpu/tile/Accumulate.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

constexpr int32_t minusInfinityBits = int32_t(0xff800000);

static Value identityVector(CodeBuilder &b, tile::EinsumOp op, Type type) {
  Type scalar =
      cast<tile::YieldOp>(op.getMap().front().back()).getOperand(0).getType();
  TypedAttr value = identityOf(*op.getMonoid(), scalar);
  if (auto real = dyn_cast<FloatAttr>(value))
    return b.real(type, real.getValueAsDouble());
  return b.integer(type, cast<IntegerAttr>(value).getInt());
}

RowPhase::Carried RowPhase::formOf(tile::EinsumOp op) {
  Reduce kind = *op.getMonoid();
  Type element = op.getResult().getType().getElementType();
  if (kind != Reduce::any && !(kind == Reduce::max && element.isF32()))
    return {};
  Scalar point = evaluate(op, 0, 0);
  if (!isa<VectorType>(point.value.getType()))
    return {};
  Value present = simplifiedFlag(b.both(point.present, {}));
  Value tested = aboveMinusInfinity(present);
  if (kind == Reduce::any) {
    Value flag = simplifiedFlag(point.value);
    bool all = tested && (!flag || flag == present);
    return {all ? Form::Bits : Form::Plain};
  }
  if (present && tested != point.value)
    return {};
  auto [value, factor] = positiveMultiple(point.value);
  return {Form::Largest, value ? factor : 1};
}

RowPhase::Values RowPhase::startOfSums() {
  Values sums;
  for (auto [form, reduction] : llvm::zip(forms, phase.reductions)) {
    tile::EinsumOp op = reduction;
    Type type = t.vectorOf(op.getResult().getType().getElementType());
    for (int64_t vector = 0; vector < vectors; ++vector) {
      if (form.form == Form::Bits)
        sums.push_back(b.integer(t.vectorOf(b.getI32Type()), 0));
      else if (form.form == Form::Plain && op.getInit())
        sums.push_back(load(op.getInit(), 0, vector).value);
      else
        sums.push_back(identityVector(b, op, type));
    }
  }
  return sums;
}

/// x > y ? x : y, one instruction.
static Value larger(CodeBuilder &b, Value x, Value y) {
  return intrinsic(b, "llvm.x86.avx512.max.ps.512", x.getType(),
                   {x, y, b.i32(4)});
}

/// Of two points by two comparisons; a NaN stays.
static Value largest(CodeBuilder &b, Value sum, Value x, Value y) {
  Value most = larger(b, larger(b, x, y), sum);
  Value isNan = arith::CmpFOp::create(b, arith::CmpFPredicate::UNO, x, y);
  return b.select(isNan, b.real(sum.getType(), NAN), most);
}

Value RowPhase::combinePair(tile::EinsumOp op, const Carried &form, Value sum,
                            int64_t vector) {
  Scalar points[2];
  Value values[2];
  for (int64_t row = 0; row < 2; ++row) {
    points[row] = evaluate(op, row, vector);
    values[row] = points[row].value;
    if (form.form == Form::Bits)
      values[row] =
          aboveMinusInfinity(simplifiedFlag(b.both(points[row].present, {})));
    if (form.form == Form::Bits || form.factor != 1)
      if (Value plain = positiveMultiple(values[row]).first)
        values[row] = plain;
  }
  switch (form.form) {
  case Form::Plain:
    return combine(op, combine(op, sum, points[0]), points[1]);
  case Form::Largest:
    return largest(b, sum, values[0], values[1]);
  case Form::Bits:
    for (Value value : values) {
      Value bits = arith::BitcastOp::create(b, sum.getType(), value);
      sum = b.bitOr(sum,
                    arith::XOrIOp::create(
                        b, bits, b.integer(sum.getType(), minusInfinityBits)));
    }
    return sum;
  }
  llvm_unreachable("no such form");
}

Value RowPhase::combine(tile::EinsumOp op, Value sum, const Scalar &point) {
  Reduce kind = *op.getMonoid();
  Value present = simplifiedFlag(b.both(point.present, {}));
  Value next = accumulate(b, kind, sum, point.value);
  auto isAbove = [&](Value value) { return above.contains(value); };
  bool free =
      !present ||
      (kind == Reduce::max && aboveMinusInfinity(present) == point.value) ||
      (kind == Reduce::sum && isZeroWhenAbsent(point.value, present, isAbove));
  return free ? next : b.select(present, next, sum);
}

void RowPhase::end(Values sums) {
  for (auto [number, reduction] : llvm::enumerate(phase.reductions)) {
    tile::EinsumOp op = reduction;
    const Tile &result = t.tile(op.getResult());
    const Carried &form = forms[number];
    for (int64_t vector = 0; vector < vectors; ++vector) {
      Value sum = sums[number * vectors + vector], start;
      if (op.getInit() && form.form != Form::Plain)
        start = load(op.getInit(), 0, vector).value;
      if (form.form == Form::Bits) {
        sum = b.compare(CmpIPredicate::ne, sum, b.integer(sum.getType(), 0));
        if (start)
          sum = b.bitOr(sum, start);
      } else if (form.form == Form::Largest) {
        if (form.factor != 1)
          sum = b.mul(sum, b.real(sum.getType(), form.factor));
        if (start)
          sum = b.max(sum, start);
      }
      if (powers && getElementTypeOrSelf(sum.getType()).isF32())
        sum = markedBySeen(b, sum, sums[sums.size() - vectors + vector]);
      if (getElementTypeOrSelf(sum.getType()).isInteger(1))
        sum = arith::ExtUIOp::create(b, t.vectorOf(b.getI8Type()), sum);
      t.store(sum, result.base, b.i64(vector * t.lanes()));
    }
  }
}
