//===- AttnAttrs.cpp - verifiers and helpers of types, attributes -*- C++ -*-=//
#include "dialect/Attn.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallSet.h"

using namespace mlir;
using namespace attn;

int64_t NamedTensorType::rankIndex(StringRef name) const {
  for (auto [i, rank] : llvm::enumerate(getRanks()))
    if (rank.getValue() == name)
      return i;
  return -1;
}

Type NamedTensorType::getScalarType() const {
  return scalarTypeOf(getElementType());
}

static bool isElementType(Type type) {
  if (isa<Float64Type, Float32Type, Float16Type, BFloat16Type,
          Float8E4M3FNType, Float8E5M2Type>(type))
    return true;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.isSigned())
    return false;
  unsigned width = integer.getWidth();
  if (integer.isUnsigned())
    return width == 8;
  return llvm::is_contained({1u, 4u, 8u, 32u, 64u}, width);
}

LogicalResult NamedTensorType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 ArrayRef<StringAttr> ranks, Type elementType) {
  if (!isElementType(elementType))
    return emitError() << "element type " << elementType
                       << " is not a storage type (f64 f32 f16 bf16 f8E4M3FN "
                          "f8E5M2 i64 i32 i8 ui8 i4 i1)";
  SmallPtrSet<StringAttr, 8> seen;
  for (StringAttr rank : ranks)
    if (!seen.insert(rank).second)
      return emitError() << "rank " << rank << " occurs twice";
  return success();
}

ExtentAttr ExtentAttr::constant(MLIRContext *ctx, int64_t value) {
  return get(ctx, AffineMap::getConstantMap(value, ctx), {});
}

ExtentAttr ExtentAttr::of(StringAttr rank) {
  MLIRContext *ctx = rank.getContext();
  return get(ctx, AffineMap::get(0, 1, getAffineSymbolExpr(0, ctx)), {rank});
}

std::optional<int64_t> ExtentAttr::getConstant() const {
  std::optional<int64_t> value;
  for (AffineExpr result : getMap().getResults()) {
    auto constant = dyn_cast<AffineConstantExpr>(result);
    if (!constant)
      return std::nullopt;
    value = value ? std::min(*value, constant.getValue()) : constant.getValue();
  }
  return value;
}

StringAttr ExtentAttr::getRank() const {
  if (getMap().getNumResults() != 1)
    return {};
  auto symbol = dyn_cast<AffineSymbolExpr>(getMap().getResult(0));
  return symbol ? getRanks()[symbol.getPosition()] : StringAttr();
}

static int64_t evaluateExpr(AffineExpr expr, ArrayRef<int64_t> symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue();
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  int64_t a = evaluateExpr(binary.getLHS(), symbols);
  int64_t b = evaluateExpr(binary.getRHS(), symbols);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return a + b;
  case AffineExprKind::Mul:
    return a * b;
  case AffineExprKind::FloorDiv:
    return b == 0 ? 0 : llvm::divideFloorSigned(a, b);
  case AffineExprKind::CeilDiv:
    return b == 0 ? 0 : llvm::divideCeilSigned(a, b);
  case AffineExprKind::Mod:
    return b <= 0 ? 0 : llvm::mod(a, b);
  default:
    llvm_unreachable("not an extent expression");
  }
}

int64_t
ExtentAttr::evaluate(function_ref<int64_t(StringAttr)> extent) const {
  SmallVector<int64_t> symbols = llvm::map_to_vector(getRanks(), extent);
  int64_t value = INT64_MAX;
  for (AffineExpr result : getMap().getResults())
    value = std::min(value, evaluateExpr(result, symbols));
  return value;
}

LogicalResult ExtentAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                 AffineMap map, ArrayRef<StringAttr> ranks) {
  if (map.getNumDims() != 0 || map.getNumResults() == 0)
    return emitError() << "an extent is a map of symbols to at least one "
                          "result, not "
                       << AffineMapAttr::get(map);
  if (map.getNumSymbols() != ranks.size())
    return emitError() << "extent has " << map.getNumSymbols()
                       << " symbols and " << ranks.size() << " ranks";
  return success();
}
