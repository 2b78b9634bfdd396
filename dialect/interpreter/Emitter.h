//===- Emitter.h - regions to register programs -----------------*- C++ -*-===//
// Emits the demand on a region's values: what is lazy in the language (where,
// else, and, or) becomes a jump. A value that several branches need, none of
// which runs before the others, becomes a subroutine that runs at most once.
// Internal to the interpreter.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_INTERPRETER_EMITTER_H
#define ATTN_DIALECT_INTERPRETER_EMITTER_H

#include "dialect/interpreter/Extents.h"
#include "dialect/interpreter/Program.h"
#include "llvm/ADT/DenseSet.h"
#include <functional>

namespace attn::interpreter {

/// What regions refer to from outside.
struct Environment {
  explicit Environment(const Extents &extents) : extents(extents) {}
  const Extents &extents;
  llvm::DenseMap<mlir::Value, uint32_t> tensors;
  std::string error; ///< the first thing that cannot be compiled
};

/// The value of a constant.
Register registerOf(mlir::Attribute constant);

class Emitter {
public:
  using Key = std::pair<mlir::Value, unsigned>; // a value and a Mode
  using Keys = llvm::DenseSet<Key>;

  /// Compiles what `body` demands.
  static Program emit(Environment &environment,
                      llvm::function_ref<void(Emitter &)> body);

  /// Block arguments are registers `first`, `first` + 1, ...
  void bind(mlir::Block &block, uint32_t first);
  void bind(mlir::Value argument, uint32_t reg) { arguments[argument] = reg; }
  uint32_t newRegister() { return program.numRegisters++; }
  uint32_t constant(Register value);

  /// The register of `value`, or of an answer about it, at this place.
  uint32_t demand(mlir::Value value, Mode mode = Mode::Value);
  void append(Instruction instruction) { program.code.push_back(instruction); }
  void move(uint32_t dst, uint32_t src) { append({Opcode::Move, 0, dst, src}); }
  void yield(llvm::ArrayRef<uint32_t> registers);
  /// A jump to be patched: to the place where land() is called.
  size_t jump(Opcode op, uint32_t reg = 0, uint64_t mask = 0);
  void land(size_t jump) { program.code[jump].target = program.code.size(); }
  void land(llvm::ArrayRef<size_t> jumps) {
    for (size_t j : jumps)
      land(j);
  }

  /// Code emitted in its lifetime may be jumped over: what it computes is not
  /// to be relied on afterwards.
  class Scope {
  public:
    explicit Scope(Emitter &emitter)
        : emitter(emitter), mark(emitter.computed.size()) {}
    ~Scope();
    Scope(const Scope &) = delete;

  private:
    Emitter &emitter;
    size_t mark;
  };

private:
  Emitter(Environment &environment, Keys &shared)
      : environment(environment), shared(shared) {}

  uint64_t depends(mlir::Value value);
  void fail(mlir::Operation *op);
  void emitSubroutines();
  void emitKey(Key key, uint32_t dst);
  void emitValue(mlir::Value value, uint32_t dst);
  void emitMap(MapOp op, uint32_t dst);
  uint32_t indexRegister(mlir::Value index);
  uint32_t makeSite(ReadOp op);

  // Presence.cpp: the presence formula and the truth of conditions.
  using Part = std::function<uint32_t()>;
  void emitAll(llvm::ArrayRef<Part> parts, uint32_t dst);
  void emitAny(llvm::ArrayRef<Part> parts, uint32_t dst);
  void emitPresence(mlir::Value value, uint32_t dst);
  void emitTruth(mlir::Value value, bool wanted, uint32_t dst);
  void emitAtom(mlir::Value value, Instruction test, uint32_t dst);
  void emitQuery(ReadOp op, Mode mode, uint32_t dst);
  Part part(mlir::Value value, Mode mode) {
    return [=, this] { return demand(value, mode); };
  }

  struct Subroutine {
    uint32_t result = 0, flag = 0, address = 0, entry = 0;
    llvm::SmallVector<size_t> calls;
  };

  Environment &environment;
  Keys &shared;       // values that need a subroutine, as far as is known
  bool again = false; // one more was found: this program is not complete
  Program program;
  llvm::DenseMap<mlir::Value, uint32_t> arguments, constants;
  llvm::DenseMap<mlir::Value, uint64_t> dependsMemo;
  llvm::DenseMap<Key, uint32_t> registers;
  llvm::DenseMap<Key, Subroutine> subroutines;
  llvm::SmallVector<Key> order; // of subroutines, as they were first called
  Keys emitted, inScope;
  llvm::SmallVector<Key> computed; // what is in scope, oldest first
};

} // namespace attn::interpreter
#endif // ATTN_DIALECT_INTERPRETER_EMITTER_H
