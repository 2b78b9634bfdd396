//===- TileStep.cpp - tile kernels as steps of a cascade --------*- C++ -*-===//
#include "passes/cpu/tile/TileStep.h"
#include "passes/cpu/tile/TileToCpu.h"
#include "passes/gpu/hopper/Warpgroups.h"
#include "passes/gpu/tile/BlockLowering.h"
#include "passes/gpu/tile/TileToGpu.h"
#include "passes/gpu/warp/Warps.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

// Threads of a block in the general lowering.
constexpr int blockThreads = 256;
// Parts of all points of a kernel whose stream is divided.
constexpr int64_t mostParts = 1024;

/// Coordinates of the grid point number `item`.
static SmallVector<Value> gridPoint(CodeBuilder &b, tile::KernelOp kernel,
                                    TileSurroundings &outside, Value item) {
  SmallVector<StringAttr> grid = strings(kernel.getGrid());
  SmallVector<Value> coordinates(grid.size());
  for (size_t axis = grid.size(); axis-- > 0;) {
    Value extent = outside.extent(grid[axis]);
    coordinates[axis] =
        axis ? Value(arith::RemUIOp::create(b, item, extent)) : item;
    if (axis)
      item = arith::DivUIOp::create(b, item, extent);
  }
  return coordinates;
}

static func::FuncOp emitGeneral(tile::KernelOp kernel,
                                CascadeLowering &lowering) {
  DeviceKernel device;
  device.threads = blockThreads;
  device.itemABlock = true;
  return lowering.deviceStep(device, [&](StepFunction &f) {
    StepSurroundings outside(kernel, f);
    TileBuffers buffers(kernel);
    buffers.emitLayout(f.frame.prologue,
                       [&](StringAttr rank) { return outside.extent(rank); });
    // In place of a kernel that divides its points, there are more items.
    Value points =
        tileGridItems(f.frame.prologue, kernel,
                      [&](StringAttr rank) { return outside.extent(rank); });
    f.b.ifThen(f.b.ult(f.begin, points), [&] {
      gpu::BlockLowering code(f.b, outside, kernel, buffers,
                              f.frame.scratch(f.b, f.worker));
      code.emitPoint(gridPoint(f.b, kernel, outside, f.begin));
    });
  });
}

//===----------------------------------------------------------------------===//
// By warps
//===----------------------------------------------------------------------===//

/// Into how many parts the stream of each point is divided: so that the blocks
/// of all parts fill the multiprocessors, or the last round of them does.
static Value partsOf(RunFunction &run, const gpu::WarpRoles &roles,
                     Value points) {
  CodeBuilder &b = run.frame.prologue;
  if (!roles.merge)
    return b.i64(1);
  tile::StreamOp stream = roles.stream;
  points = b.max(points, b.i64(1));
  Value room = b.max(b.mul(run.frame.workers(), b.i64(roles.blocks)), b.i64(1));
  Value few = b.min(arith::DivUIOp::create(b, room, points),
                    arith::DivUIOp::create(b, b.i64(mostParts), points));
  // Rounds of p parts take 1/p of the time of a round of whole points; each
  // part has a cost of its own besides.
  constexpr int64_t most = 4, whole = 120, own = 2;
  Value best = b.i64(1), least;
  for (int64_t p = 1; p <= most; ++p) {
    Value blocks = b.mul(points, b.i64(p));
    Value rounds = arith::CeilDivUIOp::create(b, blocks, room);
    Value cost = b.add(b.mul(rounds, b.i64(whole / p)), b.i64(own * p));
    Value better = least ? b.bitAnd(b.ult(cost, least),
                                    b.ult(blocks, b.i64(mostParts + 1)))
                         : Value();
    best = least ? b.select(better, b.i64(p), best) : best;
    least = least ? b.select(better, cost, least) : cost;
  }
  Value parts =
      b.select(b.compare(arith::CmpIPredicate::sgt, few, b.i64(1)), few, best);
  // A part has two steps or more.
  Value steps = run.frame.extent(stream.getRankAttr());
  Value longest = arith::DivUIOp::create(b, steps, b.i64(2));
  return b.max(b.min(parts, longest), b.i64(1));
}

static void emitWarps(tile::KernelOp kernel, CascadeLowering &lowering,
                      const gpu::WarpRoles &roles, StringRef fallback) {
  DeviceKernel device;
  device.threads = roles.threads();
  device.itemABlock = device.flush = true;
  device.scratch = false;
  device.sharedBytes = roles.bytes();
  device.fallback = fallback.str();
  llvm::SmallDenseSet<unsigned> ports;
  for (const gpu::RowsLoad &load : roles.loads)
    if (ports.insert(load.port).second)
      device.maps.push_back({load.port, {}});
  std::optional<unsigned> slot;
  if (roles.merge) {
    int64_t bytes = mostParts * gpu::WarpLowering::partBytes(roles);
    slot = lowering.requestSlot(
        [bytes](CodeBuilder &b, Frame &) { return b.i64(bytes); });
  }
  auto emit = [&](bool merges) {
    return lowering.deviceStep(device, [&](StepFunction &f) {
      CodeBuilder &b = f.b;
      StepSurroundings outside(kernel, f);
      gpu::WarpLowering code(b, outside, kernel, roles);
      Value points =
          tileGridItems(f.frame.prologue, kernel,
                        [&](StringAttr rank) { return outside.extent(rank); });
      Value parts =
          arith::DivUIOp::create(b, f.function.getArgument(1), points);
      Value memory = slot ? f.frame.slot(*slot) : Value();
      if (merges) {
        b.ifThen(b.ult(f.begin, points), [&] {
          code.emitMerge(gridPoint(b, kernel, outside, f.begin), f.begin, parts,
                         memory);
        });
        return;
      }
      Value point = arith::DivUIOp::create(b, f.begin, parts);
      code.emitPart(gridPoint(b, kernel, outside, point), point,
                    arith::RemUIOp::create(b, f.begin, parts), parts, memory);
    });
  };
  auto launch = [&](func::FuncOp step, bool merges) {
    lowering.parallelFor(
        step,
        [&](RunFunction &run) -> Value {
          CodeBuilder &b = run.frame.prologue;
          Value points = tileGridItems(b, kernel, [&](StringAttr rank) {
            return run.frame.extent(rank);
          });
          Value parts = partsOf(run, roles, points);
          Value items = b.mul(points, parts);
          if (!merges)
            return items;
          return b.select(b.compare(arith::CmpIPredicate::sgt, parts, b.i64(1)),
                          items, b.i64(0));
        },
        [&](RunFunction &run) { return run.b.i64(1); });
  };
  launch(emit(/*merges=*/false), /*merges=*/false);
  if (!roles.merge)
    return;
  device.sharedBytes = roles.mergeBytes();
  launch(emit(/*merges=*/true), /*merges=*/true);
}

void gpu::lowerTileAt(StepFunction &f, tile::KernelOp kernel,
                      const llvm::DenseMap<StringAttr, Value> &at,
                      Value scratch) {
  CodeBuilder &b = f.b;
  StepSurroundings outside(kernel, f);
  TileBuffers buffers(kernel);
  buffers.emitLayout(f.frame.prologue,
                     [&](StringAttr rank) { return outside.extent(rank); });
  gpu::BlockLowering code(b, outside, kernel, buffers, scratch);
  SmallVector<StringAttr> grid = strings(kernel.getGrid());
  SmallVector<Value> coordinates;
  std::function<void()> nest = [&] {
    if (coordinates.size() == grid.size())
      return code.emitPoint(coordinates);
    StringAttr rank = grid[coordinates.size()];
    Value known = at.lookup(rank);
    auto inner = [&](Value i) {
      coordinates.push_back(i);
      nest();
      coordinates.pop_back();
    };
    if (known)
      inner(known);
    else
      b.loop(b.i64(0), outside.extent(rank), inner);
  };
  nest();
}

static func::FuncOp emitWarpgroups(tile::KernelOp kernel,
                                   CascadeLowering &lowering,
                                   const gpu::Roles &roles,
                                   const gpu::SharedLayout &layout,
                                   StringRef fallback) {
  DeviceKernel device = describeWarpgroups(roles, layout);
  device.fallback = fallback.str();
  return lowering.deviceStep(device, [&](StepFunction &f) {
    StepSurroundings outside(kernel, f);
    gpu::WarpgroupLowering code(f.b, outside, kernel, roles, layout,
                                {f.function.getArgument(1), f.frame.tickets(),
                                 f.function.getArguments().drop_front(2)});
    code.emit();
  });
}

/// The port where a result of a kernel is kept.
static std::optional<unsigned> portOf(const Plan &plan, Value result) {
  const Placement &placement = plan.placement(result);
  if (placement.kind != Placement::Output || placement.presenceSlot >= 0)
    return std::nullopt;
  CascadeOp cascade = plan.cascade;
  return cascade.getBody().getNumArguments() + placement.port;
}

unsigned gpu::warpgroupFit(tile::KernelOp kernel, int64_t sharedBytes) {
  gpu::Roles roles(kernel, [](Value result) -> std::optional<unsigned> {
    if (llvm::any_of(result.getUsers(), llvm::IsaPred<ReturnOp>))
      return 0;
    return std::nullopt;
  });
  if (!roles.reason.empty() || !SharedLayout(roles, sharedBytes).bytes)
    return 0;
  if (!roles.overlap)
    return 1;
  constexpr int64_t small = 128;
  bool isWide = roles.lanes > small && roles.boundsDiffer();
  return isWide ? bestWarpgroupFit - 1 : bestWarpgroupFit;
}

LogicalResult gpu::lowerTileStep(tile::KernelOp kernel,
                                 CascadeLowering &lowering, bool warpgroups,
                                 int64_t sharedBytes) {
  if (failed(prepareTileKernel(kernel)))
    return failure();
  lowering.requestScratch([kernel](CodeBuilder &b, Frame &frame) {
    return tileScratchBytes(
        b, kernel, [&](StringAttr rank) { return frame.extent(rank); });
  });
  func::FuncOp general = emitGeneral(kernel, lowering), step = general;
  if (warpgroups) {
    gpu::Roles roles(kernel, [&](Value result) {
      return portOf(lowering.getPlan(), result);
    });
    if (roles.reason.empty()) {
      gpu::SharedLayout layout(roles, sharedBytes);
      if (layout.bytes)
        step = emitWarpgroups(kernel, lowering, roles, layout, step.getName());
    }
  }
  if (step == general) {
    gpu::WarpRoles byWarps(kernel, sharedBytes);
    if (byWarps.reason.empty()) {
      emitWarps(kernel, lowering, byWarps, step.getName());
      return success();
    }
  }
  startGrid(step, kernel, lowering);
  return success();
}
