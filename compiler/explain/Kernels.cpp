//===- Kernels.cpp - what runs, and what stays in memory --------*- C++ -*-===//
#include "compiler/Workspace.h"
#include "compiler/explain/Analyse.h"
#include "dialect/PrintExpr.h"
#include "dialect/tile/Tile.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;
using namespace attn::explain;

static std::vector<std::string> textsOf(ArrayRef<StringAttr> names) {
  std::vector<std::string> texts;
  for (StringAttr name : names)
    texts.push_back(name.str());
  return texts;
}

static void describeTiles(CascadeOp cascade, tile::KernelOp op,
                          Kernel &kernel) {
  kernel.runs = "tiles";
  for (StringAttr rank : strings(op.getGrid()))
    if (auto [whole, size] = partsOf(cascade, rank); whole && size) {
      kernel.row = whole.str();
      kernel.rowTile = size;
      kernel.parallel.push_back(whole.str());
    } else {
      kernel.parallel.push_back(rank.str());
    }
  op.walk([&](tile::StreamOp stream) {
    StringAttr step = stream.getRankAttr();
    auto [whole, size] = partsOf(cascade, step);
    kernel.stream = whole ? whole.str() : step.str();
    kernel.streamTile = size;
  });
}

static void describeRows(CascadeOp cascade, KernelOp op, Kernel &kernel) {
  kernel.runs = "rows";
  if (ScheduleAttr schedule = op.getScheduleAttr()) {
    kernel.parallel = textsOf(schedule.getParallel());
    if (StringAttr stream = schedule.getStream()) {
      auto [whole, size] = partsOf(cascade, stream);
      kernel.stream = whole ? whole.str() : stream.str();
      kernel.streamTile = size;
    } else if (DictionaryAttr tile = schedule.getTile()) {
      for (NamedAttribute entry : tile) {
        kernel.row = entry.getName().str();
        kernel.rowTile = cast<IntegerAttr>(entry.getValue()).getInt();
      }
    }
  }
  auto returned = op.getReturn().getOutputs();
  for (Operation &inner : op.getBody().front().without_terminator())
    for (Value result : inner.getResults())
      if (!llvm::is_contained(returned, result))
        kernel.inside.push_back(tensorName(result).str() + " " +
                                typeText(result.getType()));
}

static void describePoints(Operation *op, Kernel &kernel) {
  kernel.runs = "points";
  if (auto einsum = dyn_cast<EinsumOp>(op))
    kernel.parallel = textsOf(strings(einsum.getSpace()));
  else if (auto order = dyn_cast<OrderOp>(op))
    kernel.parallel = textsOf(ArrayRef(strings(order.getSpace())).drop_back());
}

/// Why a result is in memory. What the partition could not keep to a row says
/// so itself.
static std::string reasonOf(Value result) {
  Operation *op = result.getDefiningOp();
  if (auto why = op->getAttrOfType<StringAttr>("attn.materialised"))
    return why.str();
  llvm::SetVector<Operation *> readers;
  for (Operation *user : result.getUsers()) {
    while (user && !isa<CascadeOp>(user->getParentOp()))
      user = user->getParentOp();
    if (user && !isa<ReturnOp>(user) && user != op)
      readers.insert(user);
  }
  std::string names;
  for (Operation *reader : readers)
    names += (names.empty() ? "" : ", ") + nameOf(reader->getResult(0));
  if (names.empty())
    return "nothing reads it";
  return "complete before " + names +
         (readers.size() > 1 ? " read it" : " reads it");
}

void explain::describeKernels(CascadeOp scheduled, const Extents &extents,
                              Report &report) {
  auto outputs = scheduled.getReturn().getOutputs();
  for (Operation &op : scheduled.getBody().front()) {
    if (op.getNumResults() == 0 ||
        !isa<NamedTensorType>(op.getResultTypes()[0]))
      continue;
    Kernel kernel;
    for (Value result : op.getResults()) {
      bool isOutput = llvm::is_contained(outputs, result);
      Tensor tensor{nameOf(result), typeText(result.getType()),
                    bytesOf(result, extents), isOutput,
                    isOutput ? "" : reasonOf(result)};
      if (!isOutput && !isa<EquationsOp>(op))
        report.kept.push_back(tensor);
      kernel.results.push_back(std::move(tensor));
    }
    // Equations are where their tensor is; they run with their definitions.
    if (isa<EquationsOp>(op))
      continue;
    if (auto tiles = dyn_cast<tile::KernelOp>(op))
      describeTiles(scheduled, tiles, kernel);
    else if (auto rows = dyn_cast<KernelOp>(op))
      describeRows(scheduled, rows, kernel);
    else
      describePoints(&op, kernel);
    kernel.name = nameOf(op.getResult(0));
    report.kernels.push_back(std::move(kernel));
  }
}

//===----------------------------------------------------------------------===//
// Workspace
//===----------------------------------------------------------------------===//

/// Bytes of tensors in memory that are neither inputs nor outputs, and of the
/// rows that one worker keeps.
static double workspaceAt(CascadeOp scheduled, const Extents &extents) {
  auto outputs = scheduled.getReturn().getOutputs();
  double bytes = 0;
  for (Operation &op : scheduled.getBody().front()) {
    if (op.getNumResults() == 0 || isa<EquationsOp>(op))
      continue;
    for (Value result : op.getResults())
      if (isa<NamedTensorType>(result.getType()) &&
          !llvm::is_contained(outputs, result))
        bytes += bytesOf(result, extents);
    auto kernel = dyn_cast<KernelOp>(op);
    ScheduleAttr schedule = kernel ? kernel.getScheduleAttr() : ScheduleAttr();
    if (!schedule)
      continue;
    for (Operation &inner : kernel.getBody().front().without_terminator())
      for (Value result : inner.getResults()) {
        double points = pointsOf(schedule.getParallel(), extents);
        if (isa<EquationsOp>(inner) || points == 0)
          continue;
        auto ranks = cast<NamedTensorType>(result.getType()).getRanks();
        double shared = 1;
        for (StringAttr rank : schedule.getParallel())
          if (llvm::is_contained(ranks, rank))
            shared *= extents.lookup(rank);
        bytes += shared > 0 ? bytesOf(result, extents) / shared : 0;
      }
  }
  return bytes;
}

void explain::describeWorkspace(const Stages &stages,
                                const llvm::StringMap<int64_t> &free,
                                Report &report) {
  auto at = [&](int64_t length) {
    llvm::StringMap<int64_t> longer = free;
    if (length)
      for (StringAttr rank : sequenceRanks(stages))
        if (longer.contains(rank))
          longer[rank] = length;
    auto extents = extentsAt(stages.scheduled, longer);
    if (extents)
      return workspaceAt(stages.scheduled, *extents);
    llvm::consumeError(extents.takeError());
    return -1.0;
  };
  report.workspaceBytes = at(0);
  constexpr int64_t length = 4096;
  double once = at(length), twice = at(2 * length);
  SmallVector<StringRef> growing;
  llvm::StringMap<int64_t> lengths = free;
  for (StringAttr rank : sequenceRanks(stages))
    if (lengths.contains(rank)) {
      growing.push_back(rank);
      lengths[rank] = length;
    }
  double points = pointGrowth(
      stages.scheduled, growing, lengths,
      [&](const llvm::StringMap<int64_t> &free) {
        llvm::StringMap<int64_t> named;
        if (auto extents = extentsAt(stages.scheduled, free))
          for (auto &[rank, extent] : *extents)
            named[rank.getValue()] = extent;
        else
          llvm::consumeError(extents.takeError());
        return named;
      });
  report.workspace = once < 0 || twice < 0
                         ? "unknown"
                         : growthName(growthOf(once, twice, points)).str();
}
