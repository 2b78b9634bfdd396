//===- Program.h - register programs of regions -----------------*- C++ -*-===//
// What a region is compiled to, once: a flat list of instructions over
// registers that hold possibly absent scalars. Internal to the interpreter.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_INTERPRETER_PROGRAM_H
#define ATTN_DIALECT_INTERPRETER_PROGRAM_H

#include "dialect/Functions.h"

namespace attn::interpreter {

/// A scalar; absent is a third kind of value. i1 is an integer 0 or 1.
struct Register {
  ScalarValue value;
  bool present;

  static Register integer(int64_t value) {
    Register r{{}, true};
    r.value.integer = value;
    return r;
  }
  static Register absent() { return {{}, false}; }
  /// Present, and a bool equal to `wanted`.
  bool is(bool wanted) const {
    return present && (value.integer != 0) == wanted;
  }
};

/// What is asked about a value: itself, or a part of its presence formula
/// (Presence.cpp).
enum class Mode : uint8_t { Value, Present, True, False };

enum class Opcode : uint8_t {
  Real,    ///< dst = fn(a, b) of reals
  Integer, ///< dst = fn(a, b) of integers of `imm` bits
  Random,  ///< dst = fn(list of registers at a, b of them)
  Cast,    ///< dst = a to types[b]; sub: a is real
  Move,    ///< dst = a
  Absent,  ///< dst = absent
  Set,     ///< dst = integer imm
  Truth,   ///< dst = a is present and equals bool imm
  NonZero, ///< dst = a is present and not 0
  Kleene,  ///< dst = a and b, a or b (sub: Fn)
  Read,    ///< dst = the tensor of site a at its indices
  Query,   ///< dst = whether `sub` (Mode) holds of site a at its indices
  Jump,
  JumpIfTrue, ///< if a is present and true
  JumpIfNotTrue,
  JumpIfFalse, ///< if a is present and false
  JumpIfPresent,
  JumpIfAbsent,
  JumpIfUnknown, ///< if an argument in mask imm has no known value
  Call,          ///< unless flag a is set: set it, b = return address, jump
  Return,        ///< jump to the address in a
  Yield,         ///< the region's values: list at a, b of them
};

struct Instruction {
  Opcode op;
  uint8_t sub = 0;
  uint32_t dst = 0, a = 0, b = 0;
  uint32_t target = 0;
  int64_t imm = 0;
};

/// An access: tensor, index registers, and by index the region arguments it
/// depends on (as a mask).
struct Site {
  uint32_t tensor;
  Bounds bounds;
  llvm::SmallVector<uint32_t, 6> indices;
  llvm::SmallVector<uint64_t, 6> depends;
};

/// Registers 0, 1, ... are the region's arguments.
struct Program {
  std::vector<Instruction> code;
  std::vector<uint32_t> lists;
  std::vector<Site> sites;
  std::vector<mlir::Type> types;
  /// Constants, and identities of a monoid's state: set once a frame.
  std::vector<std::pair<uint32_t, Register>> initial;
  /// Cleared before each run: which subroutines have run.
  std::vector<uint32_t> flags;
  uint32_t numRegisters = 0;
};

} // namespace attn::interpreter
#endif // ATTN_DIALECT_INTERPRETER_PROGRAM_H
