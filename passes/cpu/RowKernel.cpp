//===- RowKernel.cpp - kernels that run a row at a time ---------*- C++ -*-===//
#include "passes/cpu/RowKernel.h"
#include "passes/cpu/Formats.h"
#include "passes/cpu/Recurrence.h"
#include "passes/cpu/tile/TileToCpu.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

constexpr int64_t alignment = 64;

RowKernel::RowKernel(const Plan &plan, const Step &step, DeviceSteps *device)
    : plan(plan), step(step), device(device) {
  KernelOp kernel = step.rows;
  ScheduleAttr schedule = kernel.getScheduleAttr();
  llvm::append_range(parallel, schedule.getParallel());
  stream = schedule.getStream();
  if (schedule.getTile())
    for (NamedAttribute tile : schedule.getTile()) {
      blocked = tile.getName();
      block = cast<IntegerAttr>(tile.getValue()).getInt();
    }
  findWindows();
}

/// Consumers first: a unit computes the rows that its readers touch.
void RowKernel::findWindows() {
  if (!blocked)
    return;
  for (const Step &inner : llvm::reverse(step.inner)) {
    Window own;
    for (unsigned u : inner.units)
      own.unite(windows.lookup(u));
    for (unsigned u : inner.units) {
      windows[u] = own;
      const Unit &unit = plan.units[u];
      for (const TensorAccess &access : accessesOf(unit.op)) {
        auto window = windowOf(plan.cascade, unit.op, access, blocked);
        Value tensor = plan.storedTensor(access.tensor);
        for (unsigned w : step.units)
          if (window && !llvm::is_contained(inner.units, w) &&
              llvm::any_of(plan.units[w].targets, [&](const Target &target) {
                return target.tensor == tensor;
              }))
            windows[w].unite(own + *window);
      }
    }
  }
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// Scratch that units use one after the other.
Value RowKernel::sharedBytes(Frame &frame) const {
  CodeBuilder &b = frame.prologue;
  Value bytes = b.i64(0);
  for (unsigned u : step.units) {
    if (auto kernel = dyn_cast<tile::KernelOp>(plan.units[u].op))
      bytes = b.max(bytes, tileScratchBytes(b, kernel, [&](StringAttr rank) {
                      return frame.extent(rank);
                    }));
    else if (Value own = UnitEmitter::scratchBytes(frame, plan.units[u]))
      bytes = b.max(bytes, own);
  }
  return b.bitAnd(saturatingAdd(b, bytes, b.i64(alignment - 1)),
                  b.i64(-alignment));
}

bool RowKernel::accumulates(unsigned unit) const {
  auto einsum = dyn_cast<EinsumOp>(plan.units[unit].op);
  return stream && einsum && llvm::is_contained(einsum.getReduced(), stream);
}

Value RowKernel::layout(Frame &frame, std::vector<Place> &places,
                        llvm::MapVector<unsigned, Value> &states) const {
  CodeBuilder &b = frame.prologue;
  Value offset = sharedBytes(frame);
  auto take = [&](Value bytes) {
    Value start = offset;
    Value aligned = b.bitAnd(saturatingAdd(b, bytes, b.i64(alignment - 1)),
                             b.i64(-alignment));
    offset = saturatingAdd(b, offset, aligned);
    return start;
  };
  for (Value tensor : plan.rowTensors(step.rows)) {
    const Placement &placement = plan.placement(tensor);
    Place place;
    place.tensor = tensor;
    Storage &s = place.storage;
    s.element = placement.element;
    s.exact = plan.facts.isExact(tensor);
    SmallVector<Value> sizes;
    StorageMap::box(frame, tensor, placement, s.low, s.high, sizes);
    s.anchor = s.low;
    ArrayRef<StringAttr> ranks =
        cast<NamedTensorType>(tensor.getType()).getRanks();
    s.strides.resize(ranks.size());
    Value stride = b.i64(1);
    for (size_t axis = ranks.size(); axis-- > 0;) {
      s.extents.insert(s.extents.begin(), frame.extent(ranks[axis]));
      bool fixed =
          llvm::is_contained(parallel, ranks[axis]) || ranks[axis] == stream;
      s.strides[axis] = fixed ? b.i64(0) : stride;
      if (!fixed)
        stride = saturatingMul(b, stride, sizes[axis]);
    }
    // Rows of a block lie furthest apart.
    if (int64_t axis =
            blocked ? llvm::find(ranks, blocked) - ranks.begin() : -1;
        axis >= 0) {
      Window window;
      for (unsigned u : step.units)
        if (llvm::any_of(plan.units[u].targets, [&](const Target &target) {
              return target.tensor == tensor;
            }))
          window.unite(windowOfUnit(u));
      place.blockedAxis = axis;
      s.strides[axis] = stride;
      stride =
          saturatingMul(b, stride, b.i64(block + window.high - window.low));
    }
    place.size = stride;
    place.offset = take(
        saturatingMul(b, stride, b.i64(storedBits(placement.element) / 8)));
    if (placement.presenceSlot >= 0)
      place.presenceOffset = take(stride);
    places.push_back(std::move(place));
  }
  for (unsigned u : step.units)
    if (accumulates(u))
      states[u] = take(UnitEmitter::stateBytes(frame, plan.units[u], parallel));
  return offset;
}

void RowKernel::clear(CodeBuilder &b, Value bytes, Value size) const {
  Value zero = b.integer(b.getI8Type(), 0);
  if (!team) {
    LLVM::MemsetOp::create(b, bytes, zero, size, /*isVolatile=*/false);
    return;
  }
  auto op = scf::ForOp::create(b, team->thread, size, team->threads);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  b.store(zero, b.gep(b.getI8Type(), bytes, op.getInductionVar()));
}

/// Makes the rows' memory known, for the block that begins at row `first`.
void RowKernel::bindRows(StepFunction &f, ArrayRef<Place> places, Value scratch,
                         Value first) {
  CodeBuilder &b = f.b;
  bool cleared = false;
  for (const Place &place : places) {
    Storage s = place.storage;
    s.base = b.gep(b.getI8Type(), scratch, place.offset);
    if (place.presenceOffset) {
      s.presence = b.gep(b.getI8Type(), scratch, place.presenceOffset);
      // Equations may leave holes in their box.
      if (plan.placement(place.tensor).equations) {
        cleared = true;
        clear(b, s.presence, place.size);
      }
    }
    // The memory begins at the lowest point of the box, in the blocked rank at
    // the window's first row.
    Value start;
    for (size_t axis = 0; axis < s.strides.size(); ++axis) {
      Value low = s.low[axis];
      if (int64_t(axis) == place.blockedAxis) {
        Window window;
        for (unsigned u : step.units)
          if (llvm::any_of(plan.units[u].targets, [&](const Target &target) {
                return target.tensor == place.tensor;
              }))
            window.unite(windowOfUnit(u));
        low = s.anchor[axis] = b.add(first, b.i64(window.low));
      }
      Value term = b.mul(low, s.strides[axis]);
      start = start ? b.add(start, term) : term;
    }
    if (start) {
      Value back = b.sub(b.i64(0), start);
      s.base = b.gep(rawType(b.target, s.element), s.base, back);
      if (s.presence)
        s.presence = b.gep(b.getI8Type(), s.presence, back);
    }
    f.storages.bind(place.tensor, std::move(s));
  }
  if (cleared && team)
    emitBarrier(b);
}

//===----------------------------------------------------------------------===//
// Code
//===----------------------------------------------------------------------===//

LogicalResult RowKernel::emitRow(StepFunction &f, const Step &inner,
                                 const Coordinates &at) {
  if (!inner.recurrent) {
    emitterOf(f).emit(plan.units[inner.units.front()], at);
    return success();
  }
  // A thread walks a recurrence.
  UnitEmitter emitter(f.b, f.storages, f.worker);
  Recurrence recurrence(plan, inner);
  SmallVector<StringAttr> outer;
  for (StringAttr rank : recurrence.parallelRanks())
    if (!at.contains(rank))
      outer.push_back(rank);
  LogicalResult result = success();
  std::function<void(Coordinates, size_t)> nest = [&](Coordinates here,
                                                      size_t depth) {
    if (depth == outer.size()) {
      if (failed(recurrence.emit(f.b, emitter, f.frame, here)))
        result = failure();
      return;
    }
    f.b.loop(f.b.i64(0), f.frame.extent(outer[depth]), [&](Value i) {
      Coordinates next = here;
      next[outer[depth]] = i;
      nest(next, depth + 1);
    });
  };
  if (!team) {
    nest(at, 0);
    return result;
  }
  // Orders sort in the memory of the worker, one at a time.
  if (llvm::any_of(inner.units, [&](unsigned u) {
        return isa<OrderOp>(plan.units[u].op);
      })) {
    f.b.ifThen(f.b.compare(CmpIPredicate::eq, team->thread, f.b.i64(0)),
               [&] { nest(at, 0); });
    emitBarrier(f.b);
    return result;
  }
  Value points = f.b.i64(1);
  for (StringAttr rank : outer)
    points = f.b.mul(points, f.frame.extent(rank));
  auto op = scf::ForOp::create(f.b, team->thread, points, team->threads);
  {
    OpBuilder::InsertionGuard guard(f.b);
    f.b.setInsertionPointToStart(op.getBody());
    Coordinates here = at;
    Value rest = op.getInductionVar();
    for (StringAttr rank : outer) {
      Value extent = f.frame.extent(rank);
      here[rank] = arith::RemUIOp::create(f.b, rest, extent);
      rest = arith::DivUIOp::create(f.b, rest, extent);
    }
    if (failed(recurrence.emit(f.b, emitter, f.frame, here)))
      result = failure();
  }
  emitBarrier(f.b);
  return result;
}

UnitEmitter RowKernel::emitterOf(StepFunction &f) const {
  UnitEmitter emitter(f.b, f.storages, f.worker);
  if (team)
    emitter.share(*team);
  return emitter;
}

void RowKernel::emitTile(StepFunction &f, tile::KernelOp kernel,
                         const Coordinates &at, Value scratch) {
  if (device)
    device->lowerTileAt(f, kernel, at, scratch);
  else
    lowerTileKernelAt(f, kernel, at, scratch);
}

LogicalResult RowKernel::emitStep(StepFunction &f, const Step &inner,
                                  const Coordinates &at, Value first,
                                  Value scratch) {
  CodeBuilder &b = f.b;
  const Unit &unit = plan.units[inner.units.front()];
  auto kernel = dyn_cast<tile::KernelOp>(unit.op);
  if (!blocked) {
    if (!kernel)
      return emitRow(f, inner, at);
    emitTile(f, kernel, at, scratch);
    return success();
  }
  if (kernel && rowsAtATime(plan.cascade, kernel, blocked) == block) {
    Coordinates here = at;
    for (StringAttr step : strings(kernel.getGrid()))
      if (stepSize(plan.cascade, step, blocked))
        here[step] = arith::DivUIOp::create(b, first, b.i64(block));
    emitTile(f, kernel, here, scratch);
    return success();
  }
  Window window = windowOfUnit(inner.units.front());
  Value low = b.max(b.add(first, b.i64(window.low)), b.i64(0));
  Value high =
      b.min(b.add(first, b.i64(block + window.high)), f.frame.extent(blocked));
  LogicalResult result = success();
  b.loop(low, high, [&](Value row) {
    Coordinates here = at;
    here[blocked] = row;
    if (kernel)
      emitTile(f, kernel, here, scratch);
    else if (failed(emitRow(f, inner, here)))
      result = failure();
  });
  return result;
}

/// How many work items a rank gives.
Value RowKernel::items(Frame &frame, StringAttr rank) const {
  CodeBuilder &b = frame.prologue;
  Value extent = frame.extent(rank);
  if (rank != blocked)
    return extent;
  return arith::DivUIOp::create(b, b.add(extent, b.i64(block - 1)),
                                b.i64(block));
}

LogicalResult RowKernel::lower(CascadeLowering &lowering) {
  for (unsigned u : step.units)
    if (auto kernel = dyn_cast<tile::KernelOp>(plan.units[u].op))
      if (failed(prepareTileKernel(kernel)))
        return failure();
  lowering.requestScratch([this](CodeBuilder &, Frame &frame) -> Value {
    std::vector<Place> places;
    llvm::MapVector<unsigned, Value> states;
    return layout(frame, places, states);
  });
  LogicalResult result = success();
  auto body = [&](StepFunction &f) {
    CodeBuilder &b = f.b;
    if (device)
      team = emitTeam(b);
    std::vector<Place> places;
    llvm::MapVector<unsigned, Value> states;
    layout(f.frame, places, states);
    Value scratch = f.frame.scratch(b, f.worker);
    // Known before the loop, so that all its code sees them.
    SmallVector<Value> counts;
    for (StringAttr rank : parallel)
      counts.push_back(items(f.frame, rank));
    b.loop(f.begin, f.end, [&](Value item) {
      Coordinates at;
      Value rest = item, first;
      for (size_t i = parallel.size(); i-- > 0;) {
        Value coordinate = rest;
        if (i) {
          coordinate = arith::RemUIOp::create(b, rest, counts[i]);
          rest = arith::DivUIOp::create(b, rest, counts[i]);
        }
        if (parallel[i] == blocked)
          first = b.mul(coordinate, b.i64(block));
        else
          at[parallel[i]] = coordinate;
      }
      if (!stream) {
        bindRows(f, places, scratch, first);
        for (const Step &inner : step.inner)
          if (failed(emitStep(f, inner, at, first, scratch)))
            result = failure();
        return;
      }
      auto part = [&](unsigned u, const Coordinates &here,
                      UnitEmitter::Part which) {
        UnitEmitter emitter = emitterOf(f);
        Value memory = b.gep(b.getI8Type(), scratch, states.lookup(u));
        emitter.emitPart(plan.units[u], here, which, stream, memory);
      };
      for (auto &[u, offset] : states)
        part(u, at, UnitEmitter::Part::Start);
      b.loop(b.i64(0), f.frame.extent(stream), [&](Value row) {
        Coordinates here = at;
        here[stream] = row;
        bindRows(f, places, scratch, first);
        for (const Step &inner : step.inner)
          if (unsigned u = inner.units.front(); accumulates(u))
            part(u, here, UnitEmitter::Part::Step);
          else if (failed(emitStep(f, inner, here, first, scratch)))
            result = failure();
      });
      // Results that nobody reads are rows as well: known here, too.
      bindRows(f, places, scratch, first);
      for (auto &[u, offset] : states)
        part(u, at, UnitEmitter::Part::End);
    });
  };
  DeviceKernel kernel;
  kernel.itemABlock = true;
  func::FuncOp function =
      device ? lowering.deviceStep(kernel, body) : lowering.step(body);
  if (failed(result))
    return failure();
  lowering.parallelFor(
      function,
      [&](RunFunction &run) {
        Value count = run.frame.prologue.i64(1);
        for (StringAttr rank : parallel)
          count = run.frame.prologue.mul(count, items(run.frame, rank));
        return count;
      },
      [&](RunFunction &run) { return run.b.i64(1); });
  return success();
}

std::string RowKernel::formula() const {
  std::string text;
  CascadeOp cascade = plan.cascade;
  for (Value tensor : plan.rowTensors(step.rows)) {
    const Placement &placement = plan.placement(tensor);
    unsigned bytes =
        storedBits(placement.element) / 8 + (placement.presenceSlot >= 0);
    text += (text.empty() ? "" : " + ") + std::to_string(bytes);
    for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks()) {
      auto known = cascade.staticExtent(rank);
      if (rank == blocked)
        text += " * " + std::to_string(block);
      else if (!llvm::is_contained(parallel, rank) && rank != stream)
        text +=
            known ? " * " + std::to_string(*known) : " * |" + rank.str() + "|";
    }
  }
  return text;
}
