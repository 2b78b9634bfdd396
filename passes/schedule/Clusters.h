//===- Clusters.h - which definitions run a row at a time -------*- C++ -*-===//
// A cluster computes results that are kept in memory, and for them, again in
// each cluster, all intermediates larger than every port. Where no ranks leave
// rows of them, some are kept in memory after all.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_CLUSTERS_H
#define ATTN_PASSES_SCHEDULE_CLUSTERS_H

#include "passes/schedule/ClusterRanks.h"

namespace attn {

class Clusters {
public:
  explicit Clusters(CascadeOp cascade);

  DefinitionGraph graph;
  std::vector<Cluster> clusters;

private:
  void find();
  std::optional<Cluster> clusterOf(unsigned sink);

  void merge();
  bool tryMerge(unsigned a, unsigned b);
  void close(Cluster &cluster);
  bool isAcyclic(llvm::ArrayRef<Cluster> trial);

  /// Tensors that are kept in memory together.
  using Choice = llvm::SmallVector<mlir::Value>;
  void give(const Cluster &cluster, const std::string &why);
  std::vector<Choice> choicesOf(const Cluster &cluster,
                                llvm::ArrayRef<mlir::Value> large);
  std::tuple<size_t, size_t, size_t> costOf(llvm::ArrayRef<mlir::Value> choice);
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_CLUSTERS_H
