//===- Analyse.h - a report of a cascade ------------------------*- C++ -*-===//
#ifndef ATTN_COMPILER_EXPLAIN_ANALYSE_H
#define ATTN_COMPILER_EXPLAIN_ANALYSE_H

#include "compiler/Load.h"
#include "compiler/explain/Report.h"
#include "dialect/interpreter/Extents.h"
#include "llvm/ADT/StringMap.h"

namespace attn::explain {

/// One cascade at the stages that a report speaks of.
struct Stages {
  CascadeOp written, derived, scheduled;
  llvm::ArrayRef<std::string> sequence; ///< --sequence
};

/// Reports of the cascades of a program: of --entry, or of all. --shape gives
/// extents, others are defaults; --target the machine.
llvm::Expected<std::vector<Report>> analyse(Program &program,
                                            const Options &options);

//===--- Parts, each in the file of its name ------------------------------===//

/// Extents of the free ranks: given, or chosen by what the ranks are for.
llvm::Expected<llvm::StringMap<int64_t>>
chooseExtents(const Stages &stages, const Options &options, Report &report);
/// Extents of all ranks of a stage.
llvm::Expected<Extents> extentsAt(CascadeOp stage,
                                  const llvm::StringMap<int64_t> &free);
/// Free ranks that grow with the sequence: those of --sequence, else what is
/// streamed, iterated, read in more than one pass, or a kernel's rows.
llvm::SmallVector<mlir::StringAttr> sequenceRanks(const Stages &stages);

void describeStatements(CascadeOp written, Report &report);
void describePasses(const Stages &stages, Report &report);
void describeKernels(CascadeOp scheduled, const Extents &extents,
                     Report &report);
void mapTiles(CascadeOp scheduled, const Extents &extents, Report &report);
void mapMasks(CascadeOp written, const Extents &extents, Report &report);
/// Of all kernels, and of the cascade as written: each definition computed at
/// every point and kept in memory.
void countCosts(const Stages &stages, const Extents &scheduled,
                const Extents &written, Report &report);
void describeWorkspace(const Stages &stages,
                       const llvm::StringMap<int64_t> &free, Report &report);

//===--- Shared -----------------------------------------------------------===//

/// `f32[b,h,m]`.
std::string typeText(mlir::Type tensor);
/// Of memory; 0 for extents that are not known.
double bytesOf(mlir::Value tensor, const Extents &extents);
double pointsOf(llvm::ArrayRef<mlir::StringAttr> ranks, const Extents &extents);
/// Name of what defines a result of the body of a cascade.
std::string nameOf(mlir::Value tensor);
/// The rank of which `step` counts parts, and their size: m1 = |m| ceildiv 64.
std::pair<mlir::StringAttr, int64_t> partsOf(CascadeOp cascade,
                                             mlir::StringAttr step);

} // namespace attn::explain
#endif // ATTN_COMPILER_EXPLAIN_ANALYSE_H
