//===- Fixture.h - cascades in short notation, interpreted ------*- C++ -*-===//
// A body is the dialect's own text with these abbreviations:
//   einsum S,T over m,n reduce sum d {   results, space, reduction and ranks;
//   order J over b,j from n {            the header and its coordinates
//   } guard m,n {
//   read %X[%m, %n] : @m,n:f64           index types are i32; @ranks:element
//                                        is a tensor type
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_DIALECT_INTERPRETER_FIXTURE_H
#define ATTN_TEST_DIALECT_INTERPRETER_FIXTURE_H

#include "dialect/interpreter/Interpreter.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "gtest/gtest.h"

namespace attn::test {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double NaN = std::numeric_limits<double>::quiet_NaN();
/// Stands for an absent point in expected values.
constexpr double absent = -12345.678;

struct Program {
  llvm::StringRef ranks;   ///< "m n j=3": free, or with an extent
  llvm::StringRef inputs;  ///< "X@n,d:f64 len@:i32"
  llvm::StringRef outputs; ///< "O L"
  llvm::StringRef body;
  llvm::StringRef relations = ""; ///< attributes
  llvm::StringRef before = "";    ///< operations beside the cascade
};

class InterpreterTest : public ::testing::Test {
protected:
  InterpreterTest();

  llvm::Expected<std::vector<Array>> interpret(const Program &program,
                                               std::vector<Array> inputs,
                                               InterpretOptions options = {});
  /// The values of all outputs, `absent` where they are.
  std::vector<std::vector<double>> values(const Program &program,
                                          std::vector<Array> inputs,
                                          InterpretOptions options = {});
  std::vector<double> value(const Program &program, std::vector<Array> inputs,
                            InterpretOptions options = {});
  std::string error(const Program &program, std::vector<Array> inputs,
                    InterpretOptions options = {});

  Array reals(llvm::ArrayRef<int64_t> shape, std::vector<double> values);
  Array vector(std::vector<double> values);
  Array integers(llvm::ArrayRef<int64_t> shape, std::vector<int64_t> values);
  Array bools(std::vector<int64_t> values);

  mlir::MLIRContext ctx;
};

/// Equal, NaN to NaN, absent to absent.
void expectValues(const std::vector<double> &actual,
                  const std::vector<double> &expected);

} // namespace attn::test
#endif // ATTN_TEST_DIALECT_INTERPRETER_FIXTURE_H
