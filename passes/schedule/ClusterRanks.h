//===- ClusterRanks.h - over which ranks a cluster has rows -----*- C++ -*-===//
// The law RESIDENT. The parallel ranks of a cluster are those that every
// definition of it has and that no access crosses; what is left of an
// intermediate at a point of them is a row, and stays with the worker.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_CLUSTERRANKS_H
#define ATTN_PASSES_SCHEDULE_CLUSTERRANKS_H

#include "passes/schedule/DefinitionGraph.h"

namespace attn {

struct Cluster {
  NodeSet nodes;
  /// Members whose results others read.
  NodeSet sinks;
  Ranks parallel;
  /// One of them in blocks: a tile kernel computes so many rows at a time, or
  /// rows read their neighbours. Null: none.
  mlir::StringAttr blocked;
  int64_t block = 1;
  /// At each point, the rows of this rank follow one after the other, and sinks
  /// that reduce it accumulate. Null: none.
  mlir::StringAttr stream;
};

class ClusterRanks {
public:
  ClusterRanks(DefinitionGraph &graph, Cluster &cluster)
      : graph(graph), cluster(cluster) {}

  /// Sets the cluster's ranks; false if none make its intermediates small.
  bool choose();
  /// Why ranks are not among them.
  std::string reason() const;

private:
  /// A rank that may be fixed, in blocks of so many rows. `halo`: some node
  /// computes more rows than that.
  struct Candidate {
    mlir::StringAttr rank;
    int64_t block;
    bool halo;
    bool isPlain() const { return block == 1 && !halo; }
  };
  std::optional<Candidate> candidate(mlir::StringAttr rank);
  /// Rows of `rank` that all definitions compute at a time.
  std::optional<int64_t> rowsOf(mlir::StringAttr rank);
  std::optional<bool> hasHalo(mlir::StringAttr rank);
  std::nullopt_t refuse(mlir::StringAttr rank, std::string why);

  bool canStream(mlir::StringAttr rank);
  bool chooseStream(RankRef parallel);

  bool isResident(RankRef parallel);
  /// Node of the cluster that defines a tensor, or -1.
  int64_t memberOf(mlir::Value tensor) const;

  DefinitionGraph &graph;
  Cluster &cluster;
  std::map<std::string, std::string> reasons; // by rank
};

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_CLUSTERRANKS_H
