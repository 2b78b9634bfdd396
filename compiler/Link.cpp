//===- Link.cpp - objects to shared libraries -------------------*- C++ -*-===//
// lld as a library. The runtime is represented by a stub with its soname and
// the symbols that compiled code uses.
//===----------------------------------------------------------------------===//
#include "compiler/Link.h"
#include "attn/abi.h"
#include "compiler/Aot.h"
#include "lld/Common/Driver.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"

LLD_HAS_DRIVER(elf)

using namespace attn;

static llvm::Error runLinker(std::vector<std::string> arguments) {
  std::vector<const char *> pointers = {"ld.lld"};
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string messages;
  llvm::raw_string_ostream os(messages);
  lld::Result result =
      lld::lldMain(pointers, os, os, {{lld::Gnu, &lld::elf::link}});
  if (result.retCode == 0)
    return llvm::Error::success();
  return llvm::createStringError("linking failed: " + messages);
}

/// A shared library that only has the runtime's name and symbols.
static llvm::Error writeRuntimeStub(llvm::StringRef path,
                                    const Target &target) {
  Generated stub;
  stub.context = std::make_unique<llvm::LLVMContext>();
  stub.module = std::make_unique<llvm::Module>("runtime", *stub.context);
  auto *type =
      llvm::FunctionType::get(llvm::Type::getVoidTy(*stub.context), false);
  for (llvm::StringRef name : {"attn_invoke", "attn_sort_keys"}) {
    auto *function = llvm::Function::Create(
        type, llvm::GlobalValue::ExternalLinkage, name, *stub.module);
    llvm::IRBuilder<> b(llvm::BasicBlock::Create(*stub.context, "", function));
    b.CreateRetVoid();
  }
  llvm::SmallString<0> object;
  llvm::raw_svector_ostream os(object);
  if (llvm::Error error = emitArtifact(stub, target, Artifact::Object, os))
    return error;
  std::string objectPath = (path + ".o").str();
  llvm::FileRemover remover(objectPath);
  std::error_code code;
  llvm::raw_fd_ostream file(objectPath, code);
  if (code)
    return llvm::createStringError(code, objectPath);
  file << object;
  file.close();
  return runLinker({"-shared", "-soname",
                    "libattn_runtime.so." + std::to_string(ATTN_ABI_VERSION),
                    "-o", path.str(), objectPath});
}

llvm::Error attn::linkLibrary(llvm::StringRef object, llvm::StringRef output,
                              llvm::StringRef soname, const Target &target,
                              llvm::StringRef runtimeDirectory) {
  llvm::SmallString<128> stub;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("libattn_runtime", "so", stub))
    return llvm::createStringError(code, "temporary file");
  llvm::FileRemover remover(stub);
  if (llvm::Error error = writeRuntimeStub(stub, target))
    return error;
  return runLinker({"-shared", "-Bsymbolic", "-z", "relro", "-z", "now",
                    "--gc-sections", "--hash-style=gnu", "--build-id=none",
                    "-soname", soname.str(), "-rpath", runtimeDirectory.str(),
                    "-o", output.str(), object.str(), stub.str().str()});
}
