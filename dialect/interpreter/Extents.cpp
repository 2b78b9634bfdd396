//===- Extents.cpp - extents of a cascade's ranks ---------------*- C++ -*-===//
#include "dialect/interpreter/Extents.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;
using llvm::formatv;

namespace {

/// Where a rank got its extent, for the message when another place disagrees.
struct Binding {
  int64_t extent;
  std::string source;
};

class Binder {
public:
  explicit Binder(CascadeOp cascade) : cascade(cascade) {}

  llvm::Error bind(StringAttr rank, int64_t extent, std::string source) {
    if (extent < 0 || extent > INT32_MAX)
      return makeError(formatv("rank {0} has extent {1}: {2}", rank.getValue(),
                               extent, source));
    auto [it, isNew] = bindings.try_emplace(rank, Binding{extent, source});
    if (isNew || it->second.extent == extent)
      return llvm::Error::success();
    return makeError(formatv("rank {0} has extents {1} and {2}: {3}, {4}",
                             rank.getValue(), it->second.extent, extent,
                             it->second.source, source));
  }

  llvm::Error bindInput(PortAttr port, NamedTensorType type,
                        ArrayRef<int64_t> shape) {
    StringRef name = port.getName().getValue();
    if (shape.size() != type.getRanks().size())
      return makeError(formatv(
          "input {0} has {1} axes, not {2}: {0}[{3}]", name,
          type.getRanks().size(), shape.size(),
          llvm::join(
              llvm::map_range(type.getRanks(),
                              [](StringAttr rank) { return rank.getValue(); }),
              ",")));
    for (auto [axis, rank] : llvm::enumerate(type.getRanks()))
      if (llvm::Error error =
              bind(rank, shape[axis], formatv("{0} axis {1}", name, axis)))
        return error;
    return llvm::Error::success();
  }

  /// Derived extents, in the order of the rank table.
  llvm::Error derive() {
    for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
      if (ExtentAttr extent = rank.getExtent()) {
        int64_t value = extent.evaluate([&](StringAttr other) {
          auto it = bindings.find(other);
          return it == bindings.end() ? 0 : it->second.extent;
        });
        if (llvm::Error error = bind(
                rank.getName(), std::max<int64_t>(value, 0), "its definition"))
          return error;
      } else if (!bindings.contains(rank.getName())) {
        return makeError(
            formatv("rank {0} has no extent", rank.getName().getValue()));
      }
    }
    return llvm::Error::success();
  }

  llvm::Error checkRelations() {
    for (Attribute relation : cascade.getRelations())
      if (auto product = dyn_cast<ProductAttr>(relation)) {
        int64_t whole = extent(product.getWhole()), size = 1;
        for (StringAttr part : product.getParts())
          if (llvm::MulOverflow(size, extent(part), size))
            size = INT64_MAX;
        if (whole > size)
          return mismatch(product.getWhole(), whole, product.getParts(), size,
                          "is more than the product");
      } else if (auto sum = dyn_cast<SumAttr>(relation)) {
        int64_t whole = extent(sum.getWhole()), size = 0;
        for (StringAttr part : sum.getParts())
          size += extent(part);
        if (whole != size)
          return mismatch(sum.getWhole(), whole, sum.getParts(), size,
                          "is not the sum");
      }
    return llvm::Error::success();
  }

  Extents take() {
    Extents result;
    for (auto &[rank, binding] : bindings)
      result[rank] = binding.extent;
    return result;
  }

private:
  int64_t extent(StringAttr rank) { return bindings.find(rank)->second.extent; }

  llvm::Error mismatch(StringAttr whole, int64_t extent,
                       ArrayRef<StringAttr> parts, int64_t size,
                       StringRef what) {
    std::string names;
    for (StringAttr part : parts)
      names += (names.empty() ? "" : ", ") + part.str();
    return makeError(formatv("the extent {0} of rank {1} {2} {3} of its parts "
                             "({4})",
                             extent, whole.getValue(), what, size, names));
  }

  CascadeOp cascade;
  llvm::DenseMap<StringAttr, Binding> bindings;
};

} // namespace

llvm::Expected<Extents>
attn::bindExtents(CascadeOp cascade,
                  ArrayRef<std::optional<ArrayRef<int64_t>>> shapes,
                  const llvm::StringMap<int64_t> &given) {
  Binder binder(cascade);
  for (auto [port, argument, shape] :
       llvm::zip(cascade.getInputs().getAsRange<PortAttr>(),
                 cascade.getBody().getArguments(), shapes))
    if (shape)
      if (llvm::Error error = binder.bindInput(
              port, cast<NamedTensorType>(argument.getType()), *shape))
        return error;
  for (auto &entry : given) {
    RankAttr rank = cascade.findRank(entry.first());
    if (!rank)
      return makeError("no rank " + entry.first());
    if (llvm::Error error =
            binder.bind(rank.getName(), entry.second, "the given extent"))
      return error;
  }
  if (llvm::Error error = binder.derive())
    return error;
  if (llvm::Error error = binder.checkRelations())
    return error;
  return binder.take();
}
