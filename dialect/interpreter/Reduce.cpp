//===- Reduce.cpp - reductions and order, point by point --------*- C++ -*-===//
// Points are combined in row-major order of the reduced ranks.
//===----------------------------------------------------------------------===//
#include "dialect/interpreter/Emitter.h"
#include "dialect/interpreter/Machine.h"

using namespace mlir;
using namespace attn;
using namespace attn::interpreter;

static void clearFlags(const Program &program, Register *registers) {
  for (uint32_t flag : program.flags)
    registers[flag] = Register::integer(0);
}

/// Yes: run the program. No: there is nothing to run, the frame is finished.
Machine::Outcome Machine::begin(Frame &frame) {
  Definition &def = *frame.definition;
  Register *r = registersOf(frame);
  clearFlags(*frame.program, r);
  if (frame.mode != Mode::Value || def.kind == Definition::Map) {
    frame.started = true;
    return Outcome::Yes;
  }
  size_t outer = def.ranks.size() - (def.kind == Definition::Order);
  if (def.formulas[unsigned(Mode::Present)]) {
    SmallVector<int64_t, 8> point;
    for (size_t k = 0; k < outer; ++k)
      point.push_back(r[k].value.integer);
    Outcome exists = queryFormula(def, Mode::Present, point, 0);
    if (exists == Outcome::No) {
      store(def, frame.point, 0, Register::absent());
      pop();
    }
    if (exists != Outcome::Yes)
      return exists;
  }
  frame.started = true;
  for (size_t k = 0; k < def.inner.size(); ++k)
    r[outer + k] = Register::integer(0);
  if (def.kind == Definition::Order)
    frame.keys = std::make_unique<KeyList>();
  else if (def.reduce)
    if (TypedAttr identity = identityOf(*def.reduce, def.valueType))
      frame.accumulator = registerOf(identity).value;
  if (!llvm::is_contained(def.inner, 0))
    return Outcome::Yes;
  for (const Instruction &i : def.value.code) // the state of a monoid
    if (i.op == Opcode::Yield) {
      finish(ArrayRef<uint32_t>(def.value.lists).slice(i.a, i.b));
      break;
    }
  return Outcome::No;
}

/// Moves to the next point of the inner ranks.
bool Machine::advance(const Frame &frame) {
  const Definition &def = *frame.definition;
  Register *r = registersOf(frame);
  clearFlags(*frame.program, r);
  size_t outer = def.ranks.size() - (def.kind == Definition::Order);
  for (size_t k = def.inner.size(); k-- > 0;) {
    if (++r[outer + k].value.integer < def.inner[k])
      return true;
    r[outer + k].value.integer = 0;
  }
  return false;
}

void Machine::accumulate(Frame &frame, ArrayRef<uint32_t> values) {
  const Definition &def = *frame.definition;
  const Register *r = registersOf(frame);
  bool isOrder = def.kind == Definition::Order;
  if (!isOrder && !def.reduce)
    return; // a declared monoid: the program has combined it
  for (uint32_t value : values)
    if (!r[value].present)
      return;
  if (isOrder) {
    for (uint32_t value : values)
      frame.keys->keys.push_back(r[value].value);
    frame.keys->coordinates.push_back(r[def.ranks.size() - 1].value.integer);
    return;
  }
  ScalarValue value = r[values.front()].value;
  ScalarValue &state = frame.accumulator;
  if (*def.reduce == Reduce::count) {
    ++state.integer;
  } else if (auto combiner = combinerOf(*def.reduce)) {
    state =
        isa<FloatType>(def.valueType)
            ? *evaluateReal(*combiner, state.real, value.real)
            : *evaluateInteger(*combiner, def.valueType.getIntOrFloatBitWidth(),
                               state.integer, value.integer);
    return;
  } else {
    select(frame, value, r[def.ranks.size()].value.integer);
  }
  frame.found = true;
}

/// argmax, argmin, first, last: the first NaN wins, else the lowest coordinate
/// among equals. argmax and argmin keep the best value in the accumulator.
void Machine::select(Frame &frame, ScalarValue value, int64_t coordinate) {
  const Definition &def = *frame.definition;
  Reduce kind = *def.reduce;
  ScalarValue &best = frame.accumulator;
  bool better = !frame.found || kind == Reduce::last;
  if (kind == Reduce::argmax || kind == Reduce::argmin) {
    bool down = kind == Reduce::argmin;
    if (isa<FloatType>(def.valueType)) {
      double a = best.real, b = value.real;
      better |= !std::isnan(a) && (std::isnan(b) || (down ? b < a : b > a));
    } else {
      better |=
          down ? value.integer < best.integer : value.integer > best.integer;
    }
  }
  if (!better)
    return;
  best = value;
  frame.position = coordinate;
}

/// Stores the result of the top frame.
void Machine::finish(ArrayRef<uint32_t> values) {
  Frame &frame = frames.back();
  Definition &def = *frame.definition;
  const Register *r = registersOf(frame);
  if (def.kind == Definition::Order) {
    finishOrder(frame);
  } else if (def.kind == Definition::Map || !def.reduce) {
    bool all = llvm::all_of(values, [&](uint32_t v) { return r[v].present; });
    for (auto [column, value] : llvm::enumerate(values))
      store(def, frame.point, column, all ? r[value] : Register::absent());
  } else if (*def.reduce == Reduce::argmax || *def.reduce == Reduce::argmin) {
    store(def, frame.point, 0,
          frame.found ? Register::integer(frame.position) : Register::absent());
  } else {
    store(def, frame.point, 0, {frame.accumulator, !def.isAtom || frame.found});
  }
  pop();
}

/// NaN first, then ascending; equal keys leave the order to the next key.
static int compareKeys(Type type, ScalarValue a, ScalarValue b) {
  if (!isa<FloatType>(type))
    return (a.integer > b.integer) - (a.integer < b.integer);
  if (std::isnan(a.real) || std::isnan(b.real))
    return int(std::isnan(b.real)) - int(std::isnan(a.real));
  return (a.real > b.real) - (a.real < b.real);
}

void Machine::finishOrder(Frame &frame) {
  Definition &def = *frame.definition;
  const KeyList &list = *frame.keys;
  std::vector<size_t> permutation(list.coordinates.size());
  std::iota(permutation.begin(), permutation.end(), 0);
  size_t width = def.keyTypes.size();
  llvm::sort(permutation, [&](size_t x, size_t y) {
    for (size_t k = 0; k < width; ++k)
      if (int order = compareKeys(def.keyTypes[k], list.keys[x * width + k],
                                  list.keys[y * width + k]))
        return order < 0;
    return x < y; // points were met in the order of their coordinates
  });
  for (int64_t j = 0, count = def.extents.back(); j < count; ++j)
    store(def, frame.point + j, 0,
          j < int64_t(permutation.size())
              ? Register::integer(list.coordinates[permutation[j]])
              : Register::absent());
}
