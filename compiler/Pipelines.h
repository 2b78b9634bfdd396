//===- Pipelines.h - which passes run, in which order -----------*- C++ -*-===//
#ifndef ATTN_COMPILER_PIPELINES_H
#define ATTN_COMPILER_PIPELINES_H

namespace mlir {
class OpPassManager;
}

#include <cstdint>
#include <string>
#include <vector>

namespace attn {

/// Points of a tile along the streamed rank and along the rows of a kernel.
struct TileSizes {
  int64_t stream = 64, lanes = 64;
  /// Rows that share a quotient fill lanes where no others do.
  bool pack = false;
  /// Those that fill no vector are the first rank of tiles.
  bool packRows = true;
  /// Rows where products are of what a matrix unit of the target multiplies.
  int64_t matrixLanes = 0;
  /// Lanes and points of parts of steps that may be left out; 0: none are.
  int64_t part = 0;
  /// Reductions over every prefix of a rank walk it, a point a step: few rows
  /// would leave most of a GPU idle.
  bool walkPrefixes = true;
  /// Kernels, by name, that no matrix unit runs all the same.
  std::vector<std::string> vectorKernels = {};

  bool operator==(const TileSizes &) const = default;
};

/// What every program goes through before anything is done with it. Changes
/// no meaning; marks recurrences with the order in which they are walked, and
/// adds the cascades that a `cut` asks for.
void buildChecks(mlir::OpPassManager &passes);

/// From the text's cascades to the algorithm, still cascades: what runs in one
/// pass stands in kernels.
void buildDerivation(mlir::OpPassManager &passes, const TileSizes &tiles = {});

/// From derived cascades to tile programs, what the back ends lower.
void buildSchedule(mlir::OpPassManager &passes, const TileSizes &tiles = {});

} // namespace attn
#endif // ATTN_COMPILER_PIPELINES_H
