//===- Plan.cpp - a cascade compiled for the interpreter --------*- C++ -*-===//
// Kernels are transparent: their results are the tensors they return.
//===----------------------------------------------------------------------===//
#include "dialect/interpreter/Plan.h"
#include "dialect/interpreter/Emitter.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;
using namespace attn::interpreter;

namespace {

class Planner {
public:
  Planner(CascadeOp cascade, const Extents &extents)
      : cascade(cascade), environment(extents) {}

  llvm::Expected<Plan> run(bool keepExact);

private:
  void declare(Block &block);
  uint32_t declare(Value value, StringRef name);
  void resolveKernels();
  Definition &define(Definition::Kind kind, ValueRange results, bool rounded);
  void define(Operation *op);
  void defineMap(EinsumOp op, unsigned result);
  void defineReduction(EinsumOp op);
  void defineOrder(OrderOp op);
  void defineEquations(EquationsOp op);
  void defineFormula(Definition &definition, EinsumOp op, Mode mode,
                     ValueRange values);
  void emitCombination(Emitter &emitter, EinsumOp op, MonoidOp monoid);
  bool checkEquations(uint32_t tensor, SmallVectorImpl<uint32_t> &path);
  void keepExactValues(uint32_t tensor);
  void fail(const Twine &message) {
    if (environment.error.empty())
      environment.error = message.str();
  }

  CascadeOp cascade;
  Environment environment;
  Plan plan;
  SmallVector<Operation *> definitions;         // in the order of the text
  SmallVector<std::pair<Value, Value>> aliases; // kernel results
  llvm::DenseSet<uint32_t> exact;               // tensors outputs come from
};

} // namespace

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

uint32_t Planner::declare(Value value, StringRef name) {
  auto type = cast<NamedTensorType>(value.getType());
  Tensor tensor;
  tensor.name = name.str();
  tensor.element = type.getElementType();
  for (StringAttr rank : type.getRanks()) {
    tensor.ranks.push_back(rank);
    tensor.extents.push_back(environment.extents.lookup(rank));
  }
  plan.tensors.push_back(std::move(tensor));
  return environment.tensors[value] = plan.tensors.size() - 1;
}

void Planner::declare(Block &block) {
  for (Operation &op : block) {
    if (auto kernel = dyn_cast<KernelOp>(op)) {
      declare(kernel.getBody().front());
      for (auto [result, inner] :
           llvm::zip(kernel.getResults(), kernel.getReturn().getOperands()))
        aliases.push_back({result, inner});
      continue;
    }
    if (auto einsum = dyn_cast<EinsumOp>(op)) {
      for (auto [result, name] :
           llvm::zip(op.getResults(),
                     einsum.getNames().getAsValueRange<StringAttr>()))
        declare(result, name);
    } else if (auto order = dyn_cast<OrderOp>(op)) {
      declare(order.getResult(), order.getName());
    } else if (auto equations = dyn_cast<EquationsOp>(op)) {
      declare(equations.getResult(), equations.getName());
    } else {
      continue; // constants that a fold left here belong to the regions
    }
    definitions.push_back(&op);
  }
}

/// A result of a kernel is the tensor it returns, perhaps through others.
void Planner::resolveKernels() {
  for (size_t round = 0; round <= aliases.size(); ++round)
    for (auto [result, inner] : aliases)
      if (auto it = environment.tensors.find(inner);
          it != environment.tensors.end())
        environment.tensors[result] = it->second;
  for (auto [result, inner] : aliases)
    if (!environment.tensors.contains(result))
      fail("kernels return each other's results in a circle");
}

Definition &Planner::define(Definition::Kind kind, ValueRange results,
                            bool rounded) {
  Definition &def = *plan.definitions.emplace_back(new Definition);
  def.kind = kind;
  Tensor &first = plan.tensors[environment.tensors[results.front()]];
  def.name = first.name;
  def.ranks = first.ranks;
  def.extents = first.extents;
  def.strides.resize(def.extents.size());
  for (size_t k = def.extents.size(); k-- > 0;) {
    def.strides[k] = def.size;
    if (llvm::MulOverflow(def.size, def.extents[k], def.size))
      def.size = INT64_MAX / 16;
  }
  bool fits = def.size < (int64_t{1} << 40) && def.states.allocate(def.size);
  for (auto [column, result] : llvm::enumerate(results)) {
    Tensor &tensor = plan.tensors[environment.tensors[result]];
    tensor.definition = &def;
    tensor.column = column;
    Column &c = def.columns.emplace_back();
    c.isReal = isa<FloatType>(tensor.element);
    c.rounding = rounded ? tensor.element : Type();
    fits = fits && c.values.allocate(def.size);
  }
  if (!fits)
    fail(llvm::formatv("tensor {0} of {1} points does not fit in memory",
                       def.name, def.size));
  return def;
}

//===----------------------------------------------------------------------===//
// Definitions
//===----------------------------------------------------------------------===//

static YieldOp yieldOf(Region &region) {
  return cast<YieldOp>(region.front().back());
}

void Planner::define(Operation *op) {
  if (auto order = dyn_cast<OrderOp>(op))
    return defineOrder(order);
  if (auto equations = dyn_cast<EquationsOp>(op))
    return defineEquations(equations);
  auto einsum = cast<EinsumOp>(op);
  if (einsum.getMap().getNumArguments() > 64)
    return fail("an einsum has more than 64 ranks");
  if (einsum.isReduction())
    return defineReduction(einsum);
  for (unsigned i = 0; i < einsum.getNumResults(); ++i)
    defineMap(einsum, i);
}

/// The formula of an einsum: of its guard and of what it maps.
void Planner::defineFormula(Definition &def, EinsumOp op, Mode mode,
                            ValueRange values) {
  def.formulas[unsigned(mode)] =
      Emitter::emit(environment, [&](Emitter &emitter) {
        emitter.bind(op.getMap().front(), 0);
        SmallVector<size_t> no;
        uint32_t answer = emitter.constant(Register::integer(1));
        auto require = [&](Value value, Mode mode) {
          no.push_back(
              emitter.jump(Opcode::JumpIfNotTrue, emitter.demand(value, mode)));
        };
        Emitter::Scope scope(emitter);
        if (!op.getGuard().empty()) {
          emitter.bind(op.getGuard().front(), 0);
          require(yieldOf(op.getGuard()).getOperand(0), Mode::True);
        }
        for (Value value : values)
          require(value, mode);
        emitter.yield(answer);
        emitter.land(no);
        emitter.yield(emitter.constant(Register::integer(0)));
      });
}

/// A pure map, of one result: others are maps of their own.
void Planner::defineMap(EinsumOp op, unsigned result) {
  Definition &def =
      define(Definition::Map, op.getResult(result), op.getRounded());
  Value value = op.getMapYield().getOperand(result);
  def.value = Emitter::emit(environment, [&](Emitter &emitter) {
    emitter.bind(op.getMap().front(), 0);
    SmallVector<size_t> no;
    Emitter::Scope scope(emitter);
    if (!op.getGuard().empty()) {
      emitter.bind(op.getGuard().front(), 0);
      uint32_t guard = emitter.demand(yieldOf(op.getGuard()).getOperand(0));
      no.push_back(emitter.jump(Opcode::JumpIfNotTrue, guard));
    }
    emitter.yield(emitter.demand(value));
    emitter.land(no);
    emitter.yield(emitter.constant(Register::absent()));
  });
  defineFormula(def, op, Mode::Present, value);
  if (value.getType().isInteger(1))
    for (Mode mode : {Mode::True, Mode::False})
      defineFormula(def, op, mode, value);
}

void Planner::defineReduction(EinsumOp op) {
  Definition &def =
      define(Definition::Reduction, op.getResults(), op.getRounded());
  def.reduce = op.builtinReduce();
  def.valueType = op.getMapYield().getOperand(0).getType();
  for (StringAttr rank : strings(op.getReduced()))
    def.inner.push_back(environment.extents.lookup(rank));
  MonoidOp monoid;
  if (!def.reduce)
    monoid = SymbolTable::lookupNearestSymbolFrom<MonoidOp>(
        cascade, cast<FlatSymbolRefAttr>(op.getMonoidAttr()));
  def.value = Emitter::emit(environment, [&](Emitter &emitter) {
    emitter.bind(op.getMap().front(), 0);
    if (monoid)
      return emitCombination(emitter, op, monoid);
    emitter.yield(emitter.demand(op.getMapYield().getOperand(0)));
  });
  constexpr Reduce selecting[] = {Reduce::argmax, Reduce::argmin, Reduce::first,
                                  Reduce::last};
  def.isAtom = def.reduce && llvm::is_contained(selecting, *def.reduce);
  if (!op.getGuard().empty())
    defineFormula(def, op, Mode::Present, {});
  else if (!def.isAtom)
    defineFormula(def, op, Mode::Present, op.getMapYield().getOperands());
}

/// A point of a declared monoid: where all components of the map are present,
/// the state is combined with them.
void Planner::emitCombination(Emitter &emitter, EinsumOp op, MonoidOp monoid) {
  SmallVector<uint32_t> state, point, combined;
  SmallVector<size_t> skip;
  for (Attribute identity : monoid.getIdentity())
    state.push_back(emitter.constant(registerOf(identity)));
  {
    Emitter::Scope scope(emitter);
    for (Value value : op.getMapYield().getOperands()) {
      point.push_back(emitter.demand(value));
      skip.push_back(emitter.jump(Opcode::JumpIfAbsent, point.back()));
    }
    Block &block = monoid.getCombine().front();
    for (auto [i, argument] : llvm::enumerate(block.getArguments()))
      emitter.bind(argument,
                   i < state.size() ? state[i] : point[i - state.size()]);
    // In two steps: a component may be another one's old value.
    for (Value value : cast<YieldOp>(block.back()).getOperands()) {
      combined.push_back(emitter.newRegister());
      emitter.move(combined.back(), emitter.demand(value));
    }
    for (auto [to, from] : llvm::zip(state, combined))
      emitter.move(to, from);
  }
  emitter.land(skip);
  emitter.yield(state);
}

void Planner::defineOrder(OrderOp op) {
  Definition &def = define(Definition::Order, op.getResult(), false);
  def.isAtom = true;
  def.inner.push_back(environment.extents.lookup(op.getFromAttr()));
  ValueRange keys = yieldOf(op.getKeys()).getOperands();
  llvm::append_range(def.keyTypes, keys.getTypes());
  def.value = Emitter::emit(environment, [&](Emitter &emitter) {
    emitter.bind(op.getKeys().front(), 0);
    SmallVector<uint32_t> registers;
    for (Value key : keys)
      registers.push_back(emitter.demand(key));
    emitter.yield(registers);
  });
}

void Planner::defineEquations(EquationsOp op) {
  Tensor &tensor = plan.tensors[environment.tensors[op.getResult()]];
  for (auto [operand, pattern] :
       llvm::zip(op.getEquations(), op.getPatterns().getAsRange<ArrayAttr>())) {
    Equation equation;
    equation.tensor = environment.tensors.lookup(operand);
    for (Attribute index : pattern) {
      auto &constant = equation.constants.emplace_back();
      if (auto extent = dyn_cast<ExtentAttr>(index)) {
        constant = extent.evaluate(
            [&](StringAttr rank) { return environment.extents.lookup(rank); });
        ++equation.numConstants;
      }
    }
    tensor.equations.push_back(std::move(equation));
  }
}

//===----------------------------------------------------------------------===//
// The whole
//===----------------------------------------------------------------------===//

/// Equations that are each other's right sides define nothing.
bool Planner::checkEquations(uint32_t id, SmallVectorImpl<uint32_t> &path) {
  if (auto it = llvm::find(path, id); it != path.end()) {
    std::string text = "cyclic definition: ";
    for (; it != path.end(); ++it)
      text += plan.tensors[*it].name + " needs ";
    fail(text + plan.tensors[id].name);
    return false;
  }
  path.push_back(id);
  for (const Equation &equation : plan.tensors[id].equations)
    if (!checkEquations(equation.tensor, path))
      return false;
  path.pop_back();
  return true;
}

/// Outputs are compared before the rounding to their declared type.
void Planner::keepExactValues(uint32_t id) {
  if (!exact.insert(id).second)
    return;
  Tensor &tensor = plan.tensors[id];
  for (const Equation &equation : tensor.equations)
    keepExactValues(equation.tensor);
  if (!tensor.definition)
    return;
  Column &column = tensor.definition->columns[tensor.column];
  if (column.isReal && column.rounding &&
      !column.exact.allocate(tensor.definition->size))
    fail("out of memory");
}

llvm::Expected<Plan> Planner::run(bool keepExact) {
  Block &body = cascade.getBody().front();
  for (auto [argument, port] : llvm::zip(
           body.getArguments(), cascade.getInputs().getAsRange<PortAttr>()))
    declare(argument, port.getName());
  declare(body);
  resolveKernels();
  for (Value argument : body.getArguments())
    define(Definition::Input, argument, false);
  for (Operation *op : definitions)
    if (environment.error.empty())
      define(op);
  for (uint32_t id = 0; id < plan.tensors.size(); ++id)
    if (SmallVector<uint32_t> path; !checkEquations(id, path))
      break;
  if (!environment.error.empty())
    return makeError(environment.error);
  for (Value output : cascade.getReturn().getOperands()) {
    plan.outputs.push_back(environment.tensors.lookup(output));
    if (keepExact)
      keepExactValues(plan.outputs.back());
  }
  if (!environment.error.empty())
    return makeError(environment.error);
  return std::move(plan);
}

llvm::Expected<Plan> interpreter::makePlan(CascadeOp cascade,
                                           const Extents &extents,
                                           bool keepExact) {
  return Planner(cascade, extents).run(keepExact);
}
