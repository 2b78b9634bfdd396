//===- Analyse.cpp - a report of a cascade ----------------------*- C++ -*-===//
#include "compiler/explain/Analyse.h"
#include "compiler/Backend.h"
#include "compiler/ElementTypes.h"
#include "compiler/targets/Targets.h"
#include "dialect/PrintExpr.h"
#include "dialect/interpreter/Array.h"
#include "dialect/tile/Tile.h"
#include "mlir/IR/AffineExpr.h"

using namespace mlir;
using namespace attn;
using namespace attn::explain;

std::string explain::typeText(Type type) {
  auto tensor = cast<NamedTensorType>(type);
  std::string text = typeName(tensor.getElementType());
  if (tensor.getRanks().empty())
    return text;
  text += "[";
  for (auto [i, rank] : llvm::enumerate(tensor.getRanks()))
    text += (i ? "," : "") + rank.str();
  return text + "]";
}

double explain::pointsOf(ArrayRef<StringAttr> ranks, const Extents &extents) {
  double points = 1;
  for (StringAttr rank : ranks)
    points *= extents.lookup(rank);
  return points;
}

double explain::bytesOf(Value tensor, const Extents &extents) {
  auto type = cast<NamedTensorType>(tensor.getType());
  unsigned bits = type.getElementType().getIntOrFloatBitWidth();
  return pointsOf(type.getRanks(), extents) * ((bits + 7) / 8);
}

constexpr llvm::StringLiteral resultNames = "explain.names";

/// Tile programs forget the names of what they compute: they are those of the
/// derived kernel with the same number.
static void nameResults(CascadeOp derived, CascadeOp scheduled) {
  std::map<std::string, ArrayAttr> names;
  unsigned number = 0;
  for (auto kernel : derived.getBody().front().getOps<KernelOp>()) {
    if (!kernel.getScheduleAttr() || !kernel.getScheduleAttr().getStream())
      continue;
    SmallVector<Attribute> all;
    for (Value result : kernel.getResults())
      all.push_back(
          StringAttr::get(derived.getContext(), explain::nameOf(result)));
    names[(derived.getSymName() + "." + Twine(number++)).str()] =
        ArrayAttr::get(derived.getContext(), all);
  }
  for (auto kernel : scheduled.getBody().front().getOps<tile::KernelOp>())
    if (ArrayAttr all = names[kernel.getName().str()];
        all && all.size() == kernel.getNumResults())
      kernel->setAttr(resultNames, all);
}

std::string explain::nameOf(Value tensor) {
  Operation *op = tensor.getDefiningOp();
  unsigned number = op ? cast<OpResult>(tensor).getResultNumber() : 0;
  if (auto kernel = dyn_cast_or_null<KernelOp>(op))
    return nameOf(kernel.getReturn().getOutputs()[number]);
  if (auto kernel = dyn_cast_or_null<tile::KernelOp>(op)) {
    auto names = kernel->getAttrOfType<ArrayAttr>(resultNames);
    return names ? cast<StringAttr>(names[number]).str()
                 : kernel.getName().str();
  }
  return tensorName(tensor).str();
}

std::pair<StringAttr, int64_t> explain::partsOf(CascadeOp cascade,
                                                StringAttr step) {
  RankAttr rank = cascade.findRank(step.getValue());
  ExtentAttr extent = rank ? rank.getExtent() : ExtentAttr();
  if (!extent || extent.getRanks().size() != 1 ||
      extent.getMap().getNumResults() != 1)
    return {};
  auto parts = dyn_cast<AffineBinaryOpExpr>(extent.getMap().getResult(0));
  if (!parts || parts.getKind() != AffineExprKind::CeilDiv ||
      !isa<AffineSymbolExpr>(parts.getLHS()))
    return {};
  auto size = dyn_cast<AffineConstantExpr>(parts.getRHS());
  if (!size)
    return {};
  return {extent.getRanks()[0], size.getValue()};
}

llvm::Expected<Extents>
explain::extentsAt(CascadeOp stage, const llvm::StringMap<int64_t> &free) {
  std::vector<std::optional<ArrayRef<int64_t>>> none(stage.getInputs().size());
  return bindExtents(stage, none, free);
}

static Machine describe(const Target &target) {
  Machine machine;
  machine.target = target.name.str();
  machine.gigahertz = target.gigahertz;
  machine.bandwidth = target.gigabytes;
  machine.vectorFloats = target.vectorFloats;
  machine.vectorFlops = target.vectorFlops;
  machine.matrixFlops = target.matrixFlops;
  machine.vector = target.vectorFlops * target.gigahertz;
  machine.matrix = target.matrixFlops * target.gigahertz;
  return machine;
}

static llvm::Expected<Report> reportOf(const Stages &stages,
                                       const Options &options) {
  Report report;
  CascadeOp cascade = stages.written;
  report.name = cascade.getSymName().str();
  if (auto doc = cascade.getDoc())
    report.source = doc->str();
  auto target = findTarget(options.target);
  if (!target)
    return target.takeError();
  report.machine = describe(**target);
  auto free = chooseExtents(stages, options, report);
  if (!free)
    return free.takeError();
  auto written = extentsAt(stages.written, *free);
  auto scheduled = extentsAt(stages.scheduled, *free);
  if (!written || !scheduled)
    return joinErrors(written.takeError(), scheduled.takeError());
  nameResults(stages.derived, stages.scheduled);
  describeStatements(stages.written, report);
  describePasses(stages, report);
  describeKernels(stages.scheduled, *scheduled, report);
  mapTiles(stages.scheduled, *scheduled, report);
  if (report.maps.empty())
    mapMasks(stages.written, *written, report);
  countCosts(stages, *scheduled, *written, report);
  describeWorkspace(stages, *free, report);
  return report;
}

llvm::Expected<std::vector<Report>> explain::analyse(Program &program,
                                                     const Options &options) {
  auto derived = derive(program);
  if (!derived)
    return derived.takeError();
  auto scheduled = schedule(program, options.target);
  if (!scheduled)
    return scheduled.takeError();
  std::vector<Report> reports;
  for (CascadeOp cascade : program.module->getOps<CascadeOp>()) {
    if (options.entry.empty() ? isOfCut(cascade)
                              : cascade.getSymName() != options.entry)
      continue;
    StringRef name = cascade.getSymName();
    auto report = reportOf({cascade, (*derived)->lookupSymbol<CascadeOp>(name),
                            (*scheduled)->lookupSymbol<CascadeOp>(name),
                            options.sequence},
                           options);
    if (!report)
      return report.takeError();
    reports.push_back(std::move(*report));
  }
  if (reports.empty())
    return makeError("there is no cascade " + options.entry);
  return reports;
}
