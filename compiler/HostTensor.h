//===- HostTensor.h - tensors in memory as compiled code reads them -------===//
#ifndef ATTN_COMPILER_HOSTTENSOR_H
#define ATTN_COMPILER_HOSTTENSOR_H

#include "compiler/ElementTypes.h"
#include "dialect/interpreter/Array.h"
#include <vector>

namespace attn {

/// A dense row-major tensor with its memory.
class HostTensor {
public:
  /// Memory full of ones: NaN as a float, so that what is not written shows.
  HostTensor(mlir::Type element, llvm::ArrayRef<int64_t> shape);
  /// The values of `array`, rounded to its element type.
  static HostTensor pack(const Array &array);

  Array unpack() const;
  /// Valid as long as this is neither moved nor destroyed.
  DLTensor view();
  int64_t size() const;

private:
  mlir::Type element;
  llvm::SmallVector<int64_t> shape;
  std::vector<uint8_t> bytes;
};

} // namespace attn
#endif // ATTN_COMPILER_HOSTTENSOR_H
