//===- FunctionsTest.cpp - code of functions against their meaning -*- C++ -*-//
// Every row of dialect/Functions.def, compiled, against evaluateFn; every
// storage type, stored and loaded, against roundTo, saturateTo and wrapTo.
//===----------------------------------------------------------------------===//
#include "dialect/Functions.h"
#include "Harness.h"
#include "compiler/ElementTypes.h"
#include "mlir/AsmParser/AsmParser.h"
#include "llvm/Support/FormatVariadic.h"

using namespace attn;
using namespace attn::test;

namespace {

/// Functions that may be absent where their operands are not.
bool mayBeAbsent(Fn fn) { return fn == Fn::floordiv || fn == Fn::mod; }

/// `Y[n] = fn(X, ...)` with `arity` inputs of `element`; an absent point of Y
/// is told by the second output P, if there can be one.
std::string cascadeOf(const FnInfo &row, llvm::StringRef name, int arity,
                      llvm::StringRef element, llvm::StringRef scalar,
                      llvm::StringRef result, llvm::StringRef resultScalar) {
  std::string inputs, arguments, reads, names, types;
  for (int i = 0; i < arity; ++i) {
    std::string x = "x" + std::to_string(i), comma = i ? ", " : "";
    inputs += comma + "#attn.port<\"" + x + "\">";
    arguments +=
        comma + "%" + x + ": !attn.tensor<[\"n\"], " + element.str() + ">";
    reads += llvm::formatv("    %v{0} = attn.read %{1}[%n : i32] : "
                           "!attn.tensor<[\"n\"], {2}>\n",
                           i, x, element);
    names += comma + "%v" + std::to_string(i);
    types += comma + scalar.str();
  }
  std::string presence;
  if (mayBeAbsent(row.fn))
    presence = llvm::formatv(R"(  %P = attn.einsum ["P"] over ["n"] {{
  ^bb0(%n: i32):
    %y = attn.read %Y[%n : i32] : !attn.tensor<["n"], {0}>
    %any = attn.map eq(%y, %y) : {1}, {1}
    %false = arith.constant false
    %p = attn.else %any, %false : i1
    attn.yield %p : i1
  } : !attn.tensor<["n"], i1>
  attn.return %Y, %P : !attn.tensor<["n"], {0}>, !attn.tensor<["n"], i1>)",
                             result, resultScalar);
  else
    presence =
        llvm::formatv("  attn.return %Y : !attn.tensor<[\"n\"], {0}>", result);
  return llvm::formatv(
      R"(attn.cascade @{0} attributes {{ranks = [#attn.rank<"n">],
  relations = [], inputs = [{1}], outputs = [#attn.port<"Y">{9}]} {{
^bb0({2}):
  %Y = attn.einsum ["Y"] over ["n"] {{
  ^bb0(%n: i32):
{3}    %y = attn.map {4}({5}) : {6}
    attn.yield %y : {8}
  } : !attn.tensor<["n"], {7}>
{10}
}
)",
      name, inputs, arguments, reads, stringifyFn(row.fn), names, types, result,
      resultScalar, mayBeAbsent(row.fn) ? ", #attn.port<\"P\">" : "", presence);
}

const double specialReals[] = {
    0.0,  -0.0, 1.0,   -1.0, 0.5,  2.0,      -2.5,      3.5,          1e-3,
    -7.0, 30.0, -30.0, 1e5,  -1e5, INFINITY, -INFINITY, std::nan(""), 0.75};
const int64_t specialIntegers[] = {0,  1,  -1, 2,         3,         -3, 7,
                                   16, 31, 33, INT32_MIN, INT32_MAX, -8, 100};

template <typename T, typename List>
std::vector<std::vector<T>> operands(const List &list, int arity) {
  std::vector<std::vector<T>> columns(arity);
  if (arity == 1) {
    columns[0].assign(std::begin(list), std::end(list));
    return columns;
  }
  for (auto x : list)
    for (auto y : list) {
      columns[0].push_back(T(x));
      columns[1].push_back(T(y));
      for (int i = 2; i < arity; ++i)
        columns[i].push_back(T(x) + T(i));
    }
  return columns;
}

struct FunctionCase {
  const FnInfo *row;
  std::string name, element, result, resultScalar;
  int arity;
};

class Functions : public testing::Test {
protected:
  void add(Fn fn, llvm::StringRef element, llvm::StringRef scalar, int arity) {
    mlir::MLIRContext context;
    context.loadDialect<AttnDialect>();
    mlir::Type type = mlir::parseType(scalar, &context);
    std::string why;
    mlir::Type result =
        inferFnType(fn, llvm::SmallVector<mlir::Type>(arity, type), why);
    if (!result)
      return;
    std::string resultScalar;
    llvm::raw_string_ostream(resultScalar) << result;
    std::string stored =
        result.isF64() && element == "f32" ? "f32" : resultScalar;
    FunctionCase c{
        &info(fn),
        (stringifyFn(fn) + "_" + element).str() + std::to_string(arity),
        element.str(),
        stored,
        resultScalar,
        arity};
    text +=
        cascadeOf(*c.row, c.name, arity, element, scalar, stored, resultScalar);
    cases.push_back(c);
  }
  std::string text;
  std::vector<FunctionCase> cases;
};

double realAt(const Tensor &t, llvm::StringRef type, size_t i) {
  return type == "f64" ? t.data<double>()[i] : t.data<float>()[i];
}

} // namespace

TEST_F(Functions, MatchTheTable) {
  for (unsigned f = 0; f <= unsigned(Fn::real); ++f) {
    Fn fn = Fn(f);
    int arity = info(fn).arity;
    for (llvm::StringRef element : {"f64", "f32", "i32", "i64", "i1"})
      for (int n :
           arity < 0 ? std::vector<int>{1, 2, 6} : std::vector<int>{arity})
        add(fn, element, element == "f32" ? "f64" : element, n);
  }
  Compiled compiled(text);
  ASSERT_TRUE(compiled.jit);
  mlir::MLIRContext context;
  for (const FunctionCase &c : cases) {
    SCOPED_TRACE(c.name);
    bool real = c.element[0] == 'f';
    mlir::Type type = mlir::parseType(real ? "f64" : c.element, &context);
    std::vector<Tensor> inputs;
    std::vector<std::vector<ScalarValue>> points;
    auto push = [&](auto columns, auto make) {
      for (auto &column : columns) {
        points.resize(column.size());
        for (size_t i = 0; i < column.size(); ++i) {
          ScalarValue v;
          if (real)
            v.real = column[i];
          else
            v.integer = column[i];
          points[i].push_back(v);
        }
        inputs.push_back(make({int64_t(column.size())}, column));
      }
    };
    if (c.element == "f64")
      push(operands<double>(specialReals, c.arity), Tensor::f64);
    else if (c.element == "f32")
      push(operands<float>(specialReals, c.arity), Tensor::f32);
    else if (c.element == "i32")
      push(operands<int32_t>(specialIntegers, c.arity), Tensor::i32);
    else if (c.element == "i64")
      push(operands<int64_t>(specialIntegers, c.arity), Tensor::i64);
    else
      push(operands<uint8_t>(std::array<int, 2>{0, 1}, c.arity),
           Tensor::boolean);
    int64_t count = points.size();
    size_t bytes = c.result == "f64" || c.result == "i64" ? 8
                   : c.result == "i1"                     ? 1
                                                          : 4;
    auto [code, bits, lanes] = dataTypeOf(mlir::parseType(c.result, &context));
    Tensor Y = Tensor::raw({count}, code, bits,
                           std::vector<unsigned char>(count * bytes, 0x55));
    Tensor P = Tensor::raw({count}, ATTN_DTYPE_BOOL, 8,
                           std::vector<unsigned char>(count, 0x55));
    std::vector<Tensor *> tensors;
    for (Tensor &input : inputs)
      tensors.push_back(&input);
    tensors.push_back(&Y);
    if (mayBeAbsent(c.row->fn))
      tensors.push_back(&P);
    ASSERT_EQ(compiled.run(c.name, tensors), 0);
    for (int64_t i = 0; i < count; ++i) {
      auto want = evaluateFn(c.row->fn, type, points[i]);
      std::string where = "point " + std::to_string(i);
      for (ScalarValue v : points[i])
        where += real ? " " + std::to_string(v.real)
                      : " " + std::to_string(v.integer);
      ASSERT_EQ(P.bytes[i] != 0, want.has_value()) << where;
      if (!want)
        continue;
      if (c.resultScalar == "f64") {
        bool narrow = c.result == "f32";
        double got = realAt(Y, c.result, i);
        double expected = narrow ? float(want->real) : want->real;
        if (std::isnan(expected) || std::isinf(expected))
          EXPECT_TRUE(std::isnan(expected) ? std::isnan(got) : got == expected)
              << where << ": " << got << " for " << expected;
        else
          EXPECT_NEAR(got, expected,
                      std::abs(expected) * (narrow ? 1e-5 : 1e-13) +
                          (narrow ? 1e-6 : 1e-300))
              << where;
      } else {
        int64_t got = c.result == "i64"   ? Y.data<int64_t>()[i]
                      : c.result == "i32" ? Y.data<int32_t>()[i]
                                          : Y.bytes[i];
        EXPECT_EQ(got, want->integer) << where;
      }
    }
  }
}

TEST_F(Functions, LogarithmsToTwoUlps) {
  const Fn functions[] = {Fn::log, Fn::log2, Fn::log1p};
  for (Fn fn : functions)
    add(fn, "f32", "f64", 1);
  Compiled compiled(text);
  ASSERT_TRUE(compiled.jit);
  // All magnitudes, then the neighbourhood of 0 and of 1.
  std::vector<float> points;
  for (double x = 1e-44; x < 3e38; x *= 1.01)
    points.push_back(x);
  for (double x = 1; x > 1e-9; x *= 0.99) {
    points.push_back(-x);
    points.push_back(1 - x);
    points.push_back(1 + x);
  }
  int64_t count = points.size();
  for (auto [fn, c] : llvm::zip(functions, cases)) {
    Tensor X = Tensor::f32({count}, points);
    Tensor Y = Tensor::f32({count}, std::vector<float>(count, -1));
    ASSERT_EQ(compiled.run(c.name, {&X, &Y}), 0);
    for (int64_t i = 0; i < count; ++i) {
      double x = points[i], got = Y.data<float>()[i];
      double want = fn == Fn::log    ? std::log(x)
                    : fn == Fn::log2 ? std::log2(x)
                                     : std::log1p(x);
      if (std::isnan(want) || std::isinf(want))
        EXPECT_TRUE(std::isnan(want) ? std::isnan(got) : got == want)
            << c.name << " " << x << ": " << got;
      else
        EXPECT_NEAR(got, want, std::abs(want) * 2.4e-7 + 1e-44)
            << c.name << " " << x;
    }
  }
}

//===----------------------------------------------------------------------===//
// Storage
//===----------------------------------------------------------------------===//

namespace {

struct StorageType {
  const char *type;
  bool real;
};
const StorageType storageTypes[] = {
    {"f64", true},      {"f32", true},    {"f16", true},  {"bf16", true},
    {"f8E4M3FN", true}, {"f8E5M2", true}, {"i64", false}, {"i32", false},
    {"i8", false},      {"ui8", false},   {"i4", false},  {"i1", false}};

/// `Y = cast(X)` from f64 to a port of type `t`, and `Z` reads such a port.
std::string storeAndLoad(const StorageType &t) {
  std::string scalar = t.real                             ? "f64"
                       : llvm::StringRef(t.type) == "i64" ? "i64"
                       : llvm::StringRef(t.type) == "i1"  ? "i1"
                                                          : "i32";
  std::string wide = t.real ? "f64" : scalar == "i1" ? "i1" : scalar;
  return llvm::formatv(R"(attn.cascade @store_{0} attributes {{
  ranks = [#attn.rank<"n">], relations = [],
  inputs = [#attn.port<"X">], outputs = [#attn.port<"Y">]} {{
^bb0(%X: !attn.tensor<["n"], f64>):
  %Y = attn.einsum ["Y"] over ["n"] {{
  ^bb0(%n: i32):
    %x = attn.read %X[%n : i32] : !attn.tensor<["n"], f64>
    %y = attn.cast %x to {0} : f64 -> {1}
    attn.yield %y : {1}
  } {{rounded} : !attn.tensor<["n"], {0}>
  attn.return %Y : !attn.tensor<["n"], {0}>
}
attn.cascade @load_{0} attributes {{
  ranks = [#attn.rank<"n">], relations = [],
  inputs = [#attn.port<"X">], outputs = [#attn.port<"Y">]} {{
^bb0(%X: !attn.tensor<["n"], {0}>):
  %Y = attn.einsum ["Y"] over ["n"] {{
  ^bb0(%n: i32):
    %x = attn.read %X[%n : i32] : !attn.tensor<["n"], {0}>
    attn.yield %x : {1}
  } : !attn.tensor<["n"], {2}>
  attn.return %Y : !attn.tensor<["n"], {2}>
}
)",
                       t.type, scalar, wide);
}

std::vector<double> castInputs() {
  std::vector<double> values = {0,
                                -0.0,
                                1,
                                -1,
                                1.5,
                                2.5,
                                -2.5,
                                127.4,
                                127.5,
                                128.5,
                                -128.9,
                                255.5,
                                256,
                                -0.9,
                                7.9,
                                -8.9,
                                448,
                                464,
                                465,
                                57344,
                                61440,
                                65504,
                                65519,
                                65520,
                                1e9,
                                -1e9,
                                3e9,
                                1e19,
                                -1e19,
                                1e40,
                                1e-5,
                                6e-8,
                                2.9e-8,
                                3e-8,
                                1e-40,
                                1e-310,
                                0.0009765625,
                                0.00146484375,
                                1.00390625,
                                1.01171875,
                                INFINITY,
                                -INFINITY,
                                std::nan("")};
  for (float x : noise(200, 11))
    for (double scale : {1e-7, 1e-3, 1.0, 300.0, 70000.0})
      values.push_back(x * scale * (1 + 1e-12 * x));
  return values;
}

/// Element `i` of a port, as the number it stands for.
double stored(const Tensor &t, mlir::Type type, size_t i) {
  unsigned width = type.getIntOrFloatBitWidth();
  uint64_t bits = 0;
  if (width == 4)
    bits = t.bytes[i / 2] >> (4 * (i % 2)) & 15;
  else
    for (unsigned b = 0; b < std::max(width / 8, 1u); ++b)
      bits |= uint64_t{t.bytes[i * std::max(width / 8, 1u) + b]} << (8 * b);
  if (auto real = mlir::dyn_cast<mlir::FloatType>(type)) {
    llvm::APFloat value(real.getFloatSemantics(), llvm::APInt(width, bits));
    bool loses;
    value.convert(llvm::APFloat::IEEEdouble(),
                  llvm::APFloat::rmNearestTiesToEven, &loses);
    return value.convertToDouble();
  }
  bool isUnsigned = type.isUnsignedInteger() || width == 1;
  return isUnsigned ? double(bits) : double(llvm::SignExtend64(bits, width));
}

void checkStorage(llvm::StringRef target) {
  std::string text;
  for (const StorageType &t : storageTypes)
    text += storeAndLoad(t);
  Compiled compiled(text, target);
  ASSERT_TRUE(compiled.jit);
  mlir::MLIRContext context;
  std::vector<double> values = castInputs();
  int64_t count = values.size();
  for (const StorageType &t : storageTypes) {
    SCOPED_TRACE(t.type);
    mlir::Type type = mlir::parseType(t.type, &context);
    auto [code, bits, lanes] = dataTypeOf(type);
    Tensor X = Tensor::f64({count}, values);
    Tensor Y = Tensor::raw({count}, code, bits,
                           std::vector<unsigned char>((count * bits + 7) / 8));
    ASSERT_EQ(compiled.run(std::string("store_") + t.type, {&X, &Y}), 0);
    bool wide = llvm::StringRef(t.type) == "i64";
    for (int64_t i = 0; i < count; ++i) {
      double got = stored(Y, type, i);
      double want = t.real ? roundTo(type, values[i])
                           : double(saturateTo(type, values[i]));
      ASSERT_TRUE(got == want || (std::isnan(got) && std::isnan(want)))
          << values[i] << ": " << got << " for " << want;
    }
    // All the codes of small types, else what was stored.
    Tensor In = Y;
    if (bits == 8 && t.real) {
      In = Tensor::raw({256}, code, bits, {});
      for (int i = 0; i < 256; ++i)
        In.bytes.push_back(i);
    } else if (bits == 16) {
      In = Tensor::raw({65536}, code, bits, {});
      for (int i = 0; i < 65536; ++i) {
        In.bytes.push_back(i & 255);
        In.bytes.push_back(i >> 8);
      }
    }
    int64_t points = In.shape[0];
    size_t bytes = t.real || wide ? 8 : llvm::StringRef(t.type) == "i1" ? 1 : 4;
    mlir::Type outType = mlir::parseType(t.real       ? "f64"
                                         : wide       ? "i64"
                                         : bytes == 1 ? "i1"
                                                      : "i32",
                                         &context);
    auto [outCode, outBits, outLanes] = dataTypeOf(outType);
    Tensor Out = Tensor::raw({points}, outCode, outBits,
                             std::vector<unsigned char>(points * bytes));
    ASSERT_EQ(compiled.run(std::string("load_") + t.type, {&In, &Out}), 0);
    for (int64_t i = 0; i < points; ++i) {
      double got = stored(Out, outType, i), want = stored(In, type, i);
      ASSERT_TRUE(got == want || (std::isnan(got) && std::isnan(want)))
          << "code " << i << ": " << got << " for " << want;
    }
  }
}

} // namespace

TEST(StorageTypes, StoreAndLoad) { checkStorage("native"); }
// Without conversion instructions for f16.
TEST(StorageTypes, StoreAndLoadBaseline) { checkStorage("x86-64"); }
