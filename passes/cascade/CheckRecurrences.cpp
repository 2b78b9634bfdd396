//===- CheckRecurrences.cpp - recurrences are well founded ------*- C++ -*-===//
#include "dialect/PrintExpr.h"
#include "passes/Passes.h"
#include "passes/cascade/Dependences.h"
#include "passes/cascade/Recurrence.h"
#include <numeric>

namespace attn {
#define GEN_PASS_DEF_ATTNCHECKRECURRENCES
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

//===----------------------------------------------------------------------===//
// Diagnostics
//===----------------------------------------------------------------------===//

/// `H is read at t-1 and t+1 in one cycle`.
static bool reportDirections(Recurrence &recurrence) {
  for (auto rank : recurrence.cascade.getRanks().getAsRange<RankAttr>()) {
    RecurrenceEdge *back = nullptr, *forward = nullptr;
    for (RecurrenceEdge &edge : recurrence.edges) {
      auto form =
          edge.read ? recurrence.lag(edge, rank.getName()) : std::nullopt;
      if (!form ||
          edge.read.getTensor().getType().rankIndex(rank.getName()) < 0)
        continue;
      bool isSame = back && back->source == edge.source;
      if (recurrence.isAtLeast(edge, *form, 1, 1) && !back)
        back = &edge;
      else if (recurrence.isAtLeast(edge, *form, -1, 1) && (!forward || isSame))
        forward = &edge;
    }
    if (!back || !forward)
      continue;
    auto indexOf = [&](RecurrenceEdge *edge) {
      ReadOp read = edge->read;
      int64_t i = read.getTensor().getType().rankIndex(rank.getName());
      return printExpr(read.getIndices()[i], /*dense=*/true);
    };
    ReadOp read = forward->read;
    StringRef name = tensorName(back->read.getTensor());
    InFlightDiagnostic error = read.emitError() << name << " is read at "
                                                << indexOf(back) << " and ";
    if (back->source != forward->source)
      error << tensorName(read.getTensor()) << " at ";
    error << indexOf(forward) << " in one cycle";
    error.attachNote() << "hint: split it into two tensors";
    return true;
  }
  return false;
}

/// A definition with its own coordinates: `S[b,m,n]`.
static std::string printDefinition(Operation *op) {
  Value tensor = op->getResult(0);
  std::string text = tensorName(tensor).str();
  auto ranks = cast<NamedTensorType>(tensor.getType()).getRanks();
  if (ranks.empty())
    return text;
  return text + "[" +
         llvm::join(
             llvm::map_range(ranks, [](StringAttr r) { return r.getValue(); }),
             ",") +
         "]";
}

/// Edges that no rank carries; all, if each is carried.
static SmallVector<unsigned> uncarried(const Recurrence &recurrence) {
  SmallVector<unsigned> same;
  for (auto [i, edge] : llvm::enumerate(recurrence.edges)) {
    bool isCarried = false;
    for (auto rank :
         CascadeOp(recurrence.cascade).getRanks().getAsRange<RankAttr>())
      if (auto form = recurrence.lag(edge, rank.getName()))
        isCarried |= form->getConstant() && *form->getConstant() != 0;
    if (!isCarried)
      same.push_back(i);
  }
  if (recurrence.cyclesOf(recurrence.members, same).empty()) {
    same.assign(recurrence.edges.size(), 0);
    std::iota(same.begin(), same.end(), 0);
  }
  return same;
}

static bool isVisible(Operation *op) {
  return !isSubexpression(tensorName(op->getResult(0)));
}

/// Why a cycle is not well founded: a shortest one of reads that no rank
/// carries, from the first named member.
static void report(Recurrence &recurrence) {
  if (reportDirections(recurrence))
    return;
  SmallVector<unsigned> same = uncarried(recurrence);
  auto cycles = recurrence.cyclesOf(recurrence.members, same);
  ArrayRef<Operation *> cycle = cycles.front();
  auto first = llvm::find_if(cycle, isVisible);
  Operation *start = first == cycle.end() ? cycle.front() : *first;
  llvm::DenseMap<Operation *, const RecurrenceEdge *> reachedBy;
  SmallVector<Operation *> queue{start};
  for (size_t next = 0; next < queue.size() && !reachedBy.count(start); ++next)
    for (unsigned i : same) {
      const RecurrenceEdge &edge = recurrence.edges[i];
      if (edge.reader == queue[next] &&
          llvm::is_contained(cycle, edge.source) &&
          reachedBy.try_emplace(edge.source, &edge).second)
        queue.push_back(edge.source);
    }
  SmallVector<std::string> path;
  Operation *at = start;
  do {
    const RecurrenceEdge *edge = reachedBy[at];
    if (isVisible(at))
      path.push_back(edge->read ? printAccess(edge->read)
                                : printDefinition(at));
    at = edge->reader;
  } while (at != start);
  InFlightDiagnostic error = start->emitError()
                             << "cyclic definition: " << printDefinition(start);
  StringRef last;
  for (const std::string &text : llvm::reverse(path)) {
    if (text != last)
      error << " needs " << text;
    last = text;
  }
  error.attachNote() << "hint: a recurrence needs an earlier step";
}

/// Every step that is read has an equation.
static LogicalResult checkBases(Recurrence &recurrence) {
  bool failedAny = false;
  for (const RecurrenceEdge &edge : recurrence.edges) {
    ReadOp read = edge.read;
    if (!read || read.getBounds() != Bounds::inside)
      continue;
    BoundsProver &prover = recurrence.proverOf(read);
    IterationSpace &space = prover.getSpace();
    NamedTensorType type = read.getTensor().getType();
    for (auto [i, index] : llvm::enumerate(read.getIndices())) {
      if (!isStep(read, i))
        continue;
      auto point = prover.findLeaving(read, i);
      if (!point)
        continue;
      StringAttr rank = type.getRanks()[i];
      AffineForm extent = space.extentOf(rank);
      int64_t value = evaluate(space.formOf(index), *point);
      int64_t end = evaluate(extent, *point);
      std::string step = std::to_string(value);
      if (!extent.getConstant() && value >= end)
        step = "|" + rank.str() + "|" +
               (value > end ? "+" + std::to_string(value - end) : "");
      StringRef name = tensorName(read.getTensor());
      InFlightDiagnostic error =
          read.emitError() << name << " is read at " << rank.getValue() << " = "
                           << step << " and has no equation there";
      SmallVector<std::string> indices;
      for (auto [j, other] : llvm::enumerate(type.getRanks()))
        indices.push_back(i == j ? step : other.str());
      error.attachNote() << "hint: add `" << name << "["
                         << llvm::join(indices, ",")
                         << "] = 0`, or the input state";
      failedAny = true;
      break;
    }
  }
  return failure(failedAny);
}

//===----------------------------------------------------------------------===//
// Guarded states
//===----------------------------------------------------------------------===//

/// Does the presence of `value` need that of a read of `tensor` itself?
static ReadOp requiredRead(Value value, Value tensor,
                           llvm::DenseSet<Value> &seen) {
  Operation *op = value.getDefiningOp();
  if (!op || isa<ElseOp>(op) || !seen.insert(value).second)
    return {};
  if (auto read = dyn_cast<ReadOp>(op); read && read.getTensor() == tensor)
    return read;
  for (Value operand : op->getOperands())
    if (!isa<NamedTensorType>(operand.getType()))
      if (ReadOp read = requiredRead(operand, tensor, seen))
        return read;
  return {};
}

static bool dependsOn(Value value, Value argument,
                      llvm::DenseSet<Value> &seen) {
  if (value == argument)
    return true;
  Operation *op = value.getDefiningOp();
  return op && seen.insert(value).second &&
         llvm::any_of(op->getOperands(), [&](Value operand) {
           return dependsOn(operand, argument, seen);
         });
}

static void warnGuarded(const Recurrence &recurrence,
                        const Recurrence::Orders &orders) {
  for (const RecurrenceEdge &edge : recurrence.edges) {
    // An equation of a tensor, or a tensor without other equations.
    auto einsum = dyn_cast<EinsumOp>(edge.read ? edge.reader : edge.source);
    Value tensor = edge.reader->getResult(0);
    if (!einsum || einsum.getNumResults() != 1 || einsum.isReduction() ||
        (edge.read && edge.reader != edge.source))
      continue;
    auto where = einsum.getMapYield().getOperand(0).getDefiningOp<WhereOp>();
    llvm::DenseSet<Value> seen;
    ReadOp read =
        where ? requiredRead(where.getValue(), tensor, seen) : ReadOp();
    auto order = orders.find(einsum);
    if (!read || order == orders.end())
      continue;
    for (auto &[rank, sign] : order->second) {
      Value coordinate = einsum.coordinate(rank);
      // `last` reads the state where it stopped.
      bool isStop = llvm::any_of(recurrence.members, [&](Operation *op) {
        return llvm::any_of(op->getResult(0).getUsers(), [&](Operation *user) {
          auto reader = user->getParentOfType<EinsumOp>();
          return reader && reader.builtinReduce() == Reduce::last &&
                 cast<StringAttr>(reader.getReduced()[0]) == rank;
        });
      });
      seen.clear();
      if (!coordinate || isStop ||
          !dependsOn(where.getCondition(), coordinate, seen))
        continue;
      InFlightDiagnostic warning =
          where.emitWarning()
          << tensorName(tensor) << " stays absent from the first step where `"
          << printExpr(where.getCondition()) << "` is false";
      warning.attachNote() << "hint: identity step: `else " << printAccess(read)
                           << "`; a stop: read it with `last`";
      break;
    }
  }
}

LogicalResult attn::markRecurrences(CascadeOp cascade, bool diagnose) {
  Dependences dependences(cascade);
  Builder b(cascade.getContext());
  bool failedAny = false;
  for (auto [number, members] : llvm::enumerate(dependences.getCycles())) {
    Recurrence recurrence(cascade, members);
    auto orders = recurrence.findOrder();
    if (!orders) {
      if (diagnose)
        report(recurrence);
      failedAny = true;
      continue;
    }
    if (diagnose) {
      failedAny |= failed(checkBases(recurrence));
      warnGuarded(recurrence, *orders);
    }
    for (Operation *op : members) {
      SmallVector<Attribute> iterate;
      for (auto &[rank, sign] : (*orders)[op])
        iterate.push_back(b.getArrayAttr({rank, b.getI64IntegerAttr(sign)}));
      op->setAttr("attn.iterate", b.getArrayAttr(iterate));
      op->setAttr("attn.scc", b.getI64IntegerAttr(number));
    }
  }
  return failure(failedAny && diagnose);
}

namespace {
struct CheckRecurrences
    : attn::impl::AttnCheckRecurrencesBase<CheckRecurrences> {
  void runOnOperation() override {
    if (failed(markRecurrences(getOperation(), /*diagnose=*/true)))
      signalPassFailure();
  }
};
} // namespace
