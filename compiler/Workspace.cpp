//===- Workspace.cpp - how memory grows with the sequence -------*- C++ -*-===//
#include "compiler/Workspace.h"
#include <cmath>

using namespace mlir;
using namespace attn;

llvm::StringRef attn::growthName(Growth growth) {
  constexpr StringLiteral names[] = {"none", "linear", "quadratic"};
  return names[static_cast<int>(growth)];
}

/// One operation of a postfix program; sizes here are far from overflow.
static int64_t apply(int64_t op, int64_t a, int64_t b) {
  switch (op) {
  case ATTN_EXT_ADD:
    return a + b;
  case ATTN_EXT_MUL:
    return a * b;
  case ATTN_EXT_FLOORDIV:
    return b ? llvm::divideFloorSigned(a, b) : 0;
  case ATTN_EXT_CEILDIV:
    return b ? llvm::divideCeilSigned(a, b) : 0;
  case ATTN_EXT_MOD:
    return b ? llvm::mod(a, b) : 0;
  case ATTN_EXT_MIN:
    return std::min(a, b);
  default:
    return std::max(a, b);
  }
}

static int64_t evaluate(const attn_extent_desc &extent,
                        ArrayRef<int64_t> known) {
  SmallVector<int64_t> stack;
  for (int32_t word = 0; word + 1 < extent.program_len; word += 2) {
    int64_t op = extent.program[word], operand = extent.program[word + 1];
    if (op == ATTN_EXT_CONST || op == ATTN_EXT_LOAD) {
      stack.push_back(op == ATTN_EXT_CONST ? operand : known[operand]);
    } else {
      int64_t right = stack.pop_back_val();
      stack.back() = apply(op, stack.back(), right);
    }
  }
  return std::max<int64_t>(stack.back(), 0);
}

/// Every extent is after those that it refers to.
static SmallVector<int64_t> extentsOf(const attn_entry_desc *entry,
                                      const llvm::StringMap<int64_t> &free) {
  SmallVector<int64_t> result;
  for (const attn_extent_desc &extent :
       ArrayRef(entry->extents, entry->num_extents))
    result.push_back(extent.kind == ATTN_EXTENT_STATIC ? extent.value
                     : extent.kind == ATTN_EXTENT_AXIS
                         ? free.lookup(extent.name)
                         : evaluate(extent, result));
  return result;
}

int64_t attn::workspaceBytes(const attn_entry_desc *entry,
                             const llvm::StringMap<int64_t> &free) {
  SmallVector<int64_t> extents = extentsOf(entry, free);
  int64_t bytes[2] = {0, 0};
  if (auto *workspace = entry->versions[0].workspace)
    workspace(extents.data(), bytes);
  return llvm::SaturatingAdd<uint64_t>(bytes[0], bytes[1]);
}

double attn::pointGrowth(CascadeOp cascade, ArrayRef<StringRef> growing,
                         const llvm::StringMap<int64_t> &once,
                         ExtentsAt extentsAt) {
  llvm::StringMap<int64_t> before = extentsAt(once);
  // By rank, the ranks of `growing` that it grows with.
  llvm::StringMap<SmallVector<StringRef>> causes;
  for (StringRef rank : growing) {
    llvm::StringMap<int64_t> longer = once;
    longer[rank] *= 2;
    for (auto &[name, extent] : extentsAt(longer))
      if (extent != before.lookup(name))
        causes[name].push_back(rank);
  }
  std::vector<std::vector<StringRef>> ports; // sorted; a rank may occur twice
  auto add = [&](Type type) {
    std::vector<StringRef> port;
    for (StringAttr rank : cast<NamedTensorType>(type).getRanks())
      llvm::append_range(port, causes.lookup(rank.getValue()));
    llvm::sort(port);
    if (!port.empty())
      ports.push_back(std::move(port));
  };
  llvm::for_each(cascade.getBody().getArgumentTypes(), add);
  llvm::for_each(cascade.getReturn().getOperandTypes(), add);
  double points = 2;
  for (const std::vector<StringRef> &port : ports)
    if (llvm::none_of(ports, [&](const std::vector<StringRef> &other) {
          return other.size() < port.size() &&
                 std::includes(port.begin(), port.end(), other.begin(),
                               other.end());
        }))
      points = std::max(points, std::exp2(port.size()));
  return points;
}

Growth attn::growthOf(double once, double twice, double points) {
  if (twice == once)
    return Growth::None;
  // n log n is still called linear.
  return twice <= 1.1 * points * once ? Growth::Linear : Growth::Quadratic;
}

Growth attn::workspaceGrowth(const attn_entry_desc *entry, CascadeOp cascade,
                             const Extents &extents,
                             ArrayRef<std::string> sequence) {
  llvm::StringMap<int64_t> free;
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>())
    if (!rank.getExtent())
      free[rank.getName().getValue()] = extents.lookup(rank.getName());
  // Ranks that grow: named, or what a named one is computed from.
  auto lengths = [&](const llvm::StringMap<int64_t> &at) {
    SmallVector<int64_t> all = extentsOf(entry, at), named;
    for (int32_t i = 0; i < entry->num_extents; ++i)
      if (llvm::is_contained(sequence, entry->extents[i].name))
        named.push_back(all[i]);
    return named;
  };
  constexpr int64_t length = 4096;
  SmallVector<StringRef> growing;
  for (auto &[rank, extent] : free) {
    llvm::StringMap<int64_t> longer = free;
    longer[rank] = extent + length;
    if (lengths(longer) != lengths(free))
      growing.push_back(rank);
  }
  auto at = [&](int64_t length) {
    llvm::StringMap<int64_t> result = free;
    for (StringRef rank : growing)
      result[rank] = length;
    return result;
  };
  auto named = [&](const llvm::StringMap<int64_t> &at) {
    llvm::StringMap<int64_t> result;
    for (auto [i, extent] : llvm::enumerate(extentsOf(entry, at)))
      result[entry->extents[i].name] = extent;
    return result;
  };
  return growthOf(workspaceBytes(entry, at(length)),
                  workspaceBytes(entry, at(2 * length)),
                  pointGrowth(cascade, growing, at(length), named));
}
