//===- ElementTypes.cpp - element types of tensors in memory ----*- C++ -*-===//
#include "compiler/ElementTypes.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace attn;

DLDataType attn::dataTypeOf(mlir::Type element) {
  auto type = [](int code, unsigned bits) {
    return DLDataType{static_cast<uint8_t>(code), static_cast<uint8_t>(bits),
                      1};
  };
  if (element.isInteger(1))
    return type(ATTN_DTYPE_BOOL, 8);
  unsigned bits = element.getIntOrFloatBitWidth();
  if (auto integer = mlir::dyn_cast<mlir::IntegerType>(element))
    return type(integer.isUnsigned() ? ATTN_DTYPE_UINT : ATTN_DTYPE_INT, bits);
  if (element.isBF16())
    return type(ATTN_DTYPE_BFLOAT, bits);
  if (mlir::isa<mlir::Float8E4M3FNType>(element))
    return type(ATTN_DTYPE_FLOAT8_E4M3FN, bits);
  if (mlir::isa<mlir::Float8E5M2Type>(element))
    return type(ATTN_DTYPE_FLOAT8_E5M2, bits);
  return type(ATTN_DTYPE_FLOAT, bits);
}

std::string attn::typeName(DLDataType type) {
  std::string bits = std::to_string(type.bits);
  switch (type.code) {
  case ATTN_DTYPE_INT:
    return "i" + bits;
  case ATTN_DTYPE_UINT:
    return "u" + bits;
  case ATTN_DTYPE_FLOAT:
    return "f" + bits;
  case ATTN_DTYPE_BFLOAT:
    return "bf" + bits;
  case ATTN_DTYPE_BOOL:
    return "bool";
  case ATTN_DTYPE_FLOAT8_E4M3FN:
    return "f8e4m3";
  default:
    return "f8e5m2";
  }
}
