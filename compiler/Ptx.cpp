//===- Ptx.cpp - modules of kernels as PTX and machine code -----*- C++ -*-===//
#include "compiler/Ptx.h"
#include "compiler/Codegen.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "passes/gpu/DeviceLibrary.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"

using namespace attn;
namespace sys = llvm::sys;

/// What the back end has to know of a kernel.
static void markKernel(llvm::Function &function,
                       const cpu::DeviceKernel &kernel, unsigned words) {
  llvm::LLVMContext &ctx = function.getContext();
  function.setCallingConv(llvm::CallingConv::PTX_Kernel);
  function.addFnAttr("nvvm.maxntid", std::to_string(kernel.threads));
  auto *type = llvm::ArrayType::get(llvm::Type::getInt64Ty(ctx), words);
  function.addParamAttr(0, llvm::Attribute::getWithByValType(ctx, type));
  function.addParamAttr(0,
                        llvm::Attribute::getWithAlignment(ctx, llvm::Align(8)));
  function.addParamAttr(0, llvm::Attribute::get(ctx, "nvvm.grid_constant"));
  auto *map = llvm::ArrayType::get(llvm::Type::getInt8Ty(ctx), 128);
  for (unsigned i = 2; i < function.arg_size(); ++i) {
    function.addParamAttr(i, llvm::Attribute::getWithByValType(ctx, map));
    function.addParamAttr(
        i, llvm::Attribute::getWithAlignment(ctx, llvm::Align(64)));
    function.addParamAttr(i, llvm::Attribute::get(ctx, "nvvm.grid_constant"));
  }
  // With the threads this gives the registers at entry, which setmaxnreg
  // needs to be known.
  if (kernel.tickets)
    function.addFnAttr("nvvm.minctasm", "1");
  if (kernel.flush)
    function.addFnAttr("denormal-fp-math-f32", "preserve-sign,preserve-sign");
}

/// Loops stay loops: ptxas takes half as long for them, and finds fewer
/// registers enough unless it is told that there are many.
static void makeSmall(llvm::Function &function) {
  function.addFnAttr("nvvm.minctasm", "1");
  llvm::DominatorTree tree(function);
  llvm::LoopInfo loops(tree);
  for (llvm::Loop *loop : loops.getLoopsInPreorder())
    loop->setLoopAlreadyUnrolled();
}

llvm::Expected<DeviceCode> attn::emitPtx(mlir::ModuleOp kernels,
                                         llvm::ArrayRef<cpu::DeviceKernel> list,
                                         llvm::ArrayRef<unsigned> words,
                                         const GpuTarget &target) {
  auto failed = [] {
    return llvm::createStringError("code could not be generated");
  };
  if (mlir::failed(cpu::lowerToLLVM(kernels)))
    return failed();
  mlir::DialectRegistry registry;
  mlir::registerAllToLLVMIRTranslations(registry);
  kernels.getContext()->appendDialectRegistry(registry);
  auto machine = makeTargetMachine(target);
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  auto module = mlir::translateModuleToLLVMIR(kernels, context, "kernels");
  if (!module)
    return failed();
  module->setTargetTriple((*machine)->getTargetTriple());
  module->setDataLayout((*machine)->createDataLayout());
  for (auto [kernel, count] : llvm::zip(list, words))
    markKernel(*module->getFunction(kernel.name), kernel, count);
  if (llvm::Error error = gpu::linkDeviceLibrary(*module))
    return error;
  for (llvm::Function &function : *module) {
    function.addFnAttr(llvm::Attribute::NoUnwind);
    // What threads do together is not to be moved between branches.
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *call = llvm::dyn_cast<llvm::CallInst>(&instruction))
        if (auto *text =
                llvm::dyn_cast<llvm::InlineAsm>(call->getCalledOperand());
            text && text->hasSideEffects())
          call->addFnAttr(llvm::Attribute::Convergent);
  }
  optimiseForDevice(*module, **machine);
  // What runs where others cannot is small rather than fast.
  for (const cpu::DeviceKernel &kernel : list)
    if (!kernel.fallback.empty())
      makeSmall(*module->getFunction(kernel.fallback));

  DeviceCode code;
  llvm::raw_string_ostream(code.llvm) << *module;
  llvm::SmallString<0> buffer;
  llvm::raw_svector_ostream os(buffer);
  llvm::legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, os, nullptr,
                                      llvm::CodeGenFileType::AssemblyFile))
    return failed();
  passes.run(*module);
  code.ptx = buffer.str().str();
  return code;
}

std::string attn::findPtxas() {
  if (auto path = sys::findProgramByName("ptxas"))
    return *path;
  llvm::SmallVector<std::string> folders;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (auto home = sys::Process::GetEnv(variable))
      folders.push_back(*home + "/bin");
  folders.push_back("/usr/local/cuda/bin");
  llvm::SmallVector<llvm::StringRef> places(folders.begin(), folders.end());
  auto path = sys::findProgramByName("ptxas", places);
  return path ? *path : "";
}

llvm::Expected<std::string> attn::assemble(llvm::StringRef ptxas,
                                           llvm::StringRef ptx,
                                           const GpuTarget &target) {
  llvm::SmallString<128> source, object, log;
  llvm::FileRemover removeSource, removeObject, removeLog;
  auto temporary = [](llvm::StringRef suffix, llvm::SmallString<128> &path,
                      llvm::FileRemover &remover) {
    if (sys::fs::createTemporaryFile("attnc", suffix, path))
      return false;
    remover.setFile(path);
    return true;
  };
  if (!temporary("ptx", source, removeSource) ||
      !temporary("cubin", object, removeObject) ||
      !temporary("log", log, removeLog))
    return llvm::createStringError("no temporary file can be made");
  {
    std::error_code code;
    llvm::raw_fd_ostream os(source, code);
    os << ptx;
    os.close();
    if (os.has_error())
      return llvm::createStringError(os.error(), source);
  }
  std::string arch = ("-arch=" + target.arch).str();
  llvm::StringRef arguments[] = {ptxas,  "-v", arch,        "-O3",
                                 source, "-o", object.str()};
  std::optional<llvm::StringRef> redirects[] = {"", log.str(), log.str()};
  int code = sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects);
  auto said = llvm::MemoryBuffer::getFile(log);
  llvm::StringRef text = said ? (*said)->getBuffer() : "";
  if (code)
    return llvm::createStringError("ptxas: " + text);
  for (llvm::StringRef line : llvm::split(text, '\n'))
    if (line.contains("(C75"))
      llvm::errs() << "attnc: " << line << "\n";
  auto result = llvm::MemoryBuffer::getFile(object, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!result)
    return llvm::createStringError(result.getError(), object);
  return (*result)->getBuffer().str();
}
