//===- Lowering.cpp - loops and memory of tile kernels ----------*- C++ -*-===//
#include "passes/cpu/tile/Lowering.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

Type cpu::realOf(MLIRContext *ctx, TypeRange types) {
  bool wide = llvm::any_of(types, [](Type type) {
    auto tile = dyn_cast<tile::TileType>(type);
    return tile && tile.getElementType().isF64();
  });
  return wide ? Type(Float64Type::get(ctx)) : Float32Type::get(ctx);
}

/// Reals of the kernel's scalars: f64 as soon as a tile is.
static Type realOfKernel(tile::KernelOp kernel) {
  SmallVector<Type> types;
  kernel.getBody().walk(
      [&](Operation *op) { llvm::append_range(types, op->getResultTypes()); });
  return realOf(kernel.getContext(), types);
}

TileLowering::TileLowering(CodeBuilder &b, TileSurroundings &outside,
                           tile::KernelOp kernel, TileBuffers &buffers,
                           Value scratch)
    : b(b), outside(outside), kernel(kernel),
      scalars(b, outside, realOfKernel(kernel), {}), buffers(buffers),
      scratch(scratch) {}

//===----------------------------------------------------------------------===//
// Loops and memory
//===----------------------------------------------------------------------===//

Value TileLowering::iota(Type element) {
  SmallVector<Attribute> values;
  for (int64_t lane = 0; lane < lanes(); ++lane)
    values.push_back(b.getIntegerAttr(element, lane));
  return b.constant(DenseElementsAttr::get(vectorOf(element), values));
}

static scf::ForOp emitLoop(CodeBuilder &b, Value low, Value high, int64_t step,
                           ValueRange carried, TileLowering::Body body) {
  auto op = scf::ForOp::create(b, low, high, b.i64(step), carried);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(op.getBody());
  TileLowering::Values next =
      body(op.getInductionVar(), op.getRegionIterArgs());
  if (!next.empty())
    scf::YieldOp::create(b, next);
  return op;
}

TileLowering::Values TileLowering::loop(Value low, Value high, int64_t step,
                                        ValueRange carried, Body body) {
  auto first = getConstantIntValue(low), end = getConstantIntValue(high);
  if (!asksMeanwhile || !first || !end)
    return Values(emitLoop(b, low, high, step, carried, body).getResults());
  // Loops of alternatives ask for the same, loops in it for nothing.
  int64_t before = asking.asked, turns = llvm::divideCeil(*end - *first, step);
  asksMeanwhile = false;
  auto op =
      emitLoop(b, low, high, step, carried, [&](Value counter, ValueRange in) {
        ask(arith::DivUIOp::create(b, b.sub(counter, low), b.i64(step)), turns,
            1);
        return body(counter, in);
      });
  askedMeanwhile =
      std::max(askedMeanwhile, std::exchange(asking.asked, before));
  asksMeanwhile = true;
  return Values(op.getResults());
}

void TileLowering::loop(Value low, Value high, int64_t step,
                        llvm::function_ref<void(Value)> body) {
  loop(low, high, step, {}, [&](Value counter, ValueRange) {
    body(counter);
    return Values();
  });
}

TileLowering::Values TileLowering::scalarLoop(Value low, Value high,
                                              ValueRange carried, Body body) {
  auto op = emitLoop(b, low, high, 1, carried, body);
  auto vectorise = LLVM::LoopVectorizeAttr::get(
      b.getContext(), /*disable=*/b.getBoolAttr(true), {}, {}, {}, {}, {}, {});
  op->setAttr("llvm.loop_annotation",
              LLVM::LoopAnnotationAttr::get(b.getContext(), {}, vectorise, {},
                                            {}, {}, {}, {}, {}, {}, {}, {}, {},
                                            {}, {}, {}));
  return Values(op.getResults());
}

void TileLowering::nest(ArrayRef<Value> low, ArrayRef<Value> high,
                        llvm::function_ref<void(ArrayRef<Value>)> body) {
  Values at;
  std::function<void(size_t)> rest = [&](size_t axis) {
    if (axis == low.size())
      return body(at);
    loop(low[axis], high[axis], 1, [&](Value counter) {
      at.push_back(counter);
      rest(axis + 1);
      at.pop_back();
    });
  };
  rest(0);
}

Value TileLowering::offset(CodeBuilder &b, ArrayRef<Value> at,
                           ArrayRef<Value> strides) {
  Value sum = b.i64(0);
  for (auto [coordinate, stride] : llvm::zip(at, strides))
    sum = b.add(sum, b.mul(coordinate, stride));
  return sum;
}

static unsigned alignmentOf(Type type) {
  return getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8;
}

Value TileLowering::load(Type type, Value base, Value offset) {
  Value pointer = b.gep(getElementTypeOrSelf(type), base, offset);
  return LLVM::LoadOp::create(b, type, pointer, alignmentOf(type));
}

void TileLowering::store(Value value, Value base, Value offset) {
  Type type = value.getType();
  Value pointer = b.gep(getElementTypeOrSelf(type), base, offset);
  LLVM::StoreOp::create(b, value, pointer, alignmentOf(type));
}

void TileLowering::fillBytes(const Tile &tile, Value base, Value scalar) {
  if (tile.sizes.empty())
    return store(scalar, base, b.i64(0));
  Value vector = b.splat(scalar, vectorOf(scalar.getType()));
  Values low(tile.sizes.size() - 1, b.i64(0));
  nest(low, ArrayRef(tile.sizes).drop_back(), [&](ArrayRef<Value> at) {
    Value row = offset(b, at, tile.strides);
    loop(b.i64(0), tile.sizes.back(), lanes(),
         [&](Value lane) { store(vector, base, b.add(row, lane)); });
  });
}

void TileLowering::fill(const Tile &tile, Value scalar, bool present) {
  fillBytes(tile, tile.base, scalar);
  if (tile.isMasked())
    fillBytes(tile, tile.mask, b.integer(b.getI8Type(), present));
}

void TileLowering::settleMask(Tile &tile) {
  b.ifThen(tile.whole,
           [&] { fillBytes(tile, tile.mask, b.integer(b.getI8Type(), 1)); });
  tile.whole = b.boolean(false);
}

void TileLowering::copyTile(const Tile &from, const Tile &to) {
  auto bytes = [&](Type element, Value source, Value target) {
    if (from.sizes.empty())
      return store(load(element, source, b.i64(0)), target, b.i64(0));
    Values low(from.sizes.size() - 1, b.i64(0));
    nest(low, ArrayRef(from.sizes).drop_back(), [&](ArrayRef<Value> at) {
      Value fromRow = offset(b, at, from.strides);
      Value toRow = offset(b, at, to.strides);
      loop(b.i64(0), from.sizes.back(), lanes(), [&](Value lane) {
        store(load(vectorOf(element), source, b.add(fromRow, lane)), target,
              b.add(toRow, lane));
      });
    });
  };
  bytes(from.element, from.base, to.base);
  if (from.isMasked())
    bytes(b.getI8Type(), from.mask, to.mask);
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

void TileLowering::bindPoint(ValueRange coordinates) {
  for (auto [argument, coordinate] :
       llvm::zip(kernel.getBody().getArguments(), coordinates))
    scalars.bindCoordinate(argument, coordinate);
}

void TileLowering::emitPoint(ValueRange coordinates) {
  bindPoint(coordinates);
  emitBlock(kernel.getBody().front());
}

void TileLowering::emit(Operation &op) {
  llvm::TypeSwitch<Operation *>(&op)
      .Case([&](tile::LoadOp load) { emitTileLoad(*this, load); })
      .Case([&](tile::StoreOp store) { emitTileStore(*this, store); })
      .Case([&](tile::EinsumOp einsum) { emitTileEinsum(*this, einsum); })
      .Case([&](tile::StreamOp stream) { emitStream(stream); })
      .Case([&](tile::YieldOp) {})
      .Default([&](Operation *scalar) { scalars.emit(scalar); });
}

Value TileLowering::takeMemory(Type element, int64_t count) {
  Operation *outside = b.getInsertionBlock()->getParentOp();
  auto function = dyn_cast<FunctionOpInterface>(outside);
  if (!function)
    function = outside->getParentOfType<FunctionOpInterface>();
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(&function.getFunctionBody().front());
  return LLVM::AllocaOp::create(b, b.ptrType(), element, b.i64(count), 64);
}

void TileLowering::emitBlock(Block &block) {
  for (Operation &op : block)
    emit(op);
}

Value TileLowering::integer(Value name) {
  Scalar scalar = scalars.lookup(name);
  Value wide = wideInteger(b, scalar);
  return scalar.present ? b.select(scalar.present, wide, b.i64(0)) : wide;
}

Value TileLowering::holds(Value name) {
  Scalar scalar = scalars.lookup(name);
  return scalar.present ? b.bitAnd(scalar.present, scalar.value) : scalar.value;
}

void TileLowering::startStates(tile::StreamOp stream) {
  Block &body = stream.getBody().front();
  for (auto [argument, init] :
       llvm::zip(body.getArguments().drop_front(), stream.getInit())) {
    Tile state = buffer(argument), start = tile(init);
    if (start.isMasked())
      settleMask(start);
    if (!buffers.shareBuffer(argument, init))
      copyTile(start, state);
    setTile(argument, state);
  }
}

void TileLowering::moveStates(tile::StreamOp stream) {
  Block &body = stream.getBody().front();
  SmallVector<std::pair<Tile, Tile>, 0> moves;
  for (auto [i, next] : llvm::enumerate(body.back().getOperands())) {
    Value argument = body.getArgument(i + 1);
    Tile from = tile(next);
    if (from.isMasked())
      settleMask(from);
    if (auto room = buffers.waitingRoom(b, stream, i, scratch)) {
      copyTile(from, *room);
      moves.emplace_back(*room, tile(argument));
    } else if (!buffers.shareBuffer(argument, next)) {
      moves.emplace_back(from, tile(argument));
    }
  }
  for (auto &[from, to] : moves)
    copyTile(from, to);
}

void TileLowering::finishStates(tile::StreamOp stream) {
  for (auto [result, argument] :
       llvm::zip(stream.getResults(),
                 stream.getBody().front().getArguments().drop_front()))
    setTile(result, tile(argument));
}

void TileLowering::emitStream(tile::StreamOp stream) {
  Block &body = stream.getBody().front();
  startStates(stream);
  using arith::CmpIPredicate;
  Value fullLower = integer(stream.getFullLower());
  Value fullUpper = integer(stream.getFullUpper());
  auto outer = full;
  auto emitWhole = [&] {
    emitStep(body);
    moveStates(stream);
  };
  Value lower = integer(stream.getLower()), upper = integer(stream.getUpper());
  if (part && stream->getParentOp() == kernel) {
    Value each = arith::CeilDivSIOp::create(
        b, b.max(b.sub(upper, lower), b.i64(0)), part->count);
    lower = b.min(b.add(lower, b.mul(part->number, each)), upper);
    upper = b.min(b.add(lower, each), upper);
  }
  auto outerLoop = streamLoop;
  loop(lower, upper, 1, [&](Value step) {
    streamLoop = b.getInsertionBlock()->getParentOp();
    scalars.bindCoordinate(body.getArgument(0), step);
    full = b.bitAnd(b.compare(CmpIPredicate::sge, step, fullLower),
                    b.compare(CmpIPredicate::slt, step, fullUpper));
    if (stream.getClassify().empty()) {
      scalars.setFull(full);
      return emitWhole();
    }
    Block &classify = stream.getClassify().front();
    scalars.bindCoordinate(classify.getArgument(0), step);
    scalars.setFull({});
    emitBlock(classify);
    Value some = holds(classify.back().getOperand(0));
    full = b.bitAnd(full, holds(classify.back().getOperand(1)));
    scalars.setFull(full);
    b.ifThen(some, emitWhole);
  });
  full = outer;
  streamLoop = outerLoop;
  scalars.setFull(full);
  finishStates(stream);
}
