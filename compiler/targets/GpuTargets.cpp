//===- GpuTargets.cpp - the GPUs that code can be made for ------*- C++ -*-===//
#include "compiler/targets/GpuTargets.h"
#include "attn/runtime.h"
#include "compiler/targets/Targets.h"
#include "llvm/Support/TargetSelect.h"

using namespace attn;

// Small tiles for the threads of a block; for warpgroups as large as registers
// and shared memory take: wider ones where the rows are short.
static constexpr GpuTile blockTiles[] = {{64, 64}};
static constexpr GpuTile warpgroupTiles[] = {
    {128, 192}, {128, 128}, {80, 128}, {64, 128}, {48, 128}};

// clang-format off
static constexpr GpuTarget rows[] = {
    // name, arch, features, sharedBytes, hopper, tiles
    {"cuda:sm_80", "sm_80", "+ptx80", 163 << 10, false, blockTiles},
    {"cuda:sm_86", "sm_86", "+ptx80", 99 << 10, false, blockTiles},
    {"cuda:sm_89", "sm_89", "+ptx80", 99 << 10, false, blockTiles},
    {"cuda:sm_90", "sm_90", "+ptx80", 227 << 10, false, blockTiles},
    {"cuda:sm_90a", "sm_90a", "+ptx83", 227 << 10, true, warpgroupTiles},
};
// clang-format on

cpu::CpuTarget GpuTarget::forLowering() const {
  cpu::CpuTarget target;
  target.name = name.str();
  target.halfInstructions = true;
  target.vectorFloats = 1;
  target.vectorRegisters = 255;
  target.fma = true;
  target.gpu = true;
  return target;
}

bool attn::isGpuTarget(llvm::StringRef name) {
  return name == "cuda" || name.starts_with("cuda:");
}

llvm::Expected<const GpuTarget *> attn::findGpuTarget(llvm::StringRef name) {
  for (const GpuTarget &row : rows)
    if (row.name == name)
      return &row;
  if (name != "cuda") {
    std::string names = "cuda";
    for (const GpuTarget &row : rows)
      names += ", " + row.name.str();
    return llvm::createStringError("unknown target " + name + ": known are " +
                                   names);
  }
  const char *found = attn_cuda_target(0);
  if (!found)
    return llvm::createStringError(attn_last_error());
  for (const GpuTarget &row : rows)
    if (row.arch == found)
      return &row;
  // The driver compiles the PTX of an older architecture.
  if (llvm::StringRef(found).starts_with("sm_8") ||
      llvm::StringRef(found).starts_with("sm_1"))
    return &rows[0];
  return llvm::createStringError(llvm::Twine("the GPU is ") + found +
                                 ": code is made for sm_80 and later");
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
attn::makeTargetMachine(const GpuTarget &target) {
  static const bool initialised = [] {
    LLVMInitializeNVPTXTargetInfo();
    LLVMInitializeNVPTXTarget();
    LLVMInitializeNVPTXTargetMC();
    LLVMInitializeNVPTXAsmPrinter();
    return true;
  }();
  (void)initialised;
  llvm::TargetOptions options;
  options.AllowFPOpFusion = llvm::FPOpFusion::Standard;
  return createTargetMachine("nvptx64-nvidia-cuda", target.arch,
                             target.features, options);
}
