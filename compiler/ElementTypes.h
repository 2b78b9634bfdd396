//===- ElementTypes.h - element types of tensors in memory ------*- C++ -*-===//
#ifndef ATTN_COMPILER_ELEMENTTYPES_H
#define ATTN_COMPILER_ELEMENTTYPES_H

#include "attn/runtime.h"
#include "mlir/IR/Types.h"
#include <string>

namespace attn {

/// DLPack's description of a storage type.
DLDataType dataTypeOf(mlir::Type element);

/// The name of a storage type in the language.
std::string typeName(DLDataType type);
inline std::string typeName(mlir::Type element) {
  return typeName(dataTypeOf(element));
}

} // namespace attn
#endif // ATTN_COMPILER_ELEMENTTYPES_H
