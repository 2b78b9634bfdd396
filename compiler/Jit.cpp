//===- Jit.cpp - compiled cascades in this process --------------*- C++ -*-===//
// ORC links the same module that ahead-of-time compilation writes; the runtime
// and libm are found in the process.
//===----------------------------------------------------------------------===//
#include "compiler/Jit.h"
#include "attn/runtime.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"

using namespace attn;

Jit::Jit() = default;
Jit::~Jit() = default;

llvm::Expected<std::unique_ptr<Jit>> Jit::compile(Generated generated) {
  auto target = findTarget("native");
  if (!target)
    return target.takeError();
  auto machine = makeTargetMachine(**target);
  if (!machine)
    return machine.takeError();
  optimise(*generated.module, **machine);

  llvm::orc::JITTargetMachineBuilder builder((*machine)->getTargetTriple());
  builder.setCPU((*target)->cpu.str());
  auto lljit = llvm::orc::LLJITBuilder()
                   .setJITTargetMachineBuilder(std::move(builder))
                   .create();
  if (!lljit)
    return lljit.takeError();
  char prefix = (*lljit)->getDataLayout().getGlobalPrefix();
  auto process =
      llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(prefix);
  if (!process)
    return process.takeError();
  llvm::orc::JITDylib &library = (*lljit)->getMainJITDylib();
  library.addGenerator(std::move(*process));
  // Defined here, whatever the process exports.
  auto &session = (*lljit)->getExecutionSession();
  auto address = [](auto *function) {
    return llvm::orc::ExecutorSymbolDef(
        llvm::orc::ExecutorAddr::fromPtr(function),
        llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable);
  };
  if (llvm::Error error = library.define(llvm::orc::absoluteSymbols(
          {{session.intern("attn_invoke"), address(&attn_invoke)},
           {session.intern("attn_sort_keys"), address(&attn_sort_keys)}})))
    return error;
  if (llvm::Error error = (*lljit)->addIRModule(llvm::orc::ThreadSafeModule(
          std::move(generated.module), std::move(generated.context))))
    return error;
  auto symbol = (*lljit)->lookup("attn_library");
  if (!symbol)
    return symbol.takeError();
  std::unique_ptr<Jit> result(new Jit);
  result->info = symbol->toPtr<const attn_library_info *>();
  result->jit = std::move(*lljit);
  return result;
}

const attn_entry_desc *Jit::find(llvm::StringRef name) const {
  for (uint32_t i = 0; i < info->num_entries; ++i)
    if (name == info->entries[i].name)
      return &info->entries[i];
  return nullptr;
}
