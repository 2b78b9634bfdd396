//===- Clusters.h - which definitions run a row at a time -------*- C++ -*-===//
// The law RESIDENT on the graph of definitions. A cluster computes results that
// are kept in memory, and for them, again in each cluster, all intermediates
// larger than every port. Its parallel ranks are those that every definition of
// it has and that no access crosses; what is left of an intermediate at a point
// of them is a row, and stays with the worker.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_CLUSTERS_H
#define ATTN_PASSES_SCHEDULE_CLUSTERS_H

#include "passes/Expr.h"
#include "passes/schedule/Sizes.h"
#include "passes/schedule/Windows.h"
#include "llvm/ADT/SetVector.h"

namespace attn {

/// Definitions that are computed together: one, or a recurrence.
struct Node {
  llvm::SmallVector<mlir::Operation *> ops;
  llvm::SetVector<unsigned> needs; // nodes, itself excepted
};

struct Cluster {
  llvm::SetVector<unsigned> nodes;
  /// Members whose results others read.
  llvm::SetVector<unsigned> sinks;
  Ranks parallel;
  /// One of them in blocks: a tile kernel computes so many rows at a time, or
  /// rows read their neighbours. Null: none.
  mlir::StringAttr blocked;
  int64_t block = 1;
  /// At each point, the rows of this rank follow one after the other, and sinks
  /// that reduce it accumulate. Null: none.
  mlir::StringAttr stream;
};

class Clusters {
public:
  explicit Clusters(CascadeOp cascade);

  std::vector<Node> nodes; // what a node needs comes before it
  std::vector<Cluster> clusters;
  /// Large tensors that no cluster can keep to itself, and why.
  llvm::MapVector<mlir::Value, std::string> materialised;

private:
  void buildNodes();
  void find();
  void merge();
  bool tryMerge(unsigned a, unsigned b);
  void close(Cluster &cluster);
  bool isAcyclic(llvm::ArrayRef<Cluster> trial);
  std::optional<Cluster> clusterOf(unsigned sink);
  bool choose(Cluster &cluster);
  bool chooseStream(Cluster &cluster, RankRef parallel);
  /// The node is a reduction over the rank whose parts may be combined in
  /// ascending order.
  bool accumulates(unsigned node, mlir::StringAttr rank);
  bool canStream(const Cluster &cluster, mlir::StringAttr rank);
  /// Rows a point of the cluster computes of `rank`: 0 if it may not be fixed,
  /// and `why` not. `halo`: some node computes more rows than that.
  int64_t rowsOf(const Cluster &cluster, mlir::StringAttr rank, bool &halo,
                 std::string &why);
  llvm::SmallVector<mlir::Value> blockersOf(const Cluster &cluster,
                                            mlir::StringAttr rank);
  void give(const Cluster &cluster);

  bool isLarge(mlir::Value tensor);
  bool isLarge(unsigned node);
  bool hasSmallResult(unsigned node);
  bool isResident(const Cluster &cluster, RankRef parallel);
  /// Node that defines a tensor, or -1.
  int64_t nodeOf(mlir::Value tensor) const;
  /// Some node of `to` needs `from`, directly or not.
  bool reaches(unsigned from, unsigned to) const {
    return reach[to].test(from);
  }

  CascadeOp cascade;
  Sizes sizes;
  llvm::DenseMap<mlir::Operation *, unsigned> numbers;
  std::vector<llvm::SmallBitVector> reach;    // by node: all that it needs
  std::map<std::string, std::string> reasons; // by rank, of the last choice
};

/// Name of a tensor's definition, for messages.
std::string definitionName(mlir::Value tensor);

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_CLUSTERS_H
