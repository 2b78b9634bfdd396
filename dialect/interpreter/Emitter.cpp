//===- Emitter.cpp - regions to register programs ---------------*- C++ -*-===//
#include "dialect/interpreter/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace attn;
using namespace attn::interpreter;

//===----------------------------------------------------------------------===//
// Sharing
//===----------------------------------------------------------------------===//

// Emits until no value is met twice outside the reach of its first place; each
// round makes more of them subroutines, and the last emits each value once.
Program Emitter::emit(Environment &environment,
                      llvm::function_ref<void(Emitter &)> body) {
  Keys shared;
  while (true) {
    Emitter emitter(environment, shared);
    body(emitter);
    emitter.emitSubroutines();
    if (!emitter.again)
      return std::move(emitter.program);
  }
}

Emitter::Scope::~Scope() {
  while (emitter.computed.size() > mark)
    emitter.inScope.erase(emitter.computed.pop_back_val());
}

uint32_t Emitter::demand(Value value, Mode mode) {
  if (mode == Mode::Value) {
    if (auto it = arguments.find(value); it != arguments.end())
      return it->second;
    if (auto it = constants.find(value); it != constants.end())
      return it->second;
  }
  Key key(value, static_cast<unsigned>(mode));
  auto [it, isNew] = registers.try_emplace(key, 0);
  if (isNew)
    it->second = newRegister();
  uint32_t reg = it->second;
  if (inScope.contains(key))
    return reg;
  if (shared.contains(key)) {
    auto [sub, first] = subroutines.try_emplace(key);
    if (first) {
      sub->second.result = reg;
      sub->second.flag = newRegister();
      sub->second.address = newRegister();
      order.push_back(key);
    }
    sub->second.calls.push_back(program.code.size());
    append({Opcode::Call, 0, 0, sub->second.flag, sub->second.address});
  } else if (emitted.insert(key).second) {
    emitKey(key, reg);
  } else {
    shared.insert(key);
    again = true;
  }
  inScope.insert(key);
  computed.push_back(key);
  return reg;
}

void Emitter::emitSubroutines() {
  inScope.clear();
  computed.clear();
  for (size_t i = 0; i < order.size(); ++i) { // a body may call more of them
    Key key = order[i];
    Subroutine sub = subroutines[key];
    subroutines[key].entry = program.code.size();
    {
      Scope body(*this);
      emitKey(key, sub.result);
    }
    append({Opcode::Return, 0, 0, sub.address});
  }
  for (Key key : order) {
    const Subroutine &sub = subroutines[key];
    program.flags.push_back(sub.flag);
    for (size_t call : sub.calls)
      program.code[call].target = sub.entry;
  }
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void Emitter::bind(Block &block, uint32_t first) {
  for (auto [i, argument] : llvm::enumerate(block.getArguments()))
    bind(argument, first + i);
  program.numRegisters =
      std::max(program.numRegisters, first + block.getNumArguments());
}

uint32_t Emitter::constant(Register value) {
  uint32_t reg = newRegister();
  program.initial.emplace_back(reg, value);
  return reg;
}

void Emitter::yield(ArrayRef<uint32_t> registers) {
  append({Opcode::Yield, 0, 0, uint32_t(program.lists.size()),
          uint32_t(registers.size())});
  llvm::append_range(program.lists, registers);
}

size_t Emitter::jump(Opcode op, uint32_t reg, uint64_t mask) {
  append({op, 0, 0, reg, 0, 0, int64_t(mask)});
  return program.code.size() - 1;
}

void Emitter::fail(Operation *op) {
  if (environment.error.empty())
    environment.error =
        ("the interpreter does not know " + op->getName().getStringRef()).str();
}

/// The region arguments a value depends on; tensors depend on nothing.
uint64_t Emitter::depends(Value value) {
  if (auto it = arguments.find(value); it != arguments.end())
    return uint64_t{1} << it->second;
  if (auto it = dependsMemo.find(value); it != dependsMemo.end())
    return it->second;
  uint64_t mask = 0;
  if (Operation *op = value.getDefiningOp())
    for (Value operand : op->getOperands())
      if (!isa<NamedTensorType>(operand.getType()))
        mask |= depends(operand);
  return dependsMemo[value] = mask;
}

void Emitter::emitKey(Key key, uint32_t dst) {
  switch (static_cast<Mode>(key.second)) {
  case Mode::Value:
    return emitValue(key.first, dst);
  case Mode::Present:
    return emitPresence(key.first, dst);
  case Mode::True:
  case Mode::False:
    return emitTruth(key.first, static_cast<Mode>(key.second) == Mode::True,
                     dst);
  }
}

Register interpreter::registerOf(Attribute attribute) {
  if (auto real = dyn_cast<FloatAttr>(attribute)) {
    Register r{{}, true};
    r.value.real = real.getValueAsDouble();
    return r;
  }
  auto integer = cast<IntegerAttr>(attribute);
  return Register::integer(integer.getType().isInteger(1)
                               ? integer.getValue().getZExtValue()
                               : integer.getValue().getSExtValue());
}

void Emitter::emitValue(Value value, uint32_t dst) {
  Operation *def = value.getDefiningOp();
  if (!def) {
    environment.error = "a region uses an argument of another one";
    return;
  }
  llvm::TypeSwitch<Operation *>(def)
      .Case([&](arith::ConstantOp op) {
        program.initial.emplace_back(dst, registerOf(op.getValue()));
        constants[value] = dst;
      })
      .Case([&](ExtentOp op) {
        int64_t extent = environment.extents.lookup(op.getRankAttr());
        program.initial.emplace_back(dst, Register::integer(extent));
        constants[value] = dst;
      })
      .Case([&](MapOp op) { emitMap(op, dst); })
      .Case([&](CastOp op) {
        uint32_t a = demand(op.getOperand());
        append({Opcode::Cast, isa<FloatType>(op.getOperand().getType()), dst, a,
                uint32_t(program.types.size())});
        program.types.push_back(op.getType());
      })
      .Case([&](WhereOp op) {
        size_t no = jump(Opcode::JumpIfNotTrue, demand(op.getCondition()));
        {
          Scope scope(*this);
          move(dst, demand(op.getValue()));
        }
        size_t end = jump(Opcode::Jump);
        land(no);
        append({Opcode::Absent, 0, dst});
        land(end);
      })
      .Case([&](ElseOp op) {
        uint32_t first = demand(op.getValue());
        move(dst, first);
        size_t end = jump(Opcode::JumpIfPresent, first);
        {
          Scope scope(*this);
          move(dst, demand(op.getOtherwise()));
        }
        land(end);
      })
      .Case([&](ReadOp op) {
        for (Value index : op.getIndices())
          demand(index);
        append({Opcode::Read, 0, dst, makeSite(op)});
      })
      .Default([&](Operation *op) { fail(op); });
}

uint32_t Emitter::indexRegister(Value index) {
  if (auto it = arguments.find(index); it != arguments.end())
    return it->second;
  return registers.lookup(Key(index, unsigned(Mode::Value)));
}

/// The access of a read whose indices have registers.
uint32_t Emitter::makeSite(ReadOp op) {
  Site site;
  site.tensor = environment.tensors.lookup(op.getTensor());
  site.bounds = op.getBounds();
  for (Value index : op.getIndices()) {
    site.indices.push_back(indexRegister(index));
    site.depends.push_back(depends(index));
  }
  program.sites.push_back(std::move(site));
  return program.sites.size() - 1;
}

void Emitter::emitMap(MapOp op, uint32_t dst) {
  Fn fn = op.getFn();
  auto operands = op.getOperands();
  if (fn == Fn::and_ || fn == Fn::or_) {
    // Kleene, and lazy on the left: the right side is not evaluated where the
    // left one decides.
    uint32_t a = demand(operands[0]);
    move(dst, a);
    size_t end =
        jump(fn == Fn::and_ ? Opcode::JumpIfFalse : Opcode::JumpIfTrue, a);
    {
      Scope scope(*this);
      uint32_t b = demand(operands[1]);
      append({Opcode::Kleene, uint8_t(fn), dst, a, b});
    }
    land(end);
    return;
  }
  SmallVector<uint32_t> registers;
  for (Value operand : operands)
    registers.push_back(demand(operand));
  if (fn == Fn::uniform || fn == Fn::normal) {
    append({Opcode::Random, uint8_t(fn), dst, uint32_t(program.lists.size()),
            uint32_t(registers.size())});
    llvm::append_range(program.lists, registers);
    return;
  }
  Type type = operands.front().getType();
  bool isReal = isa<FloatType>(type);
  append({isReal ? Opcode::Real : Opcode::Integer, uint8_t(fn), dst,
          registers.front(), registers.back(), 0,
          isReal ? 0 : int64_t(type.getIntOrFloatBitWidth())});
}
