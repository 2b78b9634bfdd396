//===- Builder.h - short words for the code that is emitted -----*- C++ -*-===//
// An IR builder with the few operations that lowered cascades consist of: i64
// addresses over raw pointers, scf loops and branches, plain arithmetic.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_CPU_BUILDER_H
#define ATTN_PASSES_CPU_BUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace attn::cpu {

/// What the emitted code may use; one row of compiler/targets fills it.
struct CpuTarget {
  std::string name = "x86-64";
  /// Conversions between f16 and f32 are instructions (else integer code).
  bool halfInstructions = false;
  /// Floats in one vector register.
  unsigned vectorFloats = 4;
  /// Vector registers.
  unsigned vectorRegisters = 16;
  bool fma = false, avx512 = false, avx512bf16 = false, avx512vnni = false,
       amx = false;
  /// Steps are kernels of a GPU, see LowerCascade.h.
  bool gpu = false;
};

class CodeBuilder : public mlir::ImplicitLocOpBuilder {
  using Value = mlir::Value;
  using Type = mlir::Type;

public:
  CodeBuilder(mlir::Location loc, mlir::MLIRContext *ctx,
              const CpuTarget &target)
      : ImplicitLocOpBuilder(loc, ctx), target(target) {}

  const CpuTarget &target;

  Type ptrType() { return mlir::LLVM::LLVMPointerType::get(getContext()); }
  /// `element`, or a vector of it where `shape` is a vector.
  static Type like(Type shape, Type element);

  // Constants; of vectors, the same in all lanes.
  Value integer(Type type, int64_t value);
  Value real(Type type, double value);
  Value i64(int64_t value) { return integer(getI64Type(), value); }
  Value i32(int64_t value) { return integer(getI32Type(), value); }
  Value boolean(bool value) { return integer(getI1Type(), value); }
  Value constant(mlir::TypedAttr value);

  /// The scalar in every lane of a vector like `shape`.
  Value splat(Value value, Type shape);
  /// Splats the scalars among `values` if one is a vector.
  void match(llvm::MutableArrayRef<Value> values);

  // Integers and floats alike, by the operands' type; a scalar operand meets a
  // vector in every lane. Sums may be contracted with the product that feeds
  // them; `reassociate` also frees their order.
  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value addReassociated(Value a, Value b);
  Value mulReassociated(Value a, Value b);
  /// NaN wins over any number.
  Value max(Value a, Value b);
  Value min(Value a, Value b);
  Value select(Value condition, Value a, Value b);
  /// Signed or ordered comparison (`ne` of floats is unordered, as in IEEE).
  Value compare(mlir::arith::CmpIPredicate predicate, Value a, Value b);
  Value ult(Value a, Value b);
  Value isNan(Value x);

  // Bits; null stands for true.
  Value bitAnd(Value a, Value b);
  Value bitOr(Value a, Value b);
  Value bitNot(Value a);
  Value both(Value a, Value b);
  Value either(Value a, Value b);

  /// Between integer widths (signed) or float widths, lane by lane; no-op if
  /// the same.
  Value convert(Value value, Type to);

  // Memory.
  Value gep(Type element, Value base, Value index);
  Value gep(Type element, Value base, int64_t index);
  Value load(Type type, Value pointer);
  void store(Value value, Value pointer);
  /// Asks for a line that will be read once, as far as the second cache.
  void prefetch(Value pointer);

  // Control. Bodies are emitted at the insertion point the builder then has.
  using Body = llvm::function_ref<void(Value)>;
  using CarryBody =
      llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)>;
  void loop(Value low, Value high, Body body);
  llvm::SmallVector<Value> loop(Value low, Value high, mlir::ValueRange init,
                                CarryBody body);
  void ifThen(Value condition, llvm::function_ref<void()> body);
  using Branch = llvm::function_ref<llvm::SmallVector<Value>()>;
  llvm::SmallVector<Value> ifElse(Value condition, Branch yes, Branch no);

  /// A call of a C function of the runtime or of libm, declared on first use.
  Value call(llvm::StringRef callee, Type result, mlir::ValueRange arguments);

  mlir::ModuleOp module();
};

/// An intrinsic of LLVM; null result type: none.
mlir::Value intrinsic(CodeBuilder &b, llvm::StringRef name, mlir::Type result,
                      mlir::ValueRange operands);

/// A constant or one in all lanes, rounded or not.
std::optional<double> constantReal(mlir::Value value);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_BUILDER_H
