//===- Plan.cpp - what is stored where, and in which order ------*- C++ -*-===//
#include "passes/cpu/Plan.h"
#include "dialect/Components.h"
#include "dialect/tile/Tile.h"
#include "passes/cpu/Formats.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

/// Uses of a definition, through the results of kernels that return it.
static SmallVector<OpOperand *> usesOf(Value definition) {
  SmallVector<OpOperand *> uses;
  for (OpOperand &use : definition.getUses()) {
    auto ret = dyn_cast<ReturnOp>(use.getOwner());
    if (auto kernel = ret ? dyn_cast<KernelOp>(ret->getParentOp()) : KernelOp())
      uses.append(usesOf(kernel.getResult(use.getOperandNumber())));
    else
      uses.push_back(&use);
  }
  return uses;
}

bool cpu::runsByRows(KernelOp kernel) {
  ScheduleAttr schedule = kernel.getScheduleAttr();
  // What derivation streams, it streams in tiles.
  return schedule && !schedule.getParallel().empty() &&
         (!schedule.getStream() || !schedule.getTile());
}

/// The kernel around a definition, if it runs by rows.
static KernelOp rowsAround(Operation *op) {
  auto kernel = op->getParentOfType<KernelOp>();
  return kernel && runsByRows(kernel) ? kernel : KernelOp();
}

Plan::Plan(CascadeOp cascade, KernelFilter whole)
    : cascade(cascade), facts(cascade), whole(whole) {
  cascade.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto kernel = dyn_cast<KernelOp>(op); kernel && whole(kernel)) {
      SmallVector<Value> results;
      for (Value result : kernel.getResults())
        results.push_back(definitionOf(result));
      addUnit(kernel, results, {});
      return WalkResult::skip();
    }
    if (isa<tile::KernelOp>(op)) {
      addUnit(op, op->getResults(), {});
      return WalkResult::skip();
    }
    if (auto einsum = dyn_cast<EinsumOp>(op))
      addUnit(op, op->getResults(), strings(einsum.getSpace()));
    else if (auto order = dyn_cast<OrderOp>(op))
      addUnit(op, op->getResults(),
              ArrayRef<StringAttr>(strings(order.getSpace())).drop_back());
    else if (auto equations = dyn_cast<EquationsOp>(op))
      addCopies(equations);
    return WalkResult::advance();
  });
  addOutputs();
  connect();
  order();
  place();
}

/// An equation whose definition nobody else uses is computed in its place.
Target Plan::targetOf(Value definition) {
  SmallVector<OpOperand *> uses = usesOf(definition);
  if (uses.size() == 1)
    if (auto equations = dyn_cast<EquationsOp>(uses[0]->getOwner())) {
      auto element = [](Value v) {
        return cast<NamedTensorType>(v.getType()).getElementType();
      };
      if (element(definition) == element(equations.getResult())) {
        Target target{equations.getResult(),
                      cast<ArrayAttr>(
                          equations.getPatterns()[uses[0]->getOperandNumber()]),
                      -1};
        redirected[definition] = target;
        return target;
      }
    }
  return {definition, {}, -1};
}

void Plan::addUnit(Operation *op, ValueRange results,
                   ArrayRef<StringAttr> space) {
  Unit unit;
  unit.op = op;
  unit.rows = rowsAround(op);
  unit.space.assign(space.begin(), space.end());
  for (Value result : results)
    unit.targets.push_back(isa<KernelOp, tile::KernelOp>(op)
                               ? Target{result, {}, -1}
                               : targetOf(result));
  units.push_back(std::move(unit));
}

void Plan::addCopies(EquationsOp op) {
  for (auto [i, operand, pattern] :
       llvm::enumerate(op.getEquations(), op.getPatterns())) {
    Value definition = definitionOf(operand);
    Operation *producer = definition.getDefiningOp();
    auto kernel = producer ? producer->getParentOfType<KernelOp>() : KernelOp();
    bool inWhole =
        (kernel && whole(kernel)) || isa_and_nonnull<tile::KernelOp>(producer);
    if (producer && !isa<EquationsOp>(producer) && !inWhole &&
        targetOf(definition).pattern)
      continue;
    Unit unit;
    unit.op = op;
    unit.rows = rowsAround(op);
    unit.operand = i;
    unit.source = definition;
    unit.targets.push_back({op.getResult(), cast<ArrayAttr>(pattern), -1});
    unit.space.assign(
        cast<NamedTensorType>(operand.getType()).getRanks().begin(),
        cast<NamedTensorType>(operand.getType()).getRanks().end());
    units.push_back(std::move(unit));
  }
}

/// A definition may write to an output port itself if only the caller reads it
/// and, for `into`, if what it overwrites was read before.
bool Plan::writesStraight(Value definition, unsigned output) {
  Operation *op = definition.getDefiningOp();
  if (!op || isa<EquationsOp>(op) || usesOf(definition).size() != 1 ||
      straight.contains(definition) ||
      storedBits(cast<NamedTensorType>(definition.getType()).getElementType()) <
          8)
    return false;
  auto port = cast<PortAttr>(cascade.getOutputs()[output]);
  if (!port.getInto())
    return true;
  Value input = cascade.getBody().getArgument(
      cascade.inputIndex(port.getInto().getValue()));
  if (isa<tile::KernelOp>(op))
    return false;
  auto kernel = op->getParentOfType<KernelOp>();
  Operation *unit = kernel && whole(kernel) ? kernel.getOperation() : op;
  // A read of the same point precedes its overwrite.
  return llvm::all_of(readsOf(unit), [&](ReadOp read) {
    if (read.getTensor() != input)
      return true;
    auto einsum = dyn_cast<EinsumOp>(unit);
    return einsum && !einsum.isReduction() &&
           ValueRange(read.getIndices()) ==
               ValueRange(read->getBlock()->getArguments());
  });
}

void Plan::addOutputs() {
  for (auto [i, operand] : llvm::enumerate(cascade.getReturn().getOperands())) {
    Value definition = definitionOf(operand);
    if (writesStraight(definition, i)) {
      straight[definition] = i;
      for (Unit &unit : units)
        for (Target &target : unit.targets)
          if (target.tensor == definition)
            target.output = i;
      continue;
    }
    Unit unit;
    unit.op = cascade.getReturn();
    unit.operand = i;
    unit.source = definition;
    unit.targets.push_back({{}, {}, int64_t(i)});
    ArrayRef<StringAttr> ranks =
        cast<NamedTensorType>(operand.getType()).getRanks();
    unit.space.assign(ranks.begin(), ranks.end());
    units.push_back(std::move(unit));
  }
}

Value Plan::storedTensor(Value tensor) const {
  Value definition = definitionOf(tensor);
  auto it = redirected.find(definition);
  return it == redirected.end() ? definition : it->second.tensor;
}

const Placement &Plan::placement(Value tensor) const {
  auto it = placements.find(storedTensor(tensor));
  assert(it != placements.end() && "tensor has no storage");
  return it->second;
}

bool Plan::isPacked(const Unit &unit) const {
  CascadeOp owner = cascade;
  return llvm::any_of(unit.targets, [&](const Target &target) {
    return target.output >= 0 &&
           storedBits(cast<NamedTensorType>(
                          owner.getReturn().getOperand(target.output).getType())
                          .getElementType()) < 8;
  });
}

SmallVector<Value> Plan::tensorsRead(const Unit &unit) const {
  if (unit.isCopy())
    return {storedTensor(unit.source)};
  llvm::SetVector<Value> tensors;
  for (ReadOp read : readsOf(unit.op)) {
    Value definition = definitionOf(read.getTensor());
    Operation *op = definition.getDefiningOp();
    if (isa<KernelOp>(unit.op) && op && unit.op->isProperAncestor(op))
      continue;
    tensors.insert(storedTensor(definition));
  }
  unit.op->walk([&](tile::LoadOp load) {
    tensors.insert(storedTensor(load.getTensor()));
  });
  return tensors.takeVector();
}

void Plan::connect() {
  for (auto [i, unit] : llvm::enumerate(units))
    for (const Target &target : unit.targets)
      if (target.tensor)
        writers[target.tensor].push_back(i);
  llvm::DenseMap<Value, SmallVector<unsigned>> readers;
  for (auto [i, unit] : llvm::enumerate(units))
    for (Value tensor : tensorsRead(unit)) {
      readers[tensor].push_back(i);
      if (auto it = writers.find(tensor); it != writers.end())
        unit.dependencies.append(it->second);
    }
  // What overwrites an input comes after all that read it.
  for (auto [i, unit] : llvm::enumerate(units))
    for (const Target &target : unit.targets) {
      if (target.output < 0)
        continue;
      auto port = cast<PortAttr>(cascade.getOutputs()[target.output]);
      if (!port.getInto())
        continue;
      Value input = cascade.getBody().getArgument(
          cascade.inputIndex(port.getInto().getValue()));
      for (unsigned reader : readers.lookup(input))
        if (reader != i)
          unit.dependencies.push_back(reader);
    }
}

void cpu::orderComponents(const std::vector<Unit> &units,
                          std::vector<Step> &steps) {
  auto needs = [&](unsigned i) -> ArrayRef<unsigned> {
    return units[i].dependencies;
  };
  for (SmallVector<unsigned> &members : componentsOf(units.size(), needs)) {
    Step &step = steps.emplace_back();
    step.recurrent =
        members.size() > 1 || llvm::is_contained(needs(members[0]), members[0]);
    step.units = std::move(members);
  }
}

void Plan::order() {
  // A kernel by rows is one node, its first unit.
  llvm::DenseMap<KernelOp, SmallVector<unsigned>> kernels;
  for (auto [i, unit] : llvm::enumerate(units))
    if (unit.rows)
      kernels[unit.rows].push_back(i);
  if (kernels.empty())
    return orderComponents(units, steps);
  auto nodeOf = [&](unsigned i) {
    return units[i].rows ? kernels[units[i].rows].front() : i;
  };
  std::vector<Unit> nodes(units.size());
  for (auto [i, unit] : llvm::enumerate(units))
    for (unsigned dependency : unit.dependencies)
      if (!unit.rows || nodeOf(dependency) != nodeOf(i))
        nodes[nodeOf(i)].dependencies.push_back(nodeOf(dependency));
  std::vector<Step> all;
  orderComponents(nodes, all);
  for (Step &step : all) {
    unsigned first = step.units.front();
    KernelOp rows = units[first].rows;
    if (rows && nodeOf(first) != first)
      continue;
    if (rows) {
      assert(!step.recurrent && "a kernel needs itself");
      step.rows = rows;
      step.units = kernels[rows];
      orderRows(step);
    }
    steps.push_back(std::move(step));
  }
}

/// The units of a kernel among themselves.
void Plan::orderRows(Step &step) {
  std::vector<Unit> nodes(step.units.size());
  for (auto [i, u] : llvm::enumerate(step.units))
    for (unsigned dependency : units[u].dependencies)
      if (units[dependency].rows == step.rows)
        nodes[i].dependencies.push_back(llvm::find(step.units, dependency) -
                                        step.units.begin());
  orderComponents(nodes, step.inner);
  for (Step &inner : step.inner)
    for (unsigned &u : inner.units)
      u = step.units[u];
}

/// True if units of one kernel by rows alone write and read it.
bool Plan::staysInRows(Value tensor) const {
  KernelOp rows;
  for (const Unit &unit : units) {
    bool writes = llvm::any_of(unit.targets, [&](const Target &target) {
      return target.tensor == tensor;
    });
    if (!writes && !llvm::is_contained(tensorsRead(unit), tensor))
      continue;
    if (!unit.rows || (rows && unit.rows != rows))
      return false;
    rows = unit.rows;
  }
  return true;
}

SmallVector<Value> Plan::rowTensors(KernelOp kernel) const {
  llvm::SetVector<Value> tensors;
  for (const Unit &unit : units)
    if (unit.rows == kernel)
      for (const Target &target : unit.targets)
        if (target.tensor && target.output < 0 &&
            placement(target.tensor).kind == Placement::Rows)
          tensors.insert(target.tensor);
  return tensors.takeVector();
}

unsigned Plan::takeSlot(Value tensor, unsigned bytes, size_t first,
                        size_t last) {
  auto shape = [&](Value v) {
    return cast<NamedTensorType>(v.getType()).getRanks();
  };
  bool plain = !tensor.getDefiningOp<EquationsOp>();
  for (auto [i, slot] : llvm::enumerate(slots))
    if (plain && busyUntil[i] < first && slot.elementBytes == bytes &&
        !slot.tensor.getDefiningOp<EquationsOp>() &&
        shape(slot.tensor) == shape(tensor)) {
      busyUntil[i] = last;
      return i;
    }
  slots.push_back({tensor, bytes, {}});
  busyUntil.push_back(last);
  return slots.size() - 1;
}

void Plan::place() {
  for (auto [i, argument] : llvm::enumerate(cascade.getBody().getArguments())) {
    Placement p;
    p.kind = Placement::Input;
    p.port = i;
    p.element = cast<NamedTensorType>(argument.getType()).getElementType();
    placements[argument] = p;
  }
  // First and last step of each tensor.
  llvm::MapVector<Value, std::pair<size_t, size_t>> life;
  for (auto [s, step] : llvm::enumerate(steps))
    for (unsigned u : step.units) {
      for (const Target &target : units[u].targets)
        if (target.tensor && target.output < 0)
          life.try_emplace(target.tensor, s, s).first->second.second = s;
      for (Value tensor : tensorsRead(units[u]))
        if (auto it = life.find(tensor); it != life.end())
          it->second.second = s;
    }
  for (auto [definition, output] : straight) {
    Placement p;
    p.kind = Placement::Output;
    p.port = output;
    p.element = cast<NamedTensorType>(definition.getType()).getElementType();
    placements[definition] = p;
  }
  for (auto &[tensor, range] : life) {
    Placement p;
    p.element = facts.storedElement(tensor);
    p.equations = tensor.getDefiningOp<EquationsOp>();
    if (storedBits(p.element) < 8) // unpacked: units may write neighbours
      p.element = IntegerType::get(tensor.getContext(), 8);
    if (staysInRows(tensor)) {
      p.kind = Placement::Rows;
      p.presenceSlot = facts.mayBeAbsent(tensor) ? 0 : -1;
      placements[tensor] = p;
      continue;
    }
    p.slot =
        takeSlot(tensor, storedBits(p.element) / 8, range.first, range.second);
    if (facts.mayBeAbsent(tensor))
      p.presenceSlot = takeSlot(tensor, 1, range.first, range.second);
    placements[tensor] = p;
  }
}
