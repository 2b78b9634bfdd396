//===- Machine.h - runs a plan on demand ------------------------*- C++ -*-===//
// A stack machine: a read of a point that has no value yet pushes a frame that
// computes it and is repeated when that is done. The stack is on the heap, as
// recurrences are as deep as their rank is long. Internal to the interpreter.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_INTERPRETER_MACHINE_H
#define ATTN_DIALECT_INTERPRETER_MACHINE_H

#include "dialect/interpreter/Plan.h"

namespace attn::interpreter {

/// The present points of a fibre of `order`.
struct KeyList {
  std::vector<ScalarValue> keys; // keyTypes.size() a point
  std::vector<int32_t> coordinates;
};

class Machine {
public:
  explicit Machine(Plan &plan) : plan(plan) {}

  /// The value of a tensor at a point of its box. `exact`: before the rounding
  /// to a declared type, where the plan keeps that.
  llvm::Expected<Register> evaluate(uint32_t tensor,
                                    llvm::ArrayRef<int64_t> point, bool exact);

private:
  /// What was found. Pending: a frame was pushed, ask again when it is done;
  /// references to frames and registers are stale then.
  enum class Outcome { Yes, No, Pending, Failed };

  /// Where a point of a tensor is defined.
  struct Place {
    Definition *definition = nullptr; ///< null: in no equation, absent
    unsigned column = 0;
    int64_t point = 0;
  };

  struct Frame {
    Frame(Definition &definition, const Program &program, Mode mode)
        : definition(&definition), program(&program), mode(mode) {}
    Definition *definition;
    const Program *program;
    Mode mode; ///< Value, or the formula that is evaluated
    uint32_t pc = 0;
    bool started = false;
    size_t base = 0; ///< first register
    int64_t point = 0;
    uint64_t unknown = 0;
    /// One more than the nearest frame at or below this one that computes a
    /// value; 0 if all are formulas.
    size_t valueFrames = 0;

    // Of a built-in reduction.
    ScalarValue accumulator{};
    bool found = false;
    int64_t position = 0; ///< of the best point so far
    std::unique_ptr<KeyList> keys;

    // Of a formula.
    Verdict *verdict = nullptr;
    size_t assumes = SIZE_MAX; ///< lowest frame it assumed to be true
    size_t firstAssumed = 0;   ///< size of `assumed` when it began
  };

  // Machine.cpp: frames and instructions. False after an error.
  bool step();
  void push(Frame frame, llvm::ArrayRef<int64_t> point);
  void pushValue(Definition &definition, int64_t point);
  void pop();
  void store(Definition &definition, int64_t point, unsigned column,
             Register value);

  // Read.cpp.
  Outcome read(const Site &site, const Register *registers, Register &result);
  Outcome read(uint32_t tensor, llvm::ArrayRef<int64_t> point, Bounds bounds,
               Place &place);
  Outcome locate(uint32_t tensor, llvm::ArrayRef<int64_t> point, Bounds bounds,
                 Place &place);
  Outcome outside(const Tensor &tensor, llvm::ArrayRef<int64_t> point);
  Outcome inProgress(const Definition &definition, int64_t point);
  Outcome cyclic(size_t frame);
  std::string describe(const Frame &frame) const;

  // Reduce.cpp: reductions and order, point by point.
  Outcome begin(Frame &frame);
  bool advance(const Frame &frame);
  void accumulate(Frame &frame, llvm::ArrayRef<uint32_t> values);
  void select(Frame &frame, ScalarValue value, int64_t coordinate);
  void finish(llvm::ArrayRef<uint32_t> values);
  void finishOrder(Frame &frame);

  // Query.cpp: presence formulas. In `unknown`, bit k is index k.
  Outcome query(const Site &site, Mode mode, const Register *registers,
                uint64_t unknown);
  Outcome query(uint32_t tensor, Mode mode, llvm::ArrayRef<int64_t> point,
                Bounds bounds, uint64_t unknown);
  Outcome query(const Place &place, Mode mode, llvm::ArrayRef<int64_t> point,
                uint64_t unknown);
  Outcome queryEquations(const Tensor &tensor, Mode mode,
                         llvm::ArrayRef<int64_t> point, Bounds bounds,
                         uint64_t unknown);
  Outcome queryFormula(Definition &definition, Mode mode,
                       llvm::ArrayRef<int64_t> point, uint64_t unknown);
  Formulas *formulasOf(Definition &definition, Mode mode, uint64_t unknown);
  Outcome assume(size_t frame);
  void finishFormula(bool holds);

  Outcome fail(const llvm::Twine &message) {
    error = message.str();
    return Outcome::Failed;
  }
  Register *registersOf(const Frame &frame) {
    return registers.data() + frame.base;
  }
  static Outcome holds(bool value) {
    return value ? Outcome::Yes : Outcome::No;
  }

  Plan &plan;
  std::vector<Frame> frames;
  std::vector<Register> registers = std::vector<Register>(1024);
  size_t top = 0; // registers in use
  /// Verdicts that hold if the formula of a frame further down does, oldest
  /// first, and which frame that is.
  std::vector<Verdict *> assumed;
  llvm::DenseMap<Verdict *, size_t> assumptions;
  std::string error;
};

} // namespace attn::interpreter
#endif // ATTN_DIALECT_INTERPRETER_MACHINE_H
