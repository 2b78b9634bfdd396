//===- AttnOps.cpp - the operations' code, and scalars ----------*- C++ -*-===//
// Constraint numbers are those of AttnOps.td.
#include "dialect/Attn.h"
#include "dialect/Functions.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace attn;

/// `inside` is the default and not written.
static ParseResult parseBounds(OpAsmParser &parser, BoundsAttr &bounds) {
  StringRef keyword;
  Bounds value = Bounds::inside;
  if (succeeded(
          parser.parseOptionalKeyword(&keyword, {"inside", "absent", "data"})))
    value = *symbolizeBounds(keyword);
  bounds = BoundsAttr::get(parser.getContext(), value);
  return success();
}

static void printBounds(OpAsmPrinter &printer, Operation *, BoundsAttr bounds) {
  if (bounds && bounds.getValue() != Bounds::inside)
    printer << ' ' << stringifyBounds(bounds.getValue());
}

#define GET_OP_CLASSES
#include "dialect/AttnOps.cpp.inc"

LogicalResult ReadOp::inferReturnTypes(MLIRContext *ctx,
                                       std::optional<Location> loc,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &results) {
  auto type = dyn_cast<NamedTensorType>(adaptor.getTensor().getType());
  if (!type)
    return failure();
  results.push_back(type.getScalarType());
  return success();
}

LogicalResult ReadOp::verify() {
  if (getIndices().size() != getTensor().getType().getRanks().size())
    return emitOpError("(read_c1) has ")
           << getIndices().size() << " indices for " << getTensor().getType();
  return success();
}

OpFoldResult ExtentOp::fold(FoldAdaptor) {
  auto cascade = (*this)->getParentOfType<CascadeOp>();
  if (!cascade)
    return {};
  if (auto value = cascade.staticExtent(getRankAttr()))
    return IntegerAttr::get(getType(), *value);
  return {};
}

LogicalResult MapOp::inferReturnTypes(MLIRContext *ctx,
                                      std::optional<Location> loc,
                                      Adaptor adaptor,
                                      SmallVectorImpl<Type> &results) {
  std::string why;
  Type type =
      inferFnType(adaptor.getFn(), adaptor.getOperands().getTypes(), why);
  if (!type)
    return emitOptionalError(loc, "(map_c1) ", stringifyFn(adaptor.getFn()),
                             " ", why);
  results.push_back(type);
  return success();
}

LogicalResult MapOp::verify() { return success(); }

OpFoldResult MapOp::fold(FoldAdaptor adaptor) {
  SmallVector<ScalarValue> operands;
  for (Attribute operand : adaptor.getOperands()) {
    ScalarValue value;
    if (auto real = dyn_cast_or_null<FloatAttr>(operand))
      value.real = real.getValueAsDouble();
    else if (auto integer = dyn_cast_or_null<IntegerAttr>(operand))
      value.integer = integer.getType().isInteger(1)
                          ? integer.getValue().getZExtValue()
                          : integer.getInt();
    else
      return {};
    operands.push_back(value);
  }
  auto value = evaluateFn(getFn(), getOperand(0).getType(), operands);
  if (!value)
    return {};
  if (isa<FloatType>(getType()))
    return FloatAttr::get(getType(), value->real);
  return IntegerAttr::get(getType(), value->integer);
}

LogicalResult CastOp::verify() {
  if (getResult().getType() != scalarTypeOf(getType()))
    return emitOpError("to ")
           << getType() << " gives " << scalarTypeOf(getType());
  return success();
}

OpFoldResult WhereOp::fold(FoldAdaptor adaptor) {
  if (auto condition = dyn_cast_or_null<IntegerAttr>(adaptor.getCondition()))
    if (!condition.getValue().isZero())
      return getValue();
  return {};
}

OpFoldResult ElseOp::fold(FoldAdaptor adaptor) {
  if (adaptor.getValue()) // constants are present
    return getValue();
  return {};
}
