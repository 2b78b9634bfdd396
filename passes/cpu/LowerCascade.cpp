//===- LowerCascade.cpp - a cascade as functions ----------------*- C++ -*-===//
#include "passes/cpu/LowerCascade.h"
#include "attn/abi.h"
#include "passes/cpu/Formats.h"
#include "passes/cpu/IndexChecks.h"
#include "passes/cpu/Recurrence.h"
#include "passes/cpu/RowKernel.h"
#include "passes/cpu/tile/TileToCpu.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

constexpr int64_t alignment = 64;

static Plan makePlan(CascadeOp cascade, KernelLowering *kernels) {
  auto whole = [&](KernelOp kernel) {
    return kernels && kernels->takes(kernel);
  };
  return Plan(cascade, whole);
}

CascadeLowering::CascadeLowering(CascadeOp cascade, ModuleOp module,
                                 const CpuTarget &target, std::string prefix,
                                 KernelLowering *kernels, DeviceSteps *device)
    : cascade(cascade), module(module), target(target),
      prefix(std::move(prefix)), kernels(kernels), device(device),
      plan(makePlan(cascade, kernels)) {}

CascadeLowering::~CascadeLowering() = default;

func::FuncOp CascadeLowering::function(StringRef suffix, TypeRange inputs,
                                       TypeRange results) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  auto type = b.getFunctionType(inputs, results);
  auto op =
      func::FuncOp::create(b, cascade.getLoc(), prefix + suffix.str(), type);
  op.addEntryBlock();
  return op;
}

/// Letters, digits and underscores: a name in PTX.
static std::string deviceName(StringRef name) {
  std::string result;
  for (char c : name)
    result += c == '\'' ? "_prime" : std::string(1, llvm::isAlnum(c) ? c : '_');
  return result;
}

func::FuncOp
CascadeLowering::deviceStep(DeviceKernel kernel,
                            llvm::function_ref<void(StepFunction &)> body) {
  CodeBuilder b(cascade.getLoc(), cascade.getContext(), device->target);
  Type i64 = b.getI64Type();
  kernel.name = deviceName(prefix + "_step" + std::to_string(steps++));
  b.setInsertionPointToEnd(device->module.getBody());
  SmallVector<Type> arguments{b.ptrType(), i64};
  arguments.append(kernel.maps.size(), b.ptrType());
  auto op =
      func::FuncOp::create(b, kernel.name, b.getFunctionType(arguments, {}));
  op.addEntryBlock();
  b.setInsertionPointToStart(&op.getBody().front());
  Frame frame = Frame::ofParameters(b, cascade, op.getArgument(0));
  StorageMap storages(frame, plan);
  kernel.startsEarly = device->startsEarly;
  if (kernel.startsEarly) {
    emitStartNext(b);
    if (!kernel.waitsItself)
      emitAwaitPrevious(b);
  }
  auto special = [&](StringRef name) -> Value {
    return arith::ExtUIOp::create(b, i64, specialRegister(b, name));
  };
  Value first = special("ctaid.x"), count = special("nctaid.x");
  Value end = op.getArgument(1), lane;
  if (!kernel.itemABlock) {
    Value threads = special("ntid.x");
    first = b.add(b.mul(first, threads), special("tid.x"));
    count = b.mul(count, threads);
  }
  if (kernel.lanes > 1) {
    Value lanes = b.i64(kernel.lanes);
    lane = arith::RemUIOp::create(b, first, lanes);
    for (Value *value : {&first, &count, &end})
      *value = arith::DivUIOp::create(b, *value, lanes);
  }
  Value item = first;
  if (!kernel.tickets) {
    auto items = scf::ForOp::create(b, first, end, count);
    item = items.getInductionVar();
    func::ReturnOp::create(b);
    b.setInsertionPointToStart(items.getBody());
  }
  StepFunction f{op,    b,   frame, storages, item, b.add(item, b.i64(1)),
                 first, lane};
  body(f);
  if (kernel.tickets)
    func::ReturnOp::create(b);
  device->kernels.push_back(std::move(kernel));
  return op;
}

func::FuncOp
CascadeLowering::step(llvm::function_ref<void(StepFunction &)> body,
                      const DeviceKernel &kernel) {
  if (device)
    return deviceStep(kernel, body);
  CodeBuilder b(cascade.getLoc(), cascade.getContext(), target);
  Type i64 = b.getI64Type();
  func::FuncOp op = function("_step" + std::to_string(steps++),
                             {b.ptrType(), i64, i64, i64}, {});
  b.setInsertionPointToStart(&op.getBody().front());
  Frame frame = Frame::ofInvocation(b, cascade, op.getArgument(0));
  StorageMap storages(frame, plan);
  StepFunction f{op,
                 b,
                 frame,
                 storages,
                 op.getArgument(1),
                 op.getArgument(2),
                 op.getArgument(3),
                 {}};
  body(f);
  b.setInsertionPointToEnd(&op.getBody().back());
  func::ReturnOp::create(b);
  return op;
}

void CascadeLowering::parallelFor(
    func::FuncOp step, llvm::function_ref<Value(RunFunction &)> items,
    llvm::function_ref<Value(RunFunction &)> grain) {
  CodeBuilder &b = *runBuilder;
  RunFunction run{b, *runFrame};
  Value count = items(run), size = grain(run);
  auto type = LLVM::LLVMFunctionType::get(
      LLVM::LLVMVoidType::get(b.getContext()),
      {b.ptrType(), b.getI64Type(), b.getI64Type(), b.ptrType()});
  Value body;
  if (device) {
    // Defined once the code of the kernels exists.
    std::string name = step.getName().str();
    if (!module.lookupSymbol(name)) {
      OpBuilder::InsertionGuard guard(b);
      b.setInsertionPointToStart(module.getBody());
      LLVM::GlobalOp::create(b, b.getI8Type(), /*isConstant=*/false,
                             LLVM::Linkage::External, name, Attribute());
    }
    body = LLVM::AddressOfOp::create(b, b.ptrType(), name);
  } else {
    body = UnrealizedConversionCastOp::create(
               b, b.ptrType(),
               ValueRange{func::ConstantOp::create(b, step.getFunctionType(),
                                                   step.getName())})
               .getResult(0);
  }
  Value callee = runFrame->parallelFor();
  LLVM::CallOp::create(
      b, type, ValueRange{callee, runFrame->invocation(), count, size, body});
}

void CascadeLowering::call(func::FuncOp step) {
  if (device) {
    auto one = [](RunFunction &run) { return run.b.i64(1); };
    return parallelFor(step, one, one);
  }
  CodeBuilder &b = *runBuilder;
  func::CallOp::create(
      b, step,
      ValueRange{runFrame->invocation(), b.i64(0), b.i64(1), b.i64(0)});
}

unsigned CascadeLowering::requestSlot(
    std::function<Value(CodeBuilder &, Frame &)> bytes) {
  plan.slots.push_back({{}, 1, std::move(bytes)});
  return plan.slots.size() - 1;
}

void CascadeLowering::requestScratch(
    std::function<Value(CodeBuilder &, Frame &)> bytes) {
  scratch.push_back(std::move(bytes));
}

//===----------------------------------------------------------------------===//
// Steps
//===----------------------------------------------------------------------===//

Value cpu::itemsOf(Frame &frame, ArrayRef<StringAttr> ranks) {
  Value items = frame.prologue.i64(1);
  for (StringAttr rank : ranks)
    items = frame.prologue.mul(items, frame.extent(rank));
  return items;
}

/// The loop over the work items [begin, end): coordinates of `ranks`, the last
/// one fastest.
void CascadeLowering::emitItems(
    ArrayRef<StringAttr> ranks, StepFunction &f,
    llvm::function_ref<void(ArrayRef<Value>)> body) {
  CodeBuilder &b = f.b;
  b.loop(f.begin, f.end, [&](Value item) {
    SmallVector<Value> coordinates(ranks.size());
    Value rest = item;
    for (size_t i = ranks.size(); i-- > 0;) {
      if (i == 0) {
        coordinates[0] = rest;
        break;
      }
      Value extent = f.frame.extent(ranks[i]);
      coordinates[i] = arith::RemUIOp::create(b, rest, extent);
      rest = arith::DivUIOp::create(b, rest, extent);
    }
    body(coordinates);
  });
}

/// Equations may leave holes in their box: no point is present until stored.
/// Before the first of the steps that store to them.
void CascadeLowering::clearPresence(const Step &step) {
  for (unsigned u : step.units)
    for (const Target &target : plan.units[u].targets) {
      if (!target.pattern ||
          !cleared.insert(target.tensor.getDefiningOp()).second)
        continue;
      const Placement &p = plan.placement(target.tensor);
      if (p.presenceSlot < 0 || p.kind == Placement::Rows)
        continue;
      auto bytes = [&](Frame &frame) {
        return StorageMap::bytes(frame, plan, plan.slots[p.presenceSlot]);
      };
      if (device) {
        func::FuncOp function = this->step([&](StepFunction &f) {
          f.b.store(
              f.b.integer(f.b.getI8Type(), 0),
              f.b.gep(f.b.getI8Type(), f.frame.slot(p.presenceSlot), f.begin));
        });
        parallelFor(
            function, [&](RunFunction &run) { return bytes(run.frame); },
            [&](RunFunction &run) { return run.b.i64(1); });
        continue;
      }
      call(this->step([&](StepFunction &f) {
        LLVM::MemsetOp::create(f.b, f.frame.slot(p.presenceSlot),
                               f.b.integer(f.b.getI8Type(), 0), bytes(f.frame),
                               /*isVolatile=*/false);
      }));
    }
}

LogicalResult CascadeLowering::lowerRecurrence(const Step &step) {
  Recurrence recurrence(plan, step);
  SmallVector<StringAttr> ranks = recurrence.parallelRanks();
  for (unsigned u : step.units)
    if (isa<OrderOp>(plan.units[u].op))
      requestScratch([this, u](CodeBuilder &, Frame &frame) {
        return UnitEmitter::scratchBytes(frame, plan.units[u]);
      });
  LogicalResult result = success();
  func::FuncOp function = this->step([&](StepFunction &f) {
    UnitEmitter emitter(f.b, f.storages, f.worker);
    auto emit = [&](ArrayRef<Value> coordinates) {
      Coordinates at;
      for (auto [rank, value] : llvm::zip(ranks, coordinates))
        at[rank] = value;
      if (failed(recurrence.emit(f.b, emitter, f.frame, at)))
        result = failure();
    };
    if (ranks.empty())
      emit({});
    else
      emitItems(ranks, f, emit);
  });
  if (failed(result))
    return failure();
  if (ranks.empty()) {
    call(function);
    return success();
  }
  parallelFor(
      function, [&](RunFunction &run) { return itemsOf(run.frame, ranks); },
      [&](RunFunction &run) { return run.b.i64(1); });
  return success();
}

LogicalResult CascadeLowering::lowerStep(const Step &step) {
  clearPresence(step);
  if (step.rows)
    return rowKernels
        .emplace_back(std::make_unique<RowKernel>(plan, step, device))
        ->lower(*this);
  if (step.recurrent)
    return lowerRecurrence(step);
  const Unit &unit = plan.units[step.units.front()];
  if (auto kernel = dyn_cast<KernelOp>(unit.op))
    return kernels->lower(kernel, *this);
  if (auto kernel = dyn_cast<tile::KernelOp>(unit.op))
    return device ? device->lowerTile(kernel, *this)
                  : lowerTileStep(kernel, *this);
  lowerPlain(unit);
  return success();
}

//===----------------------------------------------------------------------===//
// Workspace and run
//===----------------------------------------------------------------------===//

SmallVector<Value> CascadeLowering::emitOffsets(Frame &frame) {
  CodeBuilder &b = frame.prologue;
  SmallVector<Value> offsets;
  // The table of offsets comes first.
  Value offset = b.i64(llvm::alignTo(8 * plan.slots.size(), alignment));
  for (const Slot &slot : plan.slots) {
    offsets.push_back(offset);
    Value bytes = StorageMap::bytes(frame, plan, slot);
    Value aligned = b.bitAnd(saturatingAdd(b, bytes, b.i64(alignment - 1)),
                             b.i64(-alignment));
    offset = saturatingAdd(b, offset, aligned);
  }
  offsets.push_back(offset);
  return offsets;
}

void CascadeLowering::emitWorkspace() {
  CodeBuilder b(cascade.getLoc(), cascade.getContext(), target);
  func::FuncOp op = function("_workspace", {b.ptrType(), b.ptrType()}, {});
  b.setInsertionPointToStart(&op.getBody().front());
  Frame frame = Frame::ofExtents(b, cascade, op.getArgument(0));
  Value shared = emitOffsets(frame).back();
  Value each = frame.prologue.i64(0);
  for (auto &bytes : scratch)
    each = frame.prologue.max(each, bytes(frame.prologue, frame));
  b.store(shared, op.getArgument(1));
  b.store(each, b.gep(b.getI64Type(), op.getArgument(1), 1));
  func::ReturnOp::create(b);
}

std::string CascadeLowering::workspaceFormula() const {
  std::string text;
  CascadeOp owner = cascade;
  for (const Slot &slot : plan.slots) {
    text += text.empty() ? "" : " + ";
    if (!slot.tensor) {
      text += "kernel state";
      continue;
    }
    text += std::to_string(slot.elementBytes);
    auto type = cast<NamedTensorType>(slot.tensor.getType());
    bool extended = slot.tensor.getDefiningOp<EquationsOp>() != nullptr;
    for (StringAttr rank : type.getRanks()) {
      auto known = owner.staticExtent(rank);
      text +=
          known ? " * " + std::to_string(*known) : " * |" + rank.str() + "|";
    }
    text += extended ? " (and base points)" : "";
  }
  for (const auto &kernel : rowKernels)
    if (std::string each = kernel->formula(); !each.empty())
      text += (text.empty() ? "" : " + ") + ("workers * (" + each + ")");
  return text.empty() ? "0" : text;
}

LogicalResult CascadeLowering::lower() {
  MLIRContext *ctx = cascade.getContext();
  runBuilder = std::make_unique<CodeBuilder>(cascade.getLoc(), ctx, target);
  CodeBuilder &b = *runBuilder;
  func::FuncOp run = function("_run", {b.ptrType()}, {b.getI32Type()});
  b.setInsertionPointToStart(&run.getBody().front());
  runFrame = std::make_unique<Frame>(
      Frame::ofInvocation(b, cascade, run.getArgument(0)));
  // The host does not read what a GPU stores.
  Value status = device ? Value() : emitIndexChecks(b, *runFrame);
  scf::IfOp guarded;
  if (status) {
    Value isFine = b.compare(arith::CmpIPredicate::eq, status, b.i32(0));
    guarded = scf::IfOp::create(b, isFine, /*withElseRegion=*/false);
    b.setInsertionPointToStart(guarded.thenBlock());
  }
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    SmallVector<const Unit *> together = togetherFrom(i);
    if (together.size() > 1) {
      lowerTogether(together);
      i += together.size() - 1;
      continue;
    }
    if (failed(lowerStep(plan.steps[i])))
      return failure();
  }
  if (guarded)
    b.setInsertionPointAfter(guarded);
  func::ReturnOp::create(b, ValueRange{status ? status : b.i32(0)});
  // All slots are known now: the table, before any step runs.
  SmallVector<Value> offsets = emitOffsets(*runFrame);
  offsets.pop_back();
  runFrame->storeOffsets(offsets);
  emitWorkspace();
  return success();
}
