//===- Sizes.h - how tensors grow with the extents --------------*- C++ -*-===//
// A tensor's size as products of free extents, to be compared with the sizes of
// the ports: what is larger than every input and output is not kept in memory
// if that can be avoided.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_SIZES_H
#define ATTN_PASSES_SCHEDULE_SIZES_H

#include "dialect/Attn.h"
#include <map>

namespace attn {

class Sizes {
public:
  explicit Sizes(CascadeOp cascade);

  /// A box of these ranks is no larger than a port, or a line.
  bool isSmall(llvm::ArrayRef<mlir::StringAttr> ranks);
  /// The same without the line: it fits where the ports fit.
  bool fitsPort(llvm::ArrayRef<mlir::StringAttr> ranks);
  /// How large a box is, to be compared: extents multiplied, and how many of
  /// the products that it is a sum of fit no port.
  std::pair<size_t, size_t> degree(llvm::ArrayRef<mlir::StringAttr> ranks);

private:
  /// A product of extents: names, sorted; a name may occur twice.
  using Product = std::vector<std::string>;
  /// A sum of products; the larger of both where it is a difference.
  using Sum = std::vector<Product>;

  bool fitsPort(const Product &product);
  Sum ofRank(mlir::StringAttr rank);
  Sum ofWhole(mlir::StringAttr rank);
  Sum ofExpr(mlir::AffineExpr expr, ExtentAttr extent);
  Sum ofRanks(llvm::ArrayRef<mlir::StringAttr> ranks);
  static Sum multiply(const Sum &x, const Sum &y);

  CascadeOp cascade;
  std::vector<Product> ports;
  std::map<std::string, Sum> known;
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_SIZES_H
