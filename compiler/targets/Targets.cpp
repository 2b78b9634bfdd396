//===- Targets.cpp - the CPUs that code can be made for ---------*- C++ -*-===//
#include "compiler/targets/Targets.h"
#include "attn/runtime.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"

using namespace attn;

static constexpr llvm::StringLiteral linuxX86 = "x86_64-unknown-linux-gnu";
#define ATTN_FP16 "+avx512fp16,+avx512bf16,+avx512vnni,+avx512vbmi,+avx512vbmi2"

// clang-format off
static constexpr Target rows[] = {
    // name, triple, cpu, tune, features, floats, registers, half, fma, avx512, bf16, vnni, amx,
    // vectorFlops, matrixFlops, gigahertz, gigabytes
    {"amx", linuxX86, "x86-64-v4", "sapphirerapids",
     ATTN_FP16 ",+amx-tile,+amx-bf16,+amx-int8", 16, 32, true, true, true, true, true, true, 64, 1024, 2.0, 12},
    {"avx512fp16", linuxX86, "x86-64-v4", "sapphirerapids",
     ATTN_FP16, 16, 32, true, true, true, true, true, false, 64, 128, 2.0, 12},
    {"x86-64-v4", linuxX86, "x86-64-v4", "icelake-server", "", 16, 32, true, true, true, false, false, false, 64, 64, 2.0, 12},
    {"x86-64-v3", linuxX86, "x86-64-v3", "haswell", "", 8, 16, true, true, false, false, false, false, 32, 32, 3.0, 12},
    {"x86-64", linuxX86, "x86-64", "generic", "", 4, 16, false, false, false, false, false, false, 8, 8, 3.0, 12},
    {"aarch64", "aarch64-unknown-linux-gnu", "generic", "", "+neon", 4, 32, true, true, false, false, false, false, 16, 16, 2.6, 12},
};
// clang-format on

cpu::CpuTarget Target::forLowering() const {
  cpu::CpuTarget target;
  target.name = name.str();
  target.halfInstructions = halfInstructions;
  target.vectorFloats = vectorFloats;
  target.vectorRegisters = vectorRegisters;
  target.fma = fma;
  target.avx512 = avx512;
  target.avx512bf16 = avx512bf16;
  target.avx512vnni = avx512vnni;
  target.amx = amx;
  return target;
}

llvm::ArrayRef<Target> attn::cpuTargets() { return rows; }

llvm::Expected<const Target *> attn::findTarget(llvm::StringRef name) {
  bool native = name.empty() || name == "native";
  for (const Target &row : rows)
    if (native ? attn_cpu_supports(row.name.data()) != 0 : row.name == name)
      return &row;
  std::string names = "native";
  for (const Target &row : rows)
    names += ", " + row.name.str();
  return llvm::createStringError(
      native ? "this machine is none of the targets: " + names
             : "unknown target " + name + ": known are " + names);
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
attn::makeTargetMachine(const Target &target) {
  static const bool initialised = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
    LLVMInitializeAArch64AsmParser();
    return true;
  }();
  (void)initialised;
  return createTargetMachine(target.triple, target.cpu, target.features,
                             llvm::TargetOptions());
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
attn::createTargetMachine(llvm::StringRef name, llvm::StringRef cpu,
                          llvm::StringRef features,
                          const llvm::TargetOptions &options) {
  llvm::Triple triple(name);
  std::string message;
  const llvm::Target *arch =
      llvm::TargetRegistry::lookupTarget(triple, message);
  if (!arch)
    return llvm::createStringError(message);
  return std::unique_ptr<llvm::TargetMachine>(arch->createTargetMachine(
      triple, cpu, features, options, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Default));
}
