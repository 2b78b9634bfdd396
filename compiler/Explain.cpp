//===- Explain.cpp - attnc explain ------------------------------*- C++ -*-===//
// How a program is computed: passes over each rank as written and as derived,
// kernels, and what is kept in memory between them.
//===----------------------------------------------------------------------===//
#include "compiler/Backend.h"
#include "compiler/SourceDiagnostics.h"
#include "mlir/IR/AsmState.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace attn;

namespace {

std::string join(ArrayRef<StringAttr> names, StringRef separator) {
  std::string text;
  for (StringAttr name : names)
    text += (text.empty() ? "" : separator.str()) + name.str();
  return text;
}

/// How many traversals of one rank's fibres a tensor needs: one more for each
/// reduction over the rank that must be complete before the rank is read again.
class PassCount {
public:
  /// `ranks` are the rank and the tiles it was partitioned into.
  explicit PassCount(ArrayRef<StringAttr> ranks) : ranks(ranks) {}

  unsigned of(Value tensor) {
    Operation *op = tensor.getDefiningOp();
    if (!op)
      return 0;
    auto [it, isNew] = known.try_emplace(op, 0);
    if (!isNew)
      return it->second; // a step of a recurrence counts as an earlier one
    unsigned before = 0;
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (isa<NamedTensorType>(operand.getType()) &&
            !op->isProperAncestor(operand.getParentBlock()->getParentOp()) &&
            operand.getDefiningOp() != op &&
            operand.getParentBlock()->getParentOp() != op)
          before = std::max(before, of(operand));
    });
    return known[op] = before + traverses(op);
  }

private:
  bool traverses(Operation *op) {
    auto has = [&](ArrayAttr names) {
      return llvm::any_of(strings(names), [&](StringAttr name) {
        return llvm::is_contained(ranks, name);
      });
    };
    if (auto einsum = dyn_cast<EinsumOp>(op))
      return has(einsum.getReduced());
    if (auto order = dyn_cast<OrderOp>(op))
      return llvm::is_contained(ranks, order.getFromAttr());
    // All reductions of a kernel share one traversal of what it streams.
    auto kernel = dyn_cast<KernelOp>(op);
    bool any = kernel && kernel.getScheduleAttr() &&
               llvm::is_contained(ranks, kernel.getScheduleAttr().getStream());
    return any;
  }

  ArrayRef<StringAttr> ranks;
  llvm::DenseMap<Operation *, unsigned> known;
};

unsigned passes(CascadeOp cascade, ArrayRef<StringAttr> ranks) {
  PassCount count(ranks);
  unsigned most = 0;
  for (Value output : cascade.getReturn().getOutputs())
    most = std::max(most, count.of(output));
  return most;
}

/// `rank` and what only the derived cascade divides it into.
SmallVector<StringAttr> withTiles(CascadeOp derived, CascadeOp written,
                                  StringAttr rank) {
  SmallVector<StringAttr> ranks = {rank};
  for (auto other : derived.getRanks().getAsRange<RankAttr>())
    if (!written.findRank(other.getName().getValue()) && other.getExtent() &&
        llvm::is_contained(other.getExtent().getRanks(), rank))
      ranks.push_back(other.getName());
  return ranks;
}

void explainPasses(CascadeOp written, CascadeOp derived) {
  for (auto rank : written.getRanks().getAsRange<RankAttr>()) {
    unsigned before = passes(written, rank.getName());
    if (before < 2)
      continue;
    unsigned after =
        passes(derived, withTiles(derived, written, rank.getName()));
    llvm::outs() << "  " << rank.getName().getValue() << ": " << before
                 << " passes as written, " << after << " as derived\n";
  }
}

std::string tensorText(Value tensor, StringRef name) {
  auto type = cast<NamedTensorType>(tensor.getType());
  std::string text = name.str() + "[" + join(type.getRanks(), ",") + "] ";
  llvm::raw_string_ostream(text) << type.getElementType();
  return text;
}

std::string nameOf(Value tensor) {
  Operation *op = tensor.getDefiningOp();
  unsigned number = cast<OpResult>(tensor).getResultNumber();
  if (auto einsum = dyn_cast<EinsumOp>(op))
    return strings(einsum.getNames())[number].str();
  if (auto equations = dyn_cast<EquationsOp>(op))
    return equations.getName().str();
  if (auto order = dyn_cast<OrderOp>(op))
    return order.getName().str();
  return nameOf(cast<KernelOp>(op).getReturn().getOutputs()[number]);
}

void explainKernels(CascadeOp derived) {
  auto outputs = derived.getReturn().getOutputs();
  unsigned number = 0;
  for (Operation &op : derived.getBody().front()) {
    auto kernel = dyn_cast<KernelOp>(op);
    if (kernel) {
      llvm::outs() << "  kernel " << ++number << ":";
      if (ScheduleAttr schedule = kernel.getScheduleAttr()) {
        llvm::outs() << " a row is " << join(schedule.getParallel(), " ");
        if (schedule.getStream())
          llvm::outs() << ", streams " << schedule.getStream().getValue();
        for (NamedAttribute tile : schedule.getTile())
          llvm::outs() << ", " << tile.getName().getValue() << " = "
                       << cast<IntegerAttr>(tile.getValue()).getInt();
      }
      llvm::outs() << "\n";
    }
    for (Value result : op.getResults())
      llvm::outs() << (kernel ? "    " : "  ")
                   << (llvm::is_contained(outputs, result) ? "output "
                       : isa<EquationsOp>(op)              ? "recurrence "
                                                           : "kept ")
                   << tensorText(result, nameOf(result)) << "\n";
  }
}

} // namespace

int attn::explainCommand(const Options &options) {
  if (!options.html.empty()) {
    llvm::errs() << "attnc: --html: not in this version\n";
    return ExitUsage;
  }
  std::unique_ptr<Program> program = loadFile(options);
  if (!program)
    return ExitBadInput;
  SourceDiagnostics handler(*program->context, program->sources, llvm::errs());
  auto derived = derive(*program);
  if (!derived) {
    llvm::errs() << "attnc: " << toString(derived.takeError()) << "\n";
    return ExitBadInput;
  }
  for (auto [written, cascade] : llvm::zip(program->module->getOps<CascadeOp>(),
                                           (*derived)->getOps<CascadeOp>())) {
    llvm::outs() << "cascade " << cascade.getSymName() << "\n";
    explainPasses(written, cascade);
    explainKernels(cascade);
  }
  return ExitOk;
}
