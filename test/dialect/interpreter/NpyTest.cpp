//===- NpyTest.cpp - NumPy files --------------------------------*- C++ -*-===//
#include "dialect/interpreter/Npy.h"
#include "Fixture.h"
#include "mlir/IR/Builders.h"
#include "llvm/Support/FileSystem.h"

using namespace attn;
using namespace attn::test;

namespace {
class NpyFiles : public InterpreterTest {
protected:
  /// A version 1 file.
  std::string file(llvm::StringRef header, llvm::StringRef data,
                   char version = 1) {
    std::string text("\x93NUMPY", 6);
    text += version;
    text += '\0';
    text += char(header.size());
    text.append(version == 1 ? 1 : 3, '\0');
    return text + header.str() + data.str();
  }
  std::string header(llvm::StringRef descr, llvm::StringRef shape,
                     llvm::StringRef fortran = "False") {
    return ("{'descr': '" + descr + "', 'fortran_order': " + fortran +
            ", 'shape': " + shape + ", }\n")
        .str();
  }
  Array parse(const std::string &bytes) {
    auto array = parseNpy(bytes, &ctx);
    if (array)
      return *array;
    ADD_FAILURE() << llvm::toString(array.takeError());
    return {};
  }
  std::string failure(const std::string &bytes) {
    auto array = parseNpy(bytes, &ctx);
    return array ? "no error" : llvm::toString(array.takeError());
  }
};
} // namespace

TEST_F(NpyFiles, RoundTrip) {
  mlir::Builder b(&ctx);
  std::vector<double> x = {0, -1.5, inf, 2.5, -inf, 0.25};
  for (mlir::Type type :
       {mlir::Type(b.getF64Type()), mlir::Type(b.getF32Type()),
        mlir::Type(b.getF16Type()), mlir::Type(b.getBF16Type())}) {
    Array read = parse(formatNpy(Array::real({2, 3}, type, x)));
    EXPECT_EQ(read.reals, x);
    EXPECT_EQ(read.shape, (llvm::SmallVector<int64_t>{2, 3}));
    EXPECT_TRUE(read.isReal());
  }
  struct Row {
    mlir::Type type;
    std::vector<int64_t> values;
  } rows[] = {{b.getI64Type(), {INT64_MIN, INT64_MAX, -1}},
              {b.getI32Type(), {INT32_MIN, INT32_MAX, -1}},
              {b.getIntegerType(8), {-128, 127, -1}},
              {b.getIntegerType(8, false), {0, 255, 1}},
              {b.getI1Type(), {0, 1, 1}}};
  for (const Row &row : rows) {
    Array read = parse(formatNpy(Array::integer({3}, row.type, row.values)));
    EXPECT_EQ(read.integers, row.values);
    EXPECT_EQ(read.element, row.type);
  }
  Array empty = parse(formatNpy(Array::real({0, 4}, b.getF32Type(), {})));
  EXPECT_EQ(empty.shape, (llvm::SmallVector<int64_t>{0, 4}));
  Array scalar = parse(formatNpy(Array::real({}, b.getF32Type(), {3})));
  EXPECT_EQ(scalar.reals, (std::vector<double>{3}));
  EXPECT_TRUE(scalar.shape.empty());
  // The values are rounded to what the element type holds.
  Array rounded = parse(formatNpy(Array::real({1}, b.getBF16Type(), {1.001})));
  EXPECT_EQ(rounded.reals, (std::vector<double>{1}));
}

TEST_F(NpyFiles, OrdersAndVersions) {
  std::string two("\x01\x00\x02\x00\x03\x00\x04\x00\x05\x00\x06\x00", 12);
  std::vector<int64_t> c = {1, 2, 3, 4, 5, 6}, f = {1, 3, 5, 2, 4, 6};
  EXPECT_EQ(parse(file(header("<i2", "(2, 3)"), two)).integers, c);
  EXPECT_EQ(parse(file(header("<i2", "(2, 3)", "True"), two)).integers, f);
  EXPECT_EQ(parse(file(header("<u2", "(2, 3)"), two, 2)).integers, c);
  EXPECT_EQ(parse(file(header("<u2", "(2, 3)"), two, 3)).integers, c);
  EXPECT_EQ(parse(file(header(">i2", "(6,)"), two)).integers,
            (std::vector<int64_t>{256, 512, 768, 1024, 1280, 1536}));
  EXPECT_EQ(parse(file(header("<f2", "(1,)"), {"\x00\x3e", 2})).reals,
            (std::vector<double>{1.5}));
  EXPECT_EQ(parse(file(header("|b1", "()"), {"\x01", 1})).integers,
            (std::vector<int64_t>{1}));
}

TEST_F(NpyFiles, Malformed) {
  std::string data(64, '\0');
  std::pair<std::string, const char *> rows[] = {
      {"", "magic"},
      {"PK\x03\x04 an archive", "magic"},
      {std::string("\x93NUMPY", 6), "magic"},
      {file(header("<f4", "(4,)"), data, 9), "version 9"},
      {file(header("<f4", "(4,)"), data).substr(0, 30), "header is cut off"},
      {file("{'descr': '<f4'}", data), "malformed header"},
      {file("not a dictionary", data), "malformed header"},
      {file(header("<f4", "(4"), data), "malformed header"},
      {file(header("<f4", "(-4,)"), data), "malformed header"},
      {file(header("<f4", "4"), data), "malformed header"},
      {file(header("<f4", "(99999999999999999999,)"), data),
       "malformed header"},
      {file(header("<f4", "(4,)", "Maybe"), data), "malformed header"},
      {file(header("<c8", "(4,)"), data), "dtype '<c8'"},
      {file(header("|O", "(4,)"), data), "dtype '|O'"},
      {file(header("<f4", "(17,)"), data), "data is cut off"},
      {file(header("<f4", "(4294967296, 4294967296)"), data), "too large"},
      {file(header("<f8", "(2305843009213693952,)"), data), "cut off"},
      {file(header("<u8", "(1,)"), std::string(8, '\xff')), "64 signed bits"},
  };
  for (auto &[bytes, text] : rows)
    EXPECT_NE(failure(bytes).find(text), std::string::npos)
        << failure(bytes) << ", not " << text;
}

TEST_F(NpyFiles, Files) {
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("attn", "npy", path));
  ASSERT_FALSE(bool(writeNpy(path, vector({1, 2, 3}))));
  auto read = readNpy(path, &ctx);
  ASSERT_TRUE(bool(read));
  EXPECT_EQ(read->reals, (std::vector<double>{1, 2, 3}));
  llvm::sys::fs::remove(path);
  auto missing = readNpy(path, &ctx);
  ASSERT_FALSE(bool(missing));
  EXPECT_NE(llvm::toString(missing.takeError()).find("No such file"),
            std::string::npos);
  llvm::Error unwritable = writeNpy("/nonexistent/x.npy", vector({1}));
  EXPECT_NE(llvm::toString(std::move(unwritable)).find("/nonexistent/x.npy"),
            std::string::npos);
}
