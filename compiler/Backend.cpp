//===- Backend.cpp - from a checked program to native code ------*- C++ -*-===//
#include "compiler/Backend.h"
#include "attn/runtime.h"
#include "compiler/Pipelines.h"
#include "compiler/SourceDiagnostics.h"
#include "dialect/interpreter/Array.h"
#include "mlir/Pass/PassManager.h"
#include "passes/cpu/tile/TileToCpu.h"
#include "passes/gpu/tile/TileToGpu.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace attn;

int attn::checkTarget(StringRef target, bool run) {
  auto complain = [](ExitCode code, const Twine &message) {
    llvm::errs() << "attnc: " << message << "\n";
    return code;
  };
  if (isGpuTarget(target)) {
    // Compiling for a named architecture takes no GPU.
    if ((run || target == "cuda") && !attn_cuda_devices())
      return complain(ExitUnavailable,
                      "--target " + target + ": " + attn_last_error());
    auto row = findGpuTarget(target);
    if (!row)
      return complain(target == "cuda" ? ExitUnavailable : ExitUsage,
                      "--target " + toString(row.takeError()));
    return ExitOk;
  }
  auto options = codegenOptions(target);
  if (!options)
    return complain(ExitUsage, "--target " + toString(options.takeError()));
  std::string names;
  for (const Target *row : options->targets) {
    if (!run || attn_cpu_supports(row->name.data()))
      return ExitOk;
    names += (names.empty() ? "" : ", ") + row->name.str();
  }
  return complain(ExitUnavailable,
                  "this machine does not run code for " + names);
}

llvm::Expected<CodegenOptions> attn::codegenOptions(StringRef target) {
  CodegenOptions options;
  if (isGpuTarget(target)) {
    auto gpu = findGpuTarget(target);
    if (!gpu)
      return gpu.takeError();
    options.gpu = *gpu;
    auto host = findTarget("x86-64");
    if (!host)
      return host.takeError();
    options.targets.push_back(*host);
    return options;
  }
  // What forces a version of a library at load decides what is compiled here.
  const char *forced = std::getenv("ATTN_TARGET");
  if (target == "native" && forced && *forced)
    target = forced;
  SmallVector<StringRef> names(llvm::split(target, ','));
  if (target == "all") {
    auto native = findTarget("native");
    if (!native)
      return native.takeError();
    names.clear();
    for (const Target &row : cpuTargets())
      if (row.triple == (*native)->triple)
        names.push_back(row.name);
  }
  for (StringRef name : names) {
    auto row = findTarget(name);
    if (!row)
      return row.takeError();
    if (!options.targets.empty() &&
        (*row)->triple != options.targets.front()->triple)
      return makeError("one library is for one architecture: " + target);
    if (!llvm::is_contained(options.targets, *row))
      options.targets.push_back(*row);
  }
  // The first one that a machine runs is taken: rows are best first.
  llvm::sort(options.targets);
  return options;
}

/// A copy of the cascades after a pipeline.
static llvm::Expected<OwningOpRef<ModuleOp>>
transformed(Program &program, llvm::function_ref<void(PassManager &)> build) {
  OwningOpRef<ModuleOp> copy(cast<ModuleOp>(program.module.get()->clone()));
  PassManager passes(program.context.get());
  build(passes);
  if (failed(passes.run(*copy)))
    return makeError("no algorithm could be derived");
  return copy;
}

llvm::Expected<OwningOpRef<ModuleOp>> attn::derive(Program &program) {
  return transformed(program,
                     [](PassManager &passes) { buildDerivation(passes); });
}

/// How well the tiles of all kernels suit the target, and the most that can be.
static std::pair<unsigned, unsigned> fitOf(ModuleOp module,
                                           const GpuTarget &target) {
  unsigned fit = 0, most = 0;
  module.walk([&](tile::KernelOp kernel) {
    if (target.hopper)
      fit += gpu::warpgroupFit(kernel, target.sharedBytes);
    most += target.hopper ? gpu::bestWarpgroupFit : 0;
  });
  return {fit, most};
}

/// How kernels are tiled for a CPU.
static TileSizes tilesFor(const Target &target) {
  TileSizes tiles;
  if (target.amx)
    tiles.matrixLanes = 32;
  return tiles;
}

static llvm::Expected<OwningOpRef<ModuleOp>>
scheduleTiles(Program &program, const TileSizes &tiles) {
  return transformed(program, [&](PassManager &passes) {
    buildDerivation(passes, tiles);
    buildSchedule(passes, tiles);
  });
}

/// Long steps load and store the sums of products less often; what no matrix
/// unit runs has the tiles of vectors.
static llvm::Expected<OwningOpRef<ModuleOp>> scheduleCpu(Program &program,
                                                         const Target &target) {
  TileSizes tiles = tilesFor(target);
  if (!target.amx)
    return scheduleTiles(program, tiles);
  TileSizes longer = tiles;
  longer.stream *= 2;
  auto module = scheduleTiles(program, longer);
  if (!module)
    return module.takeError();
  bool some = false, all = true;
  (*module)->walk([&](tile::KernelOp kernel) {
    cpu::MatrixFit fit = cpu::matrixFit(kernel);
    some = true;
    all &= fit == cpu::MatrixFit::good;
    if (fit == cpu::MatrixFit::none)
      tiles.vectorKernels.push_back(kernel.getName().str());
  });
  if (some && all)
    return module;
  return scheduleTiles(program, tiles);
}

llvm::Expected<OwningOpRef<ModuleOp>> attn::schedule(Program &program,
                                                     StringRef target) {
  if (!isGpuTarget(target)) {
    auto options = codegenOptions(target);
    if (!options)
      return options.takeError();
    return scheduleCpu(program, *options->targets.front());
  }
  auto gpu = findGpuTarget(target);
  if (!gpu)
    return gpu.takeError();
  OwningOpRef<ModuleOp> best;
  unsigned bestFit = 0;
  for (const GpuTile &tile : (*gpu)->tiles) {
    TileSizes sizes{tile.stream, tile.lanes, /*pack=*/true,
                    /*packRows=*/false};
    sizes.walkPrefixes = false;
    if ((*gpu)->hopper)
      sizes.part = gpu::warpgroupLanes;
    auto module = scheduleTiles(program, sizes);
    if (!module)
      return module.takeError();
    auto [fit, most] = fitOf(**module, **gpu);
    if (!best || fit > bestFit) {
      best = std::move(*module);
      bestFit = fit;
    }
    if (bestFit == most)
      break;
  }
  return best;
}

llvm::Expected<Generated> attn::generateCode(Program &program, StringRef target,
                                             llvm::raw_ostream &os,
                                             bool assemble) {
  SourceDiagnostics handler(*program.context, program.sources, os);
  auto options = codegenOptions(target);
  if (!options)
    return options.takeError();
  options->assemble = assemble;
  auto scheduled = schedule(program, target);
  if (!scheduled)
    return scheduled.takeError();
  // Versions that are tiled in another way than the one before.
  std::vector<OwningOpRef<ModuleOp>> others;
  ModuleOp last = **scheduled;
  for (size_t i = 1; i < options->targets.size(); ++i) {
    if (tilesFor(*options->targets[i]) != tilesFor(*options->targets[i - 1])) {
      auto other = scheduleCpu(program, *options->targets[i]);
      if (!other)
        return other.takeError();
      last = **other;
      others.push_back(std::move(*other));
    }
    options->scheduled[options->targets[i]] = last;
  }
  return generate(**scheduled, *options);
}

llvm::Expected<std::unique_ptr<Jit>>
attn::jitCompile(Program &program, StringRef target, llvm::raw_ostream &os) {
  auto generated = generateCode(program, target, os);
  if (!generated)
    return generated.takeError();
  return Jit::compile(std::move(*generated));
}
