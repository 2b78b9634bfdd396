//===- Layout.h - a graph of statements in layers ---------------*- C++ -*-===//
#ifndef ATTN_COMPILER_EXPLAIN_LAYOUT_H
#define ATTN_COMPILER_EXPLAIN_LAYOUT_H

#include "compiler/explain/Report.h"

namespace attn::explain {

struct Point {
  double x = 0, y = 0;
};

/// Boxes by their centre; edges as points from the box that is read to the one
/// that reads it.
struct Layout {
  struct Box {
    Point at;
    double width = 0, height = 0;
  };
  struct Edge {
    unsigned from, to;
    bool isBack; ///< a recurrence reads an earlier step of itself
    std::vector<Point> points;
  };
  std::vector<Box> boxes; ///< by statement
  std::vector<Edge> edges;
  double width = 0, height = 0;
};

/// In layers from top to bottom, few crossings, edges as straight as they go.
Layout layOut(const std::vector<Statement> &statements);

} // namespace attn::explain
#endif // ATTN_COMPILER_EXPLAIN_LAYOUT_H
