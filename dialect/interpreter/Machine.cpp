//===- Machine.cpp - runs a plan on demand ----------------------*- C++ -*-===//
#include "dialect/interpreter/Machine.h"

using namespace mlir;
using namespace attn;
using namespace attn::interpreter;

//===----------------------------------------------------------------------===//
// Frames
//===----------------------------------------------------------------------===//

void Machine::push(Frame frame, ArrayRef<int64_t> point) {
  frame.base = top;
  top += frame.program->numRegisters;
  if (top > registers.size())
    registers.resize(2 * top);
  Register *r = registersOf(frame);
  for (auto [k, coordinate] : llvm::enumerate(point))
    r[k] = Register::integer(coordinate);
  for (auto &[reg, value] : frame.program->initial)
    r[reg] = value;
  size_t below = frames.empty() ? 0 : frames.back().valueFrames;
  frame.valueFrames = frame.mode == Mode::Value ? frames.size() + 1 : below;
  frames.push_back(std::move(frame));
}

void Machine::pushValue(Definition &def, int64_t point) {
  SmallVector<int64_t, 8> coordinates;
  int64_t rest = point;
  for (int64_t stride : def.strides) {
    coordinates.push_back(rest / stride);
    rest %= stride;
  }
  int64_t entries = 1;
  if (def.kind == Definition::Order) { // a fibre of the last rank at once
    entries = def.extents.back();
    point -= coordinates.pop_back_val();
  }
  std::fill_n(&def.states[point], entries, State::InProgress);
  Frame frame(def, def.value, Mode::Value);
  frame.point = point;
  push(std::move(frame), coordinates);
}

void Machine::pop() {
  top = frames.back().base;
  frames.pop_back();
}

void Machine::store(Definition &def, int64_t point, unsigned index,
                    Register value) {
  def.states[point] = value.present ? State::Present : State::Absent;
  if (!value.present)
    return;
  Column &column = def.columns[index];
  if (column.exact)
    column.exact[point] = value.value.real;
  column.values[point] =
      column.rounding ? storeAs(column.rounding, column.isReal, value.value)
                      : value.value;
}

//===----------------------------------------------------------------------===//
// Instructions
//===----------------------------------------------------------------------===//

static Register present(std::optional<ScalarValue> value) {
  return value ? Register{*value, true} : Register::absent();
}

/// Kleene, of values of which at most the left one was evaluated lazily.
static Register kleene(Fn fn, Register a, Register b) {
  bool decides = fn == Fn::or_;
  if (a.is(decides) || b.is(decides))
    return Register::integer(decides);
  return a.present && b.present ? Register::integer(!decides)
                                : Register::absent();
}

static Register random(Fn fn, ArrayRef<uint32_t> operands, const Register *r) {
  SmallVector<ScalarValue, 8> values;
  for (uint32_t operand : operands) {
    if (!r[operand].present)
      return Register::absent();
    values.push_back(r[operand].value);
  }
  return present(evaluateFn(fn, {}, values));
}

/// Runs the top frame until it ends or another one is pushed.
bool Machine::step() {
  Frame &frame = frames.back();
  if (!frame.started)
    if (Outcome begun = begin(frame); begun != Outcome::Yes)
      return begun != Outcome::Failed;
  const Program &program = *frame.program;
  Register *r = registersOf(frame);
  const uint64_t unknown = frame.unknown;
  uint32_t pc = frame.pc;
  auto list = [&](const Instruction &i) {
    return ArrayRef<uint32_t>(program.lists).slice(i.a, i.b);
  };
  while (true) {
    const Instruction &i = program.code[pc++];
    const Register &a = r[i.a], &b = r[i.b];
    switch (i.op) {
    case Opcode::Real:
      r[i.dst] =
          a.present && b.present
              ? present(evaluateReal(Fn(i.sub), a.value.real, b.value.real))
              : Register::absent();
      break;
    case Opcode::Integer:
      r[i.dst] = a.present && b.present
                     ? present(evaluateInteger(
                           Fn(i.sub), i.imm, a.value.integer, b.value.integer))
                     : Register::absent();
      break;
    case Opcode::Random:
      r[i.dst] = random(Fn(i.sub), list(i), r);
      break;
    case Opcode::Cast:
      r[i.dst] =
          a.present
              ? Register{storeAs(program.types[i.b], i.sub, a.value), true}
              : Register::absent();
      break;
    case Opcode::Move:
      r[i.dst] = a;
      break;
    case Opcode::Absent:
      r[i.dst] = Register::absent();
      break;
    case Opcode::Set:
      r[i.dst] = Register::integer(i.imm);
      break;
    case Opcode::Truth:
      r[i.dst] = Register::integer(a.is(i.imm));
      break;
    case Opcode::NonZero:
      r[i.dst] = Register::integer(a.present && a.value.integer != 0);
      break;
    case Opcode::Kleene:
      r[i.dst] = kleene(Fn(i.sub), a, b);
      break;
    case Opcode::Read: {
      frame.pc = pc - 1; // repeated if it has to wait
      Outcome found = read(program.sites[i.a], r, r[i.dst]);
      if (found == Outcome::Pending || found == Outcome::Failed)
        return found == Outcome::Pending;
      break;
    }
    case Opcode::Query: {
      frame.pc = pc - 1;
      Outcome found = query(program.sites[i.a], Mode(i.sub), r, unknown);
      if (found == Outcome::Pending || found == Outcome::Failed)
        return found == Outcome::Pending;
      r[i.dst] = Register::integer(found == Outcome::Yes);
      break;
    }
    case Opcode::Jump:
      pc = i.target;
      break;
    case Opcode::JumpIfTrue:
      pc = a.is(true) ? i.target : pc;
      break;
    case Opcode::JumpIfNotTrue:
      pc = a.is(true) ? pc : i.target;
      break;
    case Opcode::JumpIfFalse:
      pc = a.is(false) ? i.target : pc;
      break;
    case Opcode::JumpIfPresent:
      pc = a.present ? i.target : pc;
      break;
    case Opcode::JumpIfAbsent:
      pc = a.present ? pc : i.target;
      break;
    case Opcode::JumpIfUnknown:
      pc = uint64_t(i.imm) & unknown ? i.target : pc;
      break;
    case Opcode::Call:
      if (a.value.integer)
        break;
      r[i.a] = Register::integer(1);
      r[i.b] = Register::integer(pc);
      pc = i.target;
      break;
    case Opcode::Return:
      pc = a.value.integer;
      break;
    case Opcode::Yield:
      if (frame.mode != Mode::Value) {
        finishFormula(r[program.lists[i.a]].is(true));
        return true;
      }
      if (frame.definition->kind == Definition::Map) {
        finish(list(i));
        return true;
      }
      accumulate(frame, list(i));
      if (!advance(frame)) {
        finish(list(i));
        return true;
      }
      pc = 0;
      break;
    }
  }
}

llvm::Expected<Register>
Machine::evaluate(uint32_t tensor, ArrayRef<int64_t> point, bool exact) {
  Place place;
  Outcome found;
  while ((found = read(tensor, point, Bounds::data, place)) == Outcome::Pending)
    while (!frames.empty())
      if (!step())
        return makeError(error);
  if (found == Outcome::Failed)
    return makeError(error);
  if (found == Outcome::No)
    return Register::absent();
  const Column &column = place.definition->columns[place.column];
  Register result{column.values[place.point], true};
  if (exact && column.exact)
    result.value.real = column.exact[place.point];
  return result;
}
