//===- SemaLayout.h - how a port is stored ----------------------*- C++ -*-===//
#ifndef ATTN_FRONTENDS_TEXT_SEMALAYOUT_H
#define ATTN_FRONTENDS_TEXT_SEMALAYOUT_H

#include "frontends/text/Sema.h"

namespace attn::text {

/// How logical coordinates become stored ones. Per kind, LANGUAGE section 12.
struct Sema::LayoutPlan {
  std::string kind;
  llvm::SmallVector<std::string, 2> tables;
  RankList logical; ///< ranks the program speaks of
  RankList stored;  ///< ranks of what is stored
  SourceRange range;
  /// The index tensors: the page table, the offsets, or pointers and columns.
  const View *table = nullptr, *columns = nullptr;
  const Rank *fresh = nullptr; ///< page, packed row or stored entry
  const Rank *whole = nullptr; ///< paged: n of n = (pp, i)
  const Rank *inner = nullptr; ///< paged: i
  unsigned first = 0;          ///< csr: position of the row axis
  const Rank *tile[2] = {};    ///< block sparse: ranks inside a tile
};

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_SEMALAYOUT_H
