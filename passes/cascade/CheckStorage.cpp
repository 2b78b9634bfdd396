//===- CheckStorage.cpp - check that into and cut are legal -----*- C++ -*-===//
// `O into X` (LANGUAGE section 12): the store of O at a point must come after
// every read of X at that point. Definitions that O needs may read X where the
// overwriting point of O itself needs them; definitions that O does not need
// run before the store; definitions that need O come after it.
#include "dialect/PrintExpr.h"
#include "passes/Passes.h"
#include "passes/cascade/Dependences.h"
#include "passes/cascade/Mergeable.h"
#include "llvm/ADT/DenseSet.h"

namespace attn {
#define GEN_PASS_DEF_ATTNCHECKSTORAGE
#include "passes/Passes.h.inc"
} // namespace attn

using namespace mlir;
using namespace attn;

namespace {
/// How a coordinate of a needed definition relates to the point of the output
/// that needs it.
struct Origin {
  enum { Same, All, Other } kind = Other;
  StringAttr rank; // of Same
  bool operator==(const Origin &o) const {
    return kind == o.kind && rank == o.rank;
  }
};
using Origins = SmallVector<Origin>;

class IntoChecker {
public:
  IntoChecker(const Dependences &dependences, PortAttr port, Value output,
              BlockArgument input)
      : dependences(dependences), port(port), output(output), input(input) {}

  LogicalResult check();

private:
  void collect(Operation *definition, const Origins &origins);
  void visitRead(ReadOp read, const Origins &origins);
  Origins originsOf(ReadOp read, const Origins &origins);
  LogicalResult report(Operation *at, ReadOp read, StringRef where);

  const Dependences &dependences;
  PortAttr port;
  Value output;
  BlockArgument input;
  /// Definitions that the output needs, with every relation met.
  llvm::DenseMap<Operation *, SmallVector<Origins>> needed;
  /// Reads of the input there: legal by some relation?
  llvm::MapVector<Operation *, bool> reads;
};
} // namespace

static ArrayRef<StringAttr> ranksOf(Value tensor) {
  return cast<NamedTensorType>(tensor.getType()).getRanks();
}

LogicalResult IntoChecker::report(Operation *at, ReadOp read, StringRef where) {
  InFlightDiagnostic error =
      at->emitError() << port.getName().getValue() << " into "
                      << port.getInto().getValue() << ": "
                      << (read ? printAccess(read) : tensorName(input).str())
                      << " is read after its overwrite";
  if (!where.empty())
    error << " at " << where;
  error.attachNote() << "hint: drop `into`, or change the order";
  return error;
}

Origins IntoChecker::originsOf(ReadOp read, const Origins &origins) {
  Operation *reader = definitionOf(read);
  bool isStep = dependences.cycleOf(read.getTensor()) >= 0;
  Origins result;
  for (Value index : read.getIndices()) {
    Origin origin;
    if (auto argument = dyn_cast<BlockArgument>(index)) {
      // Beyond the result's coordinates come the reduced ones.
      bool isReduced = argument.getArgNumber() >= origins.size() ||
                       (isa<OrderOp>(reader) &&
                        argument.getArgNumber() + 1 == origins.size());
      origin = isReduced ? Origin{Origin::All, {}}
                         : origins[argument.getArgNumber()];
    } else if (isStep) {
      origin.kind = Origin::All; // the last state has seen every step
    }
    result.push_back(origin);
  }
  return result;
}

/// The points of the output that overwrite what is read are exactly known: the
/// read is before the store if that point of the output needs this one.
void IntoChecker::visitRead(ReadOp read, const Origins &origins) {
  bool isLegal = true;
  for (auto [i, origin] : llvm::enumerate(origins)) {
    if (origin.kind == Origin::All)
      continue;
    int64_t position =
        origin.kind == Origin::Same
            ? cast<NamedTensorType>(input.getType()).rankIndex(origin.rank)
            : -1;
    auto argument = position < 0
                        ? BlockArgument()
                        : dyn_cast<BlockArgument>(read.getIndices()[position]);
    isLegal &= argument && argument.getArgNumber() == i &&
               argument.getOwner()->getParentOp() == definitionOf(read);
  }
  reads[read] |= isLegal;
}

void IntoChecker::collect(Operation *definition, const Origins &origins) {
  auto &seen = needed[definition];
  if (llvm::is_contained(seen, origins) || seen.size() > 16)
    return;
  seen.push_back(origins);
  if (auto equations = dyn_cast<EquationsOp>(definition)) {
    for (auto [operand, pattern] :
         llvm::zip(equations.getEquations(), equations.getPatterns())) {
      Origins plain;
      for (auto [i, index] : llvm::enumerate(cast<ArrayAttr>(pattern)))
        if (isa<StringAttr>(index))
          plain.push_back(origins[i]);
      if (operand == input) {
        bool isLegal =
            llvm::all_of(llvm::zip(plain, ranksOf(input)), [](auto pair) {
              auto &[origin, rank] = pair;
              return origin.kind == Origin::All ||
                     (origin.kind == Origin::Same && origin.rank == rank);
            });
        reads[equations] |= isLegal;
      } else if (Operation *source = operand.getDefiningOp()) {
        collect(source, plain);
      }
    }
    return;
  }
  definition->walk([&](ReadOp read) {
    if (read.getTensor() == input)
      visitRead(read, origins);
    else if (Operation *source = read.getTensor().getDefiningOp())
      collect(source, originsOf(read, origins));
  });
}

LogicalResult IntoChecker::check() {
  Operation *definition = output.getDefiningOp();
  if (!definition)
    return success();
  Origins own;
  for (StringAttr rank : ranksOf(output))
    own.push_back({Origin::Same, rank});
  collect(definition, own);
  bool isOk = true;
  for (auto &[op, isLegal] : reads) {
    if (isLegal)
      continue;
    auto read = dyn_cast<ReadOp>(op);
    std::string where;
    if (read)
      for (auto [rank, index] : llvm::zip(ranksOf(input), read.getIndices()))
        if (auto argument = dyn_cast<BlockArgument>(index);
            where.empty() &&
            (!argument || coordinateName(argument) != rank.getValue()))
          where = printExpr(index, /*dense=*/true);
    isOk &= succeeded(report(op, read, where));
  }
  // Definitions that need the output run after it.
  for (Operation *user : input.getUsers()) {
    Operation *reader = definitionOf(user);
    if (!reader || needed.contains(reader))
      continue;
    llvm::DenseSet<Operation *> seen;
    SmallVector<Operation *> stack{reader};
    while (!stack.empty() && !seen.contains(definition)) {
      Operation *at = stack.pop_back_val();
      forEachUseOfTensor(at, [&](OpOperand &use) {
        Operation *source = use.get().getDefiningOp();
        if (source && seen.insert(source).second)
          stack.push_back(source);
      });
    }
    if (seen.contains(definition))
      isOk &= succeeded(report(user, dyn_cast<ReadOp>(user), ""));
  }
  return success(isOk);
}

static LogicalResult checkCut(CascadeOp cascade, StringAttr rank) {
  bool isOk = true;
  for (auto [value, port] :
       llvm::zip(cascade.getReturn().getOperands(),
                 cascade.getOutputs().getAsRange<PortAttr>())) {
    std::string reason = whyNotMergeable(cascade, value, rank);
    if (reason.empty())
      continue;
    Operation *at = value.getDefiningOp() ? value.getDefiningOp() : cascade;
    at->emitError() << "cut " << rank.getValue() << ": "
                    << port.getName().getValue() << " has no merge along "
                    << rank.getValue() << " (" << reason << ")";
    isOk = false;
  }
  return success(isOk);
}

namespace {
struct CheckStorage : attn::impl::AttnCheckStorageBase<CheckStorage> {
  void runOnOperation() override {
    CascadeOp cascade = getOperation();
    Dependences dependences(cascade);
    llvm::DenseMap<StringAttr, StringAttr> shared;
    for (auto [value, attribute] :
         llvm::zip(cascade.getReturn().getOperands(),
                   cascade.getOutputs().getAsRange<PortAttr>())) {
      PortAttr port = attribute;
      if (!port.getInto())
        continue;
      auto [it, isNew] = shared.try_emplace(port.getInto(), port.getName());
      if (!isNew) {
        cascade.emitError()
            << it->second.getValue() << " and " << port.getName().getValue()
            << " share the storage of " << port.getInto().getValue();
        signalPassFailure();
      }
      BlockArgument input =
          cascade.getBody().getArgument(cascade.inputIndex(port.getInto()));
      if (failed(IntoChecker(dependences, port, value, input).check()))
        signalPassFailure();
    }
    if (StringAttr rank = cascade.getCutAttr())
      if (failed(checkCut(cascade, rank)))
        signalPassFailure();
  }
};
} // namespace
