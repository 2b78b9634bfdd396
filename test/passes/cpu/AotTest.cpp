//===- AotTest.cpp - libraries as files -------------------------*- C++ -*-===//
#include "compiler/Aot.h"
#include "Harness.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace attn;
using namespace attn::test;

namespace {

class Aot : public testing::Test {
protected:
  void SetUp() override {
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("attn-aot", directory));
    context.loadDialect<AttnDialect, mlir::arith::ArithDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(
        readTest("dialect/cascade.mlir"), &context);
    ASSERT_TRUE(bool(module));
  }
  void TearDown() override { llvm::sys::fs::remove_directories(directory); }

  std::string path(llvm::StringRef name) {
    return (directory + "/" + name).str();
  }
  llvm::Error write(llvm::StringRef name, llvm::StringRef targetName) {
    auto target = findTarget(targetName);
    if (!target)
      return target.takeError();
    CodegenOptions options;
    options.targets = {*target};
    auto generated = generate(*module, options);
    if (!generated)
      return generated.takeError();
    return writeLibrary(std::move(*generated), *module, **target,
                        {path(name), "", "cascade gqa */ ..."});
  }
  std::string contents(llvm::StringRef name) {
    auto buffer = llvm::MemoryBuffer::getFile(path(name));
    return buffer ? (*buffer)->getBuffer().str() : "";
  }

  llvm::SmallString<128> directory;
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace

TEST_F(Aot, LibraryLoadsAndRuns) {
  llvm::Error error = write("libgqa.so", "native");
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  attn_library *library = nullptr;
  ASSERT_EQ(attn_library_open(path("libgqa.so").c_str(), &library), 0)
      << attn_last_error();
  const attn_entry_desc *entry = attn_library_find(library, "gqa");
  ASSERT_NE(entry, nullptr);
  Tensor Q = Tensor::bf16({1, 1, 1, 2}, {1, 1}),
         K = Tensor::bf16({1, 1, 1, 2}, {1, 1}),
         V = Tensor::bf16({1, 1, 1, 2}, {3, 4}),
         O = Tensor::bf16({1, 1, 1, 2}, {0, 0});
  std::vector<DLTensor *> tensors;
  for (Tensor *t : {&Q, &K, &V, &O}) {
    t->dl.data = t->bytes.data();
    t->dl.shape = t->shape.data();
    tensors.push_back(&t->dl);
  }
  ASSERT_EQ(attn_invoke(nullptr, entry, tensors.data()), 0)
      << attn_last_error();
  EXPECT_EQ(O.bf16At(0), 3);
  EXPECT_EQ(O.bf16At(1), 4);
  auto manifest = llvm::json::parse(attn_library_manifest(library));
  ASSERT_TRUE(bool(manifest));
  EXPECT_EQ(contents("gqa.json"), attn_library_manifest(library));
  attn_library_close(library);
  std::string header = contents("gqa.h");
  EXPECT_NE(header.find("int gqa(const attn_context *context"),
            std::string::npos);
  EXPECT_EQ(header.find("gqa */ ..."), std::string::npos);
}

TEST_F(Aot, CrossCompiles) {
  llvm::Error error = write("libgqa.so", "aarch64");
  EXPECT_FALSE(bool(error)) << llvm::toString(std::move(error));
  EXPECT_EQ(contents("libgqa.so").substr(18, 2), std::string("\xb7\0", 2));
}

TEST_F(Aot, FailureLeavesTheOldFiles) {
  llvm::Error first = write("libgqa.so", "native");
  ASSERT_FALSE(bool(first));
  std::string before = contents("libgqa.so");
  ASSERT_FALSE(llvm::sys::fs::remove(path("gqa.json")));
  ASSERT_FALSE(llvm::sys::fs::create_directory(path("gqa.json")));
  llvm::Error error = write("libgqa.so", "x86-64");
  EXPECT_TRUE(bool(error));
  llvm::consumeError(std::move(error));
  EXPECT_EQ(contents("libgqa.so"), before);
}
