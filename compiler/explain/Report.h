//===- Report.h - what attnc explain knows of a cascade ---------*- C++ -*-===//
// Plain data between the analysis (Analyse.h) and the printers: text, JSON and
// a page.
//===----------------------------------------------------------------------===//
#ifndef ATTN_COMPILER_EXPLAIN_REPORT_H
#define ATTN_COMPILER_EXPLAIN_REPORT_H

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace attn::explain {

struct RankRow {
  std::string name;
  int64_t extent = 0;
  std::string from; ///< "--shape", "program", "default"
};

/// A port or a definition of the cascade as written.
struct Statement {
  enum Kind { Input, Map, Reduction, Recurrence, Selection };
  Kind kind = Map;
  std::string name, type; ///< "S", "f32[b,h,m,n]"
  std::string does;       ///< "max over n"
  std::string where;      ///< what it keeps, as the source writes it
  std::vector<unsigned> reads;
  bool isOutput = false;
};

struct LawFired {
  std::string law, statement;
  std::string condition; ///< that failed, of a refusal
  std::string identity;  ///< what the law says
};

/// The statement that ends a pass, and the laws that rewrote it.
struct PassEnd {
  std::string statement, does;
  std::vector<std::string> laws;
};

struct Passes {
  std::string count; ///< "3", "2 + 1 a step of k"
  std::vector<PassEnd> chain;
  std::string repeated; ///< an iterative rank along which the chain repeats
};

struct PassRow {
  std::string rank;
  Passes written, derived;
};

struct Cost {
  double flops = 0;          ///< real operations
  double transcendental = 0; ///< among them exp, log, tanh, ...
  double bytes = 0;          ///< of memory, each tensor once
  double loads = 0;          ///< of tiles, wherever they come from
  double intensity() const { return bytes > 0 ? flops / bytes : 0; }
};

struct Tensor {
  std::string name, type;
  double bytes = 0;
  bool isOutput = false;
  std::string why; ///< it is in memory; empty for outputs
};

struct Kernel {
  std::string name, runs; ///< "tiles", "rows", "points"
  std::vector<std::string> parallel;
  std::string stream, row; ///< streamed rank; rank that fills lanes
  int64_t streamTile = 0, rowTile = 0;
  std::vector<Tensor> results;
  std::vector<std::string> inside; ///< kept in tiles or with a worker's row
  Cost cost;
};

/// Which tiles of a kernel's iteration space a mask leaves.
struct TileMap {
  enum Tile : uint8_t { Empty, Full, Partial, RunTime };
  std::string kernel, row, column;
  int64_t rowTile = 0, columnTile = 0, rows = 0, columns = 0;
  std::vector<Tile> tiles; ///< row by row
  std::array<int64_t, 4> counts{};
  std::string condition;
  bool isSkipped = true; ///< empty tiles are not visited

  int64_t visited() const { return rows * columns - counts[Empty]; }
};

struct Machine {
  std::string target;
  double vector = 0, matrix = 0; ///< f32, bf16: GFLOP/s of a core
  double bandwidth = 0;          ///< GB/s of a core
  double gigahertz = 0;
  unsigned vectorFloats = 0, vectorFlops = 0, matrixFlops = 0;
};

struct Report {
  std::string name, source; ///< source: the text of the cascade, if known
  std::vector<RankRow> ranks;
  std::vector<Statement> statements; ///< readers after what they read
  std::vector<PassRow> passes;
  std::vector<LawFired> laws, refusals;
  std::vector<Kernel> kernels;
  std::vector<TileMap> maps;
  std::vector<Tensor> kept; ///< intermediates in memory
  std::string workspace;    ///< growth: "none", "linear", "quadratic"
  double workspaceBytes = 0;
  Cost written, derived;
  Machine machine;
};

} // namespace attn::explain
#endif // ATTN_COMPILER_EXPLAIN_REPORT_H
