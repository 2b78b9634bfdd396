//===- Attn.cpp - registration and small helpers of the dialect -*- C++ -*-===//
#include "dialect/Attn.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/Interfaces/FoldInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace attn;

#include "dialect/AttnDialect.cpp.inc"
#include "dialect/AttnEnums.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialect/AttnTypes.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialect/AttnAttrs.cpp.inc"

// Constants stay in the region that uses them: einsums own their scalars.
namespace {
struct ConstantsStayInside : DialectFoldInterface {
  using DialectFoldInterface::DialectFoldInterface;
  bool shouldMaterializeInto(Region *) const final { return true; }
};
} // namespace

void AttnDialect::initialize() {
  addInterfaces<ConstantsStayInside>();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialect/AttnTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialect/AttnAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialect/AttnOps.cpp.inc"
      >();
}

// Folds yield constants of the scalar types; arith has them already.
Operation *AttnDialect::materializeConstant(OpBuilder &builder, Attribute value,
                                            Type type, Location loc) {
  return arith::ConstantOp::materialize(builder, value, type, loc);
}

Type attn::scalarTypeOf(Type element) {
  MLIRContext *ctx = element.getContext();
  if (isa<FloatType>(element))
    return Float64Type::get(ctx);
  if (element.isInteger(1) || element.isInteger(64))
    return IntegerType::get(ctx, element.getIntOrFloatBitWidth());
  return IntegerType::get(ctx, 32);
}

TypedAttr attn::identityOf(Reduce kind, Type type) {
  Builder b(type.getContext());
  auto number = [&](double real, int64_t integer) -> TypedAttr {
    if (isa<FloatType>(type))
      return b.getFloatAttr(type, real);
    return b.getIntegerAttr(type, integer);
  };
  constexpr double inf = std::numeric_limits<double>::infinity();
  bool wide = type.isInteger(64);
  switch (kind) {
  case Reduce::sum:
    return number(0, 0);
  case Reduce::prod:
    return number(1, 1);
  case Reduce::max:
    return number(-inf, wide ? INT64_MIN : INT32_MIN);
  case Reduce::min:
    return number(inf, wide ? INT64_MAX : INT32_MAX);
  case Reduce::any:
    return b.getBoolAttr(false);
  case Reduce::all:
    return b.getBoolAttr(true);
  case Reduce::count:
    return b.getI32IntegerAttr(0);
  case Reduce::argmax:
  case Reduce::argmin:
  case Reduce::first:
  case Reduce::last:
    return {};
  }
  llvm_unreachable("unknown reduction");
}

std::optional<Fn> attn::combinerOf(Reduce kind) {
  switch (kind) {
  case Reduce::sum:
  case Reduce::count:
    return Fn::add;
  case Reduce::prod:
    return Fn::mul;
  case Reduce::max:
    return Fn::max;
  case Reduce::min:
    return Fn::min;
  case Reduce::any:
    return Fn::or_;
  case Reduce::all:
    return Fn::and_;
  case Reduce::argmax:
  case Reduce::argmin:
  case Reduce::first:
  case Reduce::last:
    return std::nullopt;
  }
  llvm_unreachable("unknown reduction");
}

std::pair<StringAttr, ArrayRef<StringAttr>> attn::partsOf(Attribute relation) {
  if (auto product = dyn_cast<ProductAttr>(relation))
    return {product.getWhole(), product.getParts()};
  auto sum = cast<SumAttr>(relation);
  return {sum.getWhole(), sum.getParts()};
}

SmallVector<StringAttr> attn::strings(ArrayAttr array) {
  return llvm::map_to_vector(array,
                             [](Attribute a) { return cast<StringAttr>(a); });
}
