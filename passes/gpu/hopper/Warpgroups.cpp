//===- Warpgroups.cpp - a tile kernel by warpgroups -------------*- C++ -*-===//
#include "passes/gpu/hopper/Warpgroups.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/Formats.h"
#include "passes/gpu/hopper/Reduce.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

// Registers of a thread: the copying warpgroup, the others. Together they are
// what the threads have at entry.
struct RegisterSplit {
  int groups, producer, consumer;
};
static constexpr RegisterSplit splits[] = {
    {1, 40, 232}, {2, 40, 232}, {3, 32, 160}, {4, 24, 112}};
constexpr int64_t barrierBytes = 1024; // and the tiles' alignment

SharedLayout::SharedLayout(const Roles &roles) {
  bytes = barrierBytes;
  for (const SharedLoad &load : roles.loads) {
    tiles.push_back(bytes);
    bytes += load.bytes() * (load.inStream ? stages : 1);
  }
  bytes += barrierBytes; // to align the start
}

DeviceKernel gpu::describeWarpgroups(const Roles &roles) {
  DeviceKernel kernel;
  kernel.threads = 128 + 2 * roles.lanes;
  kernel.itemABlock = kernel.oneItem = kernel.flush = true;
  kernel.scratch = false;
  kernel.sharedBytes = SharedLayout(roles).bytes;
  for (const SharedLoad &load : roles.loads) {
    tile::LoadOp op = load.op;
    DeviceKernel::Map map{load.port, {}};
    int64_t axes = op.getTensor().getType().getRanks().size();
    map.box[0] = 64;
    map.box[axes - 1 - load.rowAxis] = load.rows;
    kernel.maps.push_back(map);
  }
  return kernel;
}

WarpgroupLowering::WarpgroupLowering(CodeBuilder &b, TileSurroundings &outside,
                                     tile::KernelOp kernel, const Roles &roles,
                                     ValueRange maps)
    : b(b), outside(outside), kernel(kernel), roles(roles), layout(roles),
      maps(maps), scalars(b, outside, b.getF32Type(), {}) {}

WarpgroupLowering::Shape WarpgroupLowering::shapeOf(tile::TileType type) const {
  Shape shape;
  shape.lanes = type.rankIndex(roles.lane.getValue()) >= 0;
  if (StringAttr column = roles.columnOf(type))
    shape.columns = Roles::sizeOf(type, column);
  return shape;
}

//===----------------------------------------------------------------------===//
// Shared memory
//===----------------------------------------------------------------------===//

Value WarpgroupLowering::address(int64_t offset, Value stage, int64_t stride) {
  Value result = b.add(shared, b.i32(offset));
  return stage ? b.add(result, b.mul(stage, b.i32(stride))) : result;
}

SharedMatrix WarpgroupLowering::matrix(const SharedLoad &load,
                                       StringAttr reduced) {
  tile::LoadOp op = load.op;
  bool transposed = op.getType().getRanks()[load.rowRank] == reduced;
  Value at = address(layout.tile(numberOf(load)),
                     load.inStream ? stage : Value(), load.bytes());
  return {at, load.rows, transposed};
}

/// Dynamic shared memory of the kernel, from a multiple of 1024.
static Value sharedStart(CodeBuilder &b) {
  constexpr StringLiteral name = "attn_shared";
  constexpr unsigned space = 3;
  auto type = LLVM::LLVMArrayType::get(b.getI8Type(), 0);
  if (!b.module().lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(b.module().getBody());
    LLVM::GlobalOp::create(b, type, /*isConstant=*/false,
                           LLVM::Linkage::External, name, Attribute(),
                           /*alignment=*/1024, space);
  }
  Value pointer = LLVM::AddressOfOp::create(
      b, LLVM::LLVMPointerType::get(b.getContext(), space), name);
  Value address = LLVM::PtrToIntOp::create(b, b.getI32Type(), pointer);
  return b.bitAnd(b.add(address, b.i32(barrierBytes - 1)),
                  b.i32(-barrierBytes));
}

//===----------------------------------------------------------------------===//
// A grid point
//===----------------------------------------------------------------------===//

Value WarpgroupLowering::bound(Value name) {
  Scalar scalar = scalars.lookup(name);
  Value wide = wideInteger(b, scalar);
  return scalar.present ? b.select(scalar.present, wide, b.i64(0)) : wide;
}

void WarpgroupLowering::emitPoint(ValueRange coordinates) {
  Block &body = kernel.getBody().front();
  for (auto [argument, coordinate] :
       llvm::zip(body.getArguments(), coordinates))
    scalars.bindCoordinate(argument, coordinate);
  // Scalars are known to all threads.
  tile::StreamOp stream = roles.stream;
  for (Operation &op : body)
    if (!isa<tile::LoadOp, tile::StoreOp, tile::EinsumOp, tile::StreamOp>(op))
      scalars.emit(&op);
  lower = bound(stream.getLower());
  upper = b.max(bound(stream.getUpper()), lower);
  fullLower = b.min(b.max(bound(stream.getFullLower()), lower), upper);
  fullUpper = b.min(b.max(bound(stream.getFullUpper()), fullLower), upper);

  shared = sharedStart(b);
  thread = specialRegister(b, "tid.x");
  Type i32 = b.getI32Type();
  // Through a shuffle it is known to be the same for a whole warp.
  Value group =
      intrinsic(b, "llvm.nvvm.shfl.sync.idx.i32", i32,
                {b.i32(-1), arith::ShRUIOp::create(b, thread, b.i32(7)),
                 b.i32(0), b.i32(31)});
  int groups = roles.lanes / 64;
  Value isFirst = b.compare(CmpIPredicate::eq, thread, b.i32(0));
  b.ifThen(isFirst, [&] {
    for (const SharedLoad &load : roles.loads)
      for (int64_t s = 0; s < SharedLayout::stages; ++s) {
        barrierInit(b, address(SharedLayout::full(numberOf(load), s)), 1);
        barrierInit(b, address(SharedLayout::empty(numberOf(load), s)),
                    4 * groups);
      }
    barrierInitFence(b);
  });
  emitBarrier(b);
  const RegisterSplit &split = splits[groups - 1];
  b.ifElse(
      b.compare(CmpIPredicate::eq, group, b.i32(0)),
      [&]() -> Values {
        setRegisters(b, split.producer, false);
        b.ifThen(isFirst, [&] { emitProducer(); });
        return {};
      },
      [&]() -> Values {
        setRegisters(b, split.consumer, true);
        Value lane = b.bitAnd(thread, b.i32(31));
        Value warp =
            b.bitAnd(arith::ShRUIOp::create(b, thread, b.i32(5)), b.i32(3));
        groupLane = b.mul(b.sub(group, b.i32(1)), b.i32(64));
        firstLane =
            b.add(groupLane, b.add(b.mul(warp, b.i32(16)),
                                   arith::ShRUIOp::create(b, lane, b.i32(2))));
        firstColumn = b.mul(b.bitAnd(lane, b.i32(3)), b.i32(2));
        emitConsumer();
        return {};
      });
}

//===----------------------------------------------------------------------===//
// The copying warp
//===----------------------------------------------------------------------===//

void WarpgroupLowering::emitCopies(const SharedLoad &load, unsigned number,
                                   Value at) {
  tile::LoadOp op = load.op;
  FastRegion code(b, outside, b.getF32Type(), {});
  code.capture(scalars, op.getIndices());
  Block &block = op.getIndices().front();
  for (Value argument : block.getArguments())
    code.bind(argument, {b.i32(0), {}, {}, true});
  SmallVector<Scalar> indices = code.emit(block);
  Values first; // from the last axis
  for (const Scalar &index : llvm::reverse(indices)) {
    Value i = b.convert(index.value, b.getI32Type());
    // What is not there lies outside, and reads as zeros.
    first.push_back(index.present ? b.select(index.present, i, b.i32(-1 << 30))
                                  : i);
  }
  auto barrierAt = [&](bool full) {
    int64_t offset =
        full ? SharedLayout::full(number, 0) : SharedLayout::empty(number, 0);
    return address(offset, at, 16);
  };
  Value barrier = barrierAt(true);
  barrierExpect(b, barrier, load.bytes());
  Value to = address(layout.tile(number), at, load.bytes());
  Value map = LLVM::PtrToIntOp::create(b, b.getI64Type(), maps[number]);
  for (int64_t panel = 0; panel < load.columns / 64; ++panel) {
    Values coordinates = first;
    coordinates[0] = b.i32(panel * 64);
    copyBox(b, b.add(to, b.i32(panel * load.rows * 128)), map, coordinates,
            barrier);
  }
}

void WarpgroupLowering::emitProducer() {
  Type i32 = b.getI32Type();
  for (const SharedLoad &load : roles.loads)
    if (!load.inStream)
      emitCopies(load, numberOf(load), {});
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  b.loop(lower, upper, [&](Value step) {
    Value count = b.convert(b.sub(step, lower), i32);
    Value at = b.bitAnd(count, b.i32(1));
    Value free = b.bitAnd(
        b.add(arith::ShRUIOp::create(b, count, b.i32(1)), b.i32(1)), b.i32(1));
    scalars.bindCoordinate(body.getArgument(0), step);
    for (Operation &op : body)
      if (!isa<tile::LoadOp, tile::EinsumOp, tile::YieldOp>(op))
        scalars.emit(&op);
    for (Operation &op : body) {
      auto copy = dyn_cast<tile::LoadOp>(op);
      const SharedLoad *load =
          copy ? roles.sharedLoad(copy.getResult()) : nullptr;
      if (!load)
        continue;
      unsigned number = numberOf(*load);
      barrierWait(b, address(SharedLayout::empty(number, 0), at, 16), free);
      emitCopies(*load, number, at);
    }
  });
}

//===----------------------------------------------------------------------===//
// Registers
//===----------------------------------------------------------------------===//

Scalar WarpgroupLowering::element(Value tile, Point point) {
  const Registers &r = tiles.find(tile)->second;
  int64_t i = shapeOf(r.type).at(point.first, point.second);
  Scalar scalar;
  scalar.value = r.values[i];
  if (!r.present.empty())
    scalar.present = r.present[i];
  return scalar;
}

void WarpgroupLowering::bindCoordinates(FastRegion &code, Block &block,
                                        ArrayRef<StringAttr> ranks,
                                        Point point) {
  for (auto [argument, rank] : llvm::zip(block.getArguments(), ranks)) {
    Value at = rank == roles.lane
                   ? b.add(firstLane, b.i32(8 * point.first))
                   : b.add(firstColumn,
                           b.i32(8 * (point.second >> 1) + (point.second & 1)));
    code.bind(argument, {at, {}, {}, true});
  }
}

Scalar WarpgroupLowering::emitRegion(Region &region, tile::TileType space,
                                     StringAttr reduced, ValueRange operands,
                                     Point point) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(scalars, region);
  Block &block = region.front();
  SmallVector<StringAttr> ranks(space.getRanks());
  if (reduced)
    ranks.push_back(reduced);
  bindCoordinates(code, block, ranks, point);
  for (auto [argument, operand] :
       llvm::zip(block.getArguments().drop_front(ranks.size()), operands))
    if (!argument.use_empty())
      code.bind(argument, element(operand, point));
  return tellByValue(b, code.settled(code.emit(block).front()));
}

/// Compiled code computes in the tile's element type.
static Value convertTo(CodeBuilder &b, Value value, Type element) {
  return value.getType().isInteger(1) && !element.isInteger(1)
             ? Value(arith::ExtUIOp::create(b, element, value))
             : b.convert(value, element);
}

void WarpgroupLowering::emitEinsum(tile::EinsumOp op) {
  Registers result{op.getResult().getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  for (int64_t i = 0; i < shape.count(); ++i) {
    Scalar value = emitRegion(op.getMap(), result.type, {}, op.getTiles(),
                              {shape.lane(i), shape.column(i)});
    result.values.push_back(
        convertTo(b, value.value, result.type.getElementType()));
    if (result.type.getMasked())
      result.present.push_back(b.both(value.present, {}));
  }
  tiles[op.getResult()] = result;
}

void WarpgroupLowering::emitReduction(tile::EinsumOp op) {
  Registers result{op.getResult().getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  StringAttr reduced = op.getReduced().empty()
                           ? StringAttr()
                           : cast<StringAttr>(op.getReduced()[0]);
  int64_t columns = reduced ? op.getReducedSizes()[0] / 4 : 1;
  for (int64_t lane = 0; lane < shape.count(); ++lane) {
    SmallVector<Scalar> points;
    for (int64_t column = 0; column < columns; ++column)
      points.push_back(emitRegion(op.getMap(), result.type, reduced,
                                  op.getTiles(), {lane, column}));
    Value sum =
        reducePoints(b, *op.getMonoid(), points, result.type.getElementType());
    if (reduced)
      sum = reduceAcross(b, *op.getMonoid(), sum);
    if (op.getInit())
      sum = combine(b, *op.getMonoid(), element(op.getInit(), {lane, 0}).value,
                    sum);
    result.values.push_back(sum);
  }
  tiles[op.getResult()] = result;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void WarpgroupLowering::waitFor(const SharedLoad *load) {
  if (!load || !waited.insert(load).second)
    return;
  int64_t offset = SharedLayout::full(numberOf(*load), 0);
  if (load->inStream)
    barrierWait(b, address(offset, stage, 16), phase);
  else
    barrierWait(b, address(offset), b.i32(0));
}

/// Stages whose last product `op` is are empty.
void WarpgroupLowering::releaseAfter(Operation *op) {
  for (const SharedLoad &load : roles.loads) {
    if (!load.inStream)
      continue;
    tile::LoadOp source = load.op;
    bool last = llvm::is_contained(source.getResult().getUsers(), op) &&
                llvm::all_of(source.getResult().getUsers(), [&](Operation *o) {
                  return o == op || o->isBeforeInBlock(op);
                });
    if (!last)
      continue;
    Value lane = b.bitAnd(thread, b.i32(31));
    b.ifThen(b.compare(CmpIPredicate::eq, lane, b.i32(0)), [&] {
      barrierArrive(b,
                    address(SharedLayout::empty(numberOf(load), 0), stage, 16));
    });
  }
}

void WarpgroupLowering::emitContraction(tile::EinsumOp op,
                                        const Contraction &c) {
  Registers result{op.getResult().getType(), {}, {}};
  int64_t columns = Roles::sizeOf(result.type, c.column);
  int64_t depth = op.getReducedSizes()[0];
  const SharedLoad *a = roles.sharedLoad(c.a), *right = roles.sharedLoad(c.b);
  tile::LoadOp source = right->op;
  Type element = source.getTensor().getType().getElementType();
  waitFor(a);
  Values fragments;
  if (!a) {
    const Registers &r = tiles.find(c.a)->second;
    auto value = [&](int64_t i) {
      // An absent factor has no part in the sum.
      Value x = r.values[i];
      if (r.present.empty() || !r.present[i] ||
          isZeroWhenAbsent(x, r.present[i]))
        return x;
      return b.select(r.present[i], x, b.real(x.getType(), 0));
    };
    for (int64_t i = 0; i < depth / 2; i += 2)
      fragments.push_back(packPair(b, element, value(i), value(i + 1)));
  }
  waitFor(right);
  Values sum;
  if (op.getInit())
    sum = tiles.find(op.getInit())->second.values;
  SharedMatrix bm = matrix(*right, c.reduced), am;
  if (a)
    am = matrix(*a, c.reduced);
  result.values = multiply(b, element, columns, depth, a ? &am : nullptr,
                           groupLane, fragments, bm, sum);
  tiles[op.getResult()] = result;
  releaseAfter(op);
}

//===----------------------------------------------------------------------===//
// Loads and stores of registers
//===----------------------------------------------------------------------===//

gpu::Values WarpgroupLowering::indicesAt(Region &region, tile::TileType type,
                                         Point point, const Storage &s,
                                         Value &inside) {
  FastRegion code(b, outside, b.getF32Type(), full);
  code.capture(scalars, region);
  Block &block = region.front();
  bindCoordinates(code, block, type.getRanks(), point);
  Values indices;
  for (auto [index, extent] : llvm::zip(code.emit(block), s.extents)) {
    Value i = wideInteger(b, index), in = b.ult(i, extent);
    inside = b.both(inside, b.both(index.present, in));
    indices.push_back(b.select(in, i, b.i64(0)));
  }
  return indices;
}

void WarpgroupLowering::emitLoad(tile::LoadOp op) {
  const Storage &s = outside.storage(op.getTensor());
  Registers result{op.getType(), {}, {}};
  Shape shape = shapeOf(result.type);
  Type type = result.type.getElementType();
  Value zero = isa<FloatType>(type) ? b.real(type, 0) : b.integer(type, 0);
  for (int64_t i = 0; i < shape.count(); ++i) {
    Value inside;
    Values indices = indicesAt(op.getIndices(), result.type,
                               {shape.lane(i), shape.column(i)}, s, inside);
    Value offset = StorageMap::offset(b, s, indices);
    Value value = loadElements(b, s, offset, type);
    if (inside)
      value = b.select(inside, value, zero);
    result.values.push_back(value);
    if (result.type.getMasked())
      result.present.push_back(
          b.both(inside, s.presence ? loadPresence(b, s, offset) : Value()));
  }
  tiles[op.getResult()] = result;
}

void WarpgroupLowering::emitStore(tile::StoreOp op) {
  const Storage &s = outside.result(op.getResult());
  const Registers &r = tiles.find(op.getTile())->second;
  Shape shape = shapeOf(r.type);
  // Threads with equal values: one of them stores.
  Value mine;
  if (!shape.columns)
    mine = b.compare(CmpIPredicate::eq, firstColumn, b.i32(0));
  if (!shape.lanes) {
    Value top = b.compare(CmpIPredicate::eq,
                          shape.columns ? firstLane : firstLane, b.i32(0));
    mine = b.both(mine, top);
  }
  for (int64_t i = 0; i < shape.count(); ++i) {
    Value inside = mine;
    Values indices = indicesAt(op.getIndices(), r.type,
                               {shape.lane(i), shape.column(i)}, s, inside);
    Scalar value;
    value.value = r.values[i];
    if (!r.present.empty())
      value.present = r.present[i];
    b.ifThen(inside, [&] { StorageMap::store(b, s, indices, value); });
  }
}

//===----------------------------------------------------------------------===//
// The stream
//===----------------------------------------------------------------------===//

void WarpgroupLowering::emitBlock(Block &block) {
  for (Operation &op : block)
    llvm::TypeSwitch<Operation *>(&op)
        .Case([&](tile::LoadOp load) {
          if (!roles.sharedLoad(load.getResult()))
            emitLoad(load);
        })
        .Case([&](tile::StoreOp store) { emitStore(store); })
        .Case([&](tile::EinsumOp einsum) {
          if (auto it = roles.contractions.find(einsum);
              it != roles.contractions.end())
            emitContraction(einsum, it->second);
          else if (einsum.getMonoid())
            emitReduction(einsum);
          else
            emitEinsum(einsum);
        })
        .Case([&](tile::StreamOp) { emitStream(); })
        .Case([&](tile::YieldOp) {})
        .Default([&](Operation *scalar) { scalars.emit(scalar); });
}

/// Steps [low, high) from the states in `tiles`, which they replace.
void WarpgroupLowering::emitPart(Value low, Value high, bool isFull) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  ValueRange states = body.getArguments().drop_front();
  Values carried;
  for (Value state : states) {
    const Registers &r = tiles.find(state)->second;
    llvm::append_range(carried, r.values);
    for (auto [i, present] : llvm::enumerate(r.present))
      carried.push_back(present ? present : b.boolean(true));
  }
  auto assign = [&](ValueRange values) {
    size_t next = 0;
    for (Value state : states) {
      Registers &r = tiles.find(state)->second;
      for (Value &value : r.values)
        value = values[next++];
      for (Value &value : r.present)
        value = values[next++];
    }
  };
  full = isFull ? b.boolean(true) : Value();
  scalars.setFull(full);
  auto outerWaited = waited;
  Values after = b.loop(low, high, carried, [&](Value step, ValueRange in) {
    assign(in);
    Value count = b.convert(b.sub(step, lower), b.getI32Type());
    stage = b.bitAnd(count, b.i32(1));
    phase = b.bitAnd(arith::ShRUIOp::create(b, count, b.i32(1)), b.i32(1));
    scalars.bindCoordinate(body.getArgument(0), step);
    emitBlock(body);
    Values next;
    for (auto [value, state] : llvm::zip(body.back().getOperands(), states)) {
      const Registers &r = tiles.find(value)->second;
      llvm::append_range(next, r.values);
      if (cast<tile::TileType>(state.getType()).getMasked())
        for (size_t i = 0; i < r.values.size(); ++i)
          next.push_back(r.present.empty() || !r.present[i] ? b.boolean(true)
                                                            : r.present[i]);
    }
    return next;
  });
  waited = outerWaited;
  assign(after);
  full = {};
  scalars.setFull(full);
}

void WarpgroupLowering::emitStream() {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  ValueRange states = body.getArguments().drop_front();
  for (auto [state, init] : llvm::zip(states, stream.getInit())) {
    Registers start = tiles.find(init)->second;
    if (start.type.getMasked() && start.present.empty())
      start.present.assign(start.values.size(), Value());
    tiles[state] = start;
  }
  // What the products read from outside is there before the loops.
  for (const SharedLoad &load : roles.loads)
    if (!load.inStream)
      waitFor(&load);
  auto isZero = [](Value bound) { return matchPattern(bound, m_Zero()); };
  if (!stream.getClassify().empty()) {
    // No step is full while what `classify` says is not asked here.
    emitPart(lower, upper, false);
  } else {
    if (!isZero(stream.getLower()) || !isZero(stream.getFullLower()))
      emitPart(lower, fullLower, false);
    emitPart(fullLower, fullUpper, true);
    emitPart(fullUpper, upper, false);
  }
  for (auto [result, state] : llvm::zip(stream.getResults(), states)) {
    Registers last = tiles.find(state)->second;
    tiles[result] = last;
  }
}

void WarpgroupLowering::emitConsumer() {
  // Scalars have their values; what uses them comes in order.
  for (Operation &op : kernel.getBody().front())
    llvm::TypeSwitch<Operation *>(&op)
        .Case([&](tile::LoadOp load) {
          if (!roles.sharedLoad(load.getResult()))
            emitLoad(load);
        })
        .Case([&](tile::StoreOp store) { emitStore(store); })
        .Case([&](tile::EinsumOp einsum) {
          if (auto it = roles.contractions.find(einsum);
              it != roles.contractions.end())
            emitContraction(einsum, it->second);
          else if (einsum.getMonoid())
            emitReduction(einsum);
          else
            emitEinsum(einsum);
        })
        .Case([&](tile::StreamOp) { emitStream(); })
        .Default([](Operation *) {});
}
