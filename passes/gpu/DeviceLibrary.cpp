//===- DeviceLibrary.cpp - what kernels call --------------------*- C++ -*-===//
#include "passes/gpu/DeviceLibrary.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/Linker/Linker.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;

static constexpr unsigned char bitcode[] = {
#include "Device.inc"
};

/// The C function of an intrinsic without instructions, or nothing.
static StringRef libraryName(Intrinsic::ID id) {
  switch (id) {
  case Intrinsic::exp:
    return "exp";
  case Intrinsic::exp2:
    return "exp2";
  case Intrinsic::log:
    return "log";
  case Intrinsic::log2:
    return "log2";
  case Intrinsic::pow:
    return "pow";
  case Intrinsic::sin:
    return "sin";
  case Intrinsic::cos:
    return "cos";
  default:
    return "";
  }
}

static void callLibrary(Module &module) {
  SmallVector<CallInst *> calls;
  for (Function &function : module)
    for (Instruction &instruction : instructions(function))
      if (auto *call = dyn_cast<IntrinsicInst>(&instruction))
        if (!libraryName(call->getIntrinsicID()).empty())
          calls.push_back(call);
  for (CallInst *call : calls) {
    Type *type = call->getType();
    std::string name =
        (libraryName(cast<IntrinsicInst>(call)->getIntrinsicID()) +
         (type->isDoubleTy() ? "" : "f"))
            .str();
    SmallVector<Type *> parameters(call->arg_size(), type);
    call->setCalledFunction(module.getOrInsertFunction(
        name, FunctionType::get(type, parameters, false)));
    call->setAttributes(AttributeList());
  }
}

Error attn::gpu::linkDeviceLibrary(Module &module) {
  callLibrary(module);
  auto library = parseBitcodeFile(
      MemoryBufferRef(
          StringRef(reinterpret_cast<const char *>(bitcode), sizeof bitcode),
          "device library"),
      module.getContext());
  if (!library)
    return library.takeError();
  (*library)->setTargetTriple(module.getTargetTriple());
  (*library)->setDataLayout(module.getDataLayout());
  // The kernels' architecture counts.
  for (Function &function : **library) {
    function.removeFnAttr("target-cpu");
    function.removeFnAttr("target-features");
    function.removeFnAttr("frame-pointer");
  }
  if (Linker::linkModules(module, std::move(*library), Linker::LinkOnlyNeeded))
    return createStringError("the device library cannot be linked");
  for (Function &function : module)
    if (!function.isDeclaration() &&
        function.getCallingConv() != CallingConv::PTX_Kernel)
      function.setLinkage(GlobalValue::InternalLinkage);
  return Error::success();
}
