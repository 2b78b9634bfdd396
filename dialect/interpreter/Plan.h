//===- Plan.h - a cascade compiled for the interpreter ----------*- C++ -*-===//
// Tensors, their definitions with dense memos, and the programs that fill
// them. Internal to the interpreter.
//===----------------------------------------------------------------------===//
#ifndef ATTN_DIALECT_INTERPRETER_PLAN_H
#define ATTN_DIALECT_INTERPRETER_PLAN_H

#include "dialect/interpreter/Extents.h"
#include "dialect/interpreter/Program.h"
#include <cstdlib>
#include <memory>

namespace attn::interpreter {

/// Zeroed memory that costs nothing until it is touched.
template <typename T> class Zeroed {
public:
  /// False if there is not enough memory.
  bool allocate(int64_t count) {
    data.reset(
        static_cast<T *>(std::calloc(std::max<int64_t>(count, 1), sizeof(T))));
    return data != nullptr;
  }
  explicit operator bool() const { return data != nullptr; }
  T &operator[](int64_t i) const { return data.get()[i]; }

private:
  struct Free {
    void operator()(T *p) const { std::free(p); }
  };
  std::unique_ptr<T[], Free> data;
};

/// The memo of a point: a tensor's value there.
enum class State : uint8_t { Unknown, InProgress, Absent, Present };

/// The memo of a presence formula. Assumed: true as long as a formula further
/// up, which was assumed to be true, does not turn out false.
enum class Verdict : uint8_t { Unknown, InProgress, False, True, Assumed };

/// Answers of one formula where the coordinates in `unknown` are unknown.
struct Formulas {
  Mode mode;
  uint64_t unknown;
  llvm::SmallVector<int64_t, 6> strides; // 0 for unknown coordinates
  Zeroed<Verdict> verdicts;
};

/// One result of a definition.
struct Column {
  bool isReal;
  mlir::Type rounding; ///< the declared type it is rounded to, or null
  Zeroed<ScalarValue> values;
  Zeroed<double> exact; ///< before rounding, where an output wants it
};

/// An input or what fills a tensor: one region.
struct Definition {
  enum Kind { Input, Map, Reduction, Order } kind;
  std::string name;
  llvm::SmallVector<mlir::StringAttr, 6> ranks; ///< of the space
  llvm::SmallVector<int64_t, 6> extents, strides;
  int64_t size = 1;
  /// Of the reduced ranks, or of the rank that `order` runs over.
  llvm::SmallVector<int64_t, 3> inner;
  std::optional<Reduce> reduce; ///< none of a Reduction: a declared monoid
  mlir::Type valueType;         ///< of what a built-in reduction combines
  llvm::SmallVector<mlir::Type, 2> keyTypes;

  /// argmax, argmin, first, last, order: present where some point is.
  bool isAtom = false;

  Program value;
  /// Formula programs by mode. Of a reduction, Present says whether the fibre
  /// exists; none: it always does. No True, False: the truth is an atom.
  std::optional<Program> formulas[4];

  Zeroed<State> states;
  std::vector<Column> columns;
  std::vector<std::unique_ptr<Formulas>> answers;
};

/// An equation of a tensor: constant indices by rank, and its right side.
struct Equation {
  uint32_t tensor;
  llvm::SmallVector<std::optional<int64_t>, 6> constants;
  unsigned numConstants = 0;
};

struct Tensor {
  std::string name;
  llvm::SmallVector<mlir::StringAttr, 6> ranks;
  llvm::SmallVector<int64_t, 6> extents;
  mlir::Type element;
  /// One column of a definition, or (no definition) equations.
  Definition *definition = nullptr;
  unsigned column = 0;
  std::vector<Equation> equations;
};

struct Plan {
  std::vector<std::unique_ptr<Definition>> definitions;
  std::vector<Tensor> tensors; ///< the inputs first, in order
  llvm::SmallVector<uint32_t> outputs;
};

/// Compiles `cascade` for `extents`. `keepExact`: outputs keep the values
/// before the rounding to their declared type.
llvm::Expected<Plan> makePlan(CascadeOp cascade, const Extents &extents,
                              bool keepExact);

} // namespace attn::interpreter
#endif // ATTN_DIALECT_INTERPRETER_PLAN_H
