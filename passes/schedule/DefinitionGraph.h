//===- DefinitionGraph.h - what definitions need one another ----*- C++ -*-===//
// The definitions of a cascade as an acyclic graph, where a recurrence is one
// node, and which of their tensors are too large to be kept in memory.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_SCHEDULE_DEFINITIONGRAPH_H
#define ATTN_PASSES_SCHEDULE_DEFINITIONGRAPH_H

#include "passes/Expr.h"
#include "passes/schedule/Sizes.h"
#include "llvm/ADT/SetVector.h"

namespace attn {

/// Numbers of nodes.
using NodeSet = llvm::SetVector<unsigned>;

/// Definitions that are computed together: one, or a recurrence.
struct Node {
  llvm::SmallVector<mlir::Operation *> ops;
  NodeSet needs; // itself excepted
};

/// componentsOf (dialect/Components.h) of what each node needs.
std::vector<llvm::SmallVector<unsigned>>
componentsOf(const std::vector<NodeSet> &needs);

class DefinitionGraph {
public:
  explicit DefinitionGraph(CascadeOp cascade);

  CascadeOp cascade;
  Sizes sizes;
  std::vector<Node> nodes; // what a node needs comes before it
  /// Large tensors that are kept in memory all the same, and why.
  llvm::MapVector<mlir::Value, std::string> materialised;

  llvm::SmallVector<mlir::Operation *> opsOf(const NodeSet &some) const;
  /// Node that defines a tensor, or -1.
  int64_t nodeOf(mlir::Value tensor) const;
  /// Some node of `to` needs `from`, directly or not.
  bool reaches(unsigned from, unsigned to) const {
    return reach[to].test(from);
  }
  /// Larger than every port, and not kept in memory.
  bool isLarge(mlir::Value tensor);
  bool isLarge(unsigned node);
  /// Others read a small tensor of the node.
  bool hasSmallResult(unsigned node);

private:
  llvm::DenseMap<mlir::Operation *, unsigned> numbers;
  std::vector<llvm::SmallBitVector> reach; // by node: all that it needs
};

RankRef ranksOf(mlir::Value tensor);
/// Names of a definition and of a tensor's, for messages.
std::string definitionName(mlir::Operation *definition, unsigned result = 0);
std::string definitionName(mlir::Value tensor);

} // namespace attn
#endif // ATTN_PASSES_SCHEDULE_DEFINITIONGRAPH_H
