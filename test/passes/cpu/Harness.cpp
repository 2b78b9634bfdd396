//===- Harness.cpp - compile a cascade and call it --------------*- C++ -*-===//
#include "Harness.h"
#include "dialect/tile/Tile.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/MemoryBuffer.h"
#include <cstring>

using namespace attn;
using namespace attn::test;

Tensor Tensor::raw(std::vector<int64_t> shape, int code, int bits,
                   std::vector<unsigned char> bytes) {
  Tensor t;
  t.shape = std::move(shape);
  t.bytes = std::move(bytes);
  t.dl = attn_tensor(nullptr, code, bits, t.shape.size(), nullptr);
  return t;
}

template <typename T>
static Tensor make(std::vector<int64_t> shape, std::vector<T> values,
                   int code) {
  std::vector<unsigned char> bytes(values.size() * sizeof(T));
  if (!values.empty())
    std::memcpy(bytes.data(), values.data(), bytes.size());
  return Tensor::raw(std::move(shape), code, 8 * sizeof(T), std::move(bytes));
}

Tensor Tensor::f32(std::vector<int64_t> shape, std::vector<float> values) {
  return make(std::move(shape), std::move(values), ATTN_DTYPE_FLOAT);
}
Tensor Tensor::f64(std::vector<int64_t> shape, std::vector<double> values) {
  return make(std::move(shape), std::move(values), ATTN_DTYPE_FLOAT);
}
Tensor Tensor::i32(std::vector<int64_t> shape, std::vector<int32_t> values) {
  return make(std::move(shape), std::move(values), ATTN_DTYPE_INT);
}
Tensor Tensor::i64(std::vector<int64_t> shape, std::vector<int64_t> values) {
  return make(std::move(shape), std::move(values), ATTN_DTYPE_INT);
}
Tensor Tensor::boolean(std::vector<int64_t> shape,
                       std::vector<uint8_t> values) {
  return make(std::move(shape), std::move(values), ATTN_DTYPE_BOOL);
}
Tensor Tensor::bf16(std::vector<int64_t> shape, std::vector<float> values) {
  std::vector<uint16_t> bits;
  for (float value : values)
    bits.push_back(llvm::bit_cast<uint32_t>(roundBf16(value)) >> 16);
  return make(std::move(shape), std::move(bits), ATTN_DTYPE_BFLOAT);
}
float Tensor::bf16At(size_t i) const {
  return llvm::bit_cast<float>(uint32_t{data<uint16_t>()[i]} << 16);
}

std::vector<float> attn::test::noise(size_t count, unsigned seed) {
  std::vector<float> values;
  uint32_t state = seed * 2654435761u + 12345u;
  for (size_t i = 0; i < count; ++i) {
    state = state * 1664525u + 1013904223u;
    values.push_back(float(state >> 8) * 0x1p-23f - 1);
  }
  return values;
}

float attn::test::roundBf16(float x) {
  uint32_t bits = llvm::bit_cast<uint32_t>(x);
  bits += 0x7fff + (bits >> 16 & 1);
  return llvm::bit_cast<float>(bits & 0xffff0000u);
}

std::string attn::test::readTest(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(
      (llvm::Twine(ATTN_SOURCE_DIR "/test/") + path).str());
  EXPECT_TRUE(bool(buffer)) << path.str();
  return buffer ? (*buffer)->getBuffer().str() : "";
}

Compiled::Compiled(llvm::StringRef text, llvm::StringRef targetName) {
  context
      .loadDialect<AttnDialect, tile::TileDialect, mlir::arith::ArithDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  EXPECT_TRUE(bool(module));
  if (!module)
    return;
  auto target = findTarget(targetName);
  EXPECT_TRUE(bool(target)) << llvm::toString(target.takeError());
  CodegenOptions options;
  options.targets = {*target};
  auto generated = generate(*module, options);
  EXPECT_TRUE(bool(generated)) << llvm::toString(generated.takeError());
  if (!generated)
    return;
  auto compiled = Jit::compile(std::move(*generated));
  EXPECT_TRUE(bool(compiled)) << llvm::toString(compiled.takeError());
  if (compiled)
    jit = std::move(*compiled);
}

int Compiled::run(llvm::StringRef entry, std::vector<Tensor *> tensors) {
  if (!jit)
    return ATTN_ERROR_INTERNAL;
  const attn_entry_desc *desc = jit->find(entry);
  EXPECT_NE(desc, nullptr);
  std::vector<DLTensor *> pointers;
  for (Tensor *tensor : tensors) {
    if (tensor) {
      tensor->dl.data = tensor->bytes.data();
      tensor->dl.shape = tensor->shape.data();
    }
    pointers.push_back(tensor ? &tensor->dl : nullptr);
  }
  int status = attn_invoke(nullptr, desc, pointers.data());
  if (status)
    ADD_FAILURE() << attn_last_error();
  return status;
}
