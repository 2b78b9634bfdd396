//===- Workspace.cpp - how memory grows with the sequence -------*- C++ -*-===//
#include "compiler/Workspace.h"
#include "llvm/ADT/StringSet.h"

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
  auto bytesAt = [&](int64_t length) -> double {
    llvm::StringMap<int64_t> at = free;
    for (StringRef rank : growing)
      at[rank] = length;
    return workspaceBytes(entry, at);
  };
  double once = bytesAt(length), twice = bytesAt(2 * length);
  if (twice == once)
    return Growth::None;
  // n log n is still called linear.
  return twice <= 2.2 * once ? Growth::Linear : Growth::Quadratic;
}
