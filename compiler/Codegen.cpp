//===- Codegen.cpp - from cascades to one LLVM module -----------*- C++ -*-===//
#include "compiler/Codegen.h"
#include "attn/abi.h"
#include "compiler/Manifest.h"
#include "compiler/Ptx.h"
#include "compiler/Tables.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "passes/gpu/tile/TileToGpu.h"
#include "llvm/Passes/PassBuilder.h"

using namespace mlir;
using namespace attn;

llvm::StringRef attn::compilerVersion() { return "attnc " ATTN_VERSION; }

/// What cannot be a name in the header: words of C and C++, `main`, what it
/// declares, and its own parameter.
static constexpr llvm::StringLiteral taken =
    " alignas alignof and_eq asm auto bitand bitor bool break case catch char "
    "class compl concept const_cast consteval constexpr constinit context "
    "continue co_await co_return co_yield decltype default delete do double "
    "dynamic_cast enum explicit export extern false float for friend goto if "
    "inline int long main mutable namespace new noexcept not_eq nullptr "
    "operator or_eq private protected public register reinterpret_cast "
    "requires restrict short signed sizeof static static_assert static_cast "
    "struct switch template this thread_local throw true try typedef typeid "
    "typename typeof typeof_unqual union unsigned using virtual void volatile "
    "while xor_eq DLTensor DLDevice DLDataType ";

static bool isTaken(llvm::StringRef name) {
  return name.starts_with("attn_") || name.ends_with("_t") ||
         taken.contains((" " + name + " ").str());
}

std::string attn::symbolName(llvm::StringRef name) {
  std::string symbol;
  for (char c : name)
    symbol += c == '\'' ? "_prime" : std::string(1, c);
  return isTaken(name) ? symbol + "_" : symbol;
}

static llvm::Error diagnosed() {
  return llvm::createStringError("code could not be generated");
}

/// Names of a cascade's functions for one target begin so.
static std::string prefixOf(CascadeOp cascade, const Target &target) {
  return "attn." + cascade.getSymName().str() + "." + target.name.str();
}

static llvm::Expected<Lowered>
lowerForGpu(ModuleOp cascades, const CodegenOptions &options, Lowered lowered) {
  lowered.device = ModuleOp::create(cascades.getLoc());
  cpu::CpuTarget host = options.targets.front()->forLowering();
  cpu::CpuTarget row = options.gpu->forLowering();
  for (auto cascade : cascades.getOps<CascadeOp>()) {
    auto lowerTile = [&](tile::KernelOp kernel,
                         cpu::CascadeLowering &lowering) {
      return attn::gpu::lowerTileStep(kernel, lowering, options.gpu->hopper,
                                      options.gpu->sharedBytes);
    };
    cpu::DeviceSteps device{*lowered.device, row, lowerTile,
                            attn::gpu::lowerTileAt,
                            /*startsEarly=*/options.gpu->hopper};
    cpu::CascadeLowering lowering(cascade, *lowered.module, host,
                                  prefixOf(cascade, *options.targets.front()),
                                  nullptr, &device);
    if (failed(lowering.lower()))
      return diagnosed();
    lowered.workspace.push_back(lowering.workspaceFormula());
    lowered.slots.push_back(lowering.numSlots());
    for (cpu::DeviceKernel &kernel : device.kernels) {
      lowered.kernels.push_back(std::move(kernel));
      lowered.words.push_back(cpu::Frame::parameterWords(cascade) +
                              lowering.numSlots());
    }
  }
  return lowered;
}

llvm::Expected<Lowered> attn::lowerCascades(ModuleOp cascades,
                                            const CodegenOptions &options) {
  MLIRContext *ctx = cascades.getContext();
  ctx->loadDialect<arith::ArithDialect, func::FuncDialect, math::MathDialect,
                   scf::SCFDialect, vector::VectorDialect, LLVM::LLVMDialect>();
  Lowered lowered;
  lowered.module = ModuleOp::create(cascades.getLoc());
  if (options.gpu)
    return lowerForGpu(cascades, options, std::move(lowered));
  for (const Target *target : options.targets) {
    cpu::CpuTarget row = target->forLowering();
    std::unique_ptr<cpu::KernelLowering> kernels;
    if (options.kernels)
      kernels = options.kernels(row);
    auto other = options.scheduled.find(target);
    ModuleOp own = other == options.scheduled.end() ? cascades : other->second;
    for (auto cascade : own.getOps<CascadeOp>()) {
      cpu::CascadeLowering lowering(cascade, *lowered.module, row,
                                    prefixOf(cascade, *target), kernels.get());
      if (failed(lowering.lower()))
        return diagnosed();
      if (target == options.targets.front())
        lowered.workspace.push_back(lowering.workspaceFormula());
    }
  }
  return lowered;
}

/// A function of libm: of reals alone. Nobody reads errno, so that calls may
/// move out of loops and be shared.
static bool isOfReals(const llvm::Function &function) {
  auto isReal = [](llvm::Type *type) { return type->isFloatingPointTy(); };
  return !function.isIntrinsic() && isReal(function.getReturnType()) &&
         llvm::all_of(function.getFunctionType()->params(), isReal);
}

/// Everything is internal but what the tables export; each function gets the
/// CPU of its target.
static void setAttributes(llvm::Module &module, ModuleOp cascades,
                          const CodegenOptions &options) {
  for (llvm::GlobalVariable &variable : module.globals())
    if (!variable.isDeclaration())
      variable.setLinkage(llvm::GlobalValue::InternalLinkage);
  for (llvm::Function &function : module) {
    function.addFnAttr(llvm::Attribute::NoUnwind);
    if (function.isDeclaration()) {
      if (isOfReals(function)) {
        function.setDoesNotAccessMemory();
        function.setWillReturn();
        function.setSpeculatable();
      }
      continue;
    }
    function.setLinkage(llvm::GlobalValue::InternalLinkage);
    for (const Target *target : options.targets)
      for (auto cascade : cascades.getOps<CascadeOp>()) {
        if (!function.getName().starts_with(prefixOf(cascade, *target) + "_"))
          continue;
        function.addFnAttr("target-cpu", target->cpu);
        if (!target->tune.empty())
          function.addFnAttr("tune-cpu", target->tune);
        if (!target->features.empty())
          function.addFnAttr("target-features", target->features);
        if (target->avx512)
          function.addFnAttr("prefer-vector-width", "512");
      }
  }
}

/// The code of the kernels, and the records that run() launches them by.
static llvm::Error addKernels(Generated &result, Lowered &lowered,
                              const CodegenOptions &options, Tables &tables) {
  auto code =
      emitPtx(*lowered.device, lowered.kernels, lowered.words, *options.gpu);
  if (!code)
    return code.takeError();
  result.deviceLlvm = std::move(code->llvm);
  result.ptx = std::move(code->ptx);
  std::string ptxas = options.assemble ? findPtxas() : "";
  if (!ptxas.empty()) {
    auto cubin = assemble(ptxas, result.ptx, *options.gpu);
    if (!cubin)
      return cubin.takeError();
    result.cubin = std::move(*cubin);
  }
  std::vector<DeviceImage> images;
  if (!result.cubin.empty())
    images.push_back({options.gpu->arch.str(), result.cubin, false});
  images.push_back({options.gpu->arch.str(), result.ptx, true});
  tables.addKernels(images, lowered.kernels, lowered.words);
  return llvm::Error::success();
}

/// What the kernels of a cascade want of the processor.
static uint32_t kernelFlags(CascadeOp cascade, llvm::Module &module,
                            const Target &target) {
  uint32_t flags = 0;
  // Exponentials of scores far below the largest are denormals, and slow.
  if (!cascade.getBody().getOps<tile::KernelOp>().empty())
    flags |= ATTN_ENTRY_FLUSH_DENORMALS;
  if (target.amx && module.getFunction("llvm.x86.tilestored64.internal"))
    flags |= ATTN_ENTRY_USES_AMX;
  return flags;
}

llvm::Expected<Generated> attn::generate(ModuleOp cascades,
                                         const CodegenOptions &options) {
  auto lowered = lowerCascades(cascades, options);
  if (!lowered)
    return lowered.takeError();
  ModuleOp module = *lowered->module;
  if (failed(cpu::lowerToLLVM(module)))
    return diagnosed();
  DialectRegistry registry;
  registerAllToLLVMIRTranslations(registry);
  cascades.getContext()->appendDialectRegistry(registry);

  auto machine = makeTargetMachine(*options.targets.front());
  if (!machine)
    return machine.takeError();
  Generated result;
  result.context = std::make_unique<llvm::LLVMContext>();
  result.module = translateModuleToLLVMIR(module, *result.context, "attn");
  if (!result.module)
    return diagnosed();
  result.module->setTargetTriple((*machine)->getTargetTriple());
  result.module->setDataLayout((*machine)->createDataLayout());
  setAttributes(*result.module, cascades, options);

  result.manifest = writeManifest(cascades, options, lowered->workspace);
  Tables tables(*result.module);
  if (options.gpu)
    if (llvm::Error error = addKernels(result, *lowered, options, tables))
      return error;
  for (auto [number, cascade] : llvm::enumerate(cascades.getOps<CascadeOp>())) {
    std::vector<EntryVersion> versions;
    for (const Target *target : options.targets) {
      std::string prefix = prefixOf(cascade, *target);
      llvm::StringRef name = options.gpu ? options.gpu->name : target->name;
      uint32_t flags = options.entryFlags;
      if (options.gpu)
        flags |= ATTN_ENTRY_CUDA;
      else
        flags |= kernelFlags(cascade, *result.module, *target);
      versions.push_back({name.str(), flags,
                          options.gpu ? lowered->slots[number] : 0,
                          result.module->getFunction(prefix + "_workspace"),
                          result.module->getFunction(prefix + "_run")});
    }
    tables.addEntry(cascade, symbolName(cascade.getSymName()), versions);
  }
  tables.finish(compilerVersion(), result.manifest);
  return result;
}

/// Is all of it for vectors of 512 bits, and so for 32 of them?
static bool areVectorsWide(const llvm::Module &module) {
  return llvm::all_of(module, [](const llvm::Function &function) {
    return !function.hasFnAttribute("target-cpu") ||
           function.hasFnAttribute("prefer-vector-width");
  });
}

CodegenScope::CodegenScope(const llvm::Module &module) {
  if (!areVectorsWide(module))
    return;
  auto &options = llvm::cl::getRegisteredOptions();
  auto it = options.find("disable-lsr");
  if (it == options.end())
    return;
  auto *found = static_cast<llvm::cl::opt<bool> *>(it->second);
  if (*found)
    return;
  option = found;
  option->setValue(true);
}

CodegenScope::~CodegenScope() {
  if (option)
    option->setValue(false);
}

namespace {
/// Passes with all analyses registered.
struct Optimiser {
  explicit Optimiser(llvm::TargetMachine &machine)
      : builder(&machine, tuning()) {
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, components, modules);
  }

  /// Tile kernels are unrolled where it pays, and compile time is a feature.
  static llvm::PipelineTuningOptions tuning() {
    llvm::PipelineTuningOptions tuning;
    tuning.LoopVectorization = true;
    tuning.SLPVectorization = false;
    tuning.LoopUnrolling = false;
    return tuning;
  }

  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder;
};
} // namespace

// O2 takes three times as long. Functions come as structured loops over SSA
// values and call none of ours, so that there is nothing to promote, to inline
// or to deduce of arguments, and keep in values what they read again; vectors
// are written by the lowering, and the loop vectoriser is for what is left.
void attn::optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  constexpr llvm::StringLiteral pipeline =
      "function(simplifycfg,early-cse,instcombine<no-verify-fixpoint>,"
      "loop-simplify,lcssa,loop-mssa(loop-rotate,licm),gvn<no-memdep>,"
      "loop-vectorize,early-cse,instcombine<no-verify-fixpoint>,"
      "loop-mssa(licm),simplifycfg)";
  Optimiser optimiser(machine);
  llvm::ModulePassManager passes;
  llvm::cantFail(optimiser.builder.parsePassPipeline(passes, pipeline));
  passes.run(module, optimiser.modules);
}

void attn::optimiseForDevice(llvm::Module &module,
                             llvm::TargetMachine &machine) {
  Optimiser optimiser(machine);
  optimiser.builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2)
      .run(module, optimiser.modules);
}
