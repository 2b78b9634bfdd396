//===- Buffers.cpp - where the tiles of a kernel live -----------*- C++ -*-===//
#include "passes/cpu/tile/Buffers.h"
#include "passes/cpu/tile/Index.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

Type cpu::tileMemoryType(Type element) {
  return element.isInteger(1) ? Type(IntegerType::get(element.getContext(), 8))
                              : element;
}

bool cpu::mayBeView(tile::LoadOp load, Type stored) {
  tile::TileType type = load.getType();
  return !type.getMasked() && !type.getRanks().empty() &&
         type.getElementType() == stored && !stored.isInteger(1);
}

bool cpu::mayLieByRows(tile::LoadOp load) {
  tile::TileType type = load.getType();
  return type.getRanks().size() == 2 && !type.getMasked() &&
         isRowGather(load.getIndices()) &&
         llvm::all_of(load->getUsers(), [&](Operation *user) {
           auto op = dyn_cast<tile::EinsumOp>(user);
           return op && op.getInit() != load.getResult();
         });
}

/// How often `op` reads each element of `tile`, if each is read alone: points
/// of the ranks that the tile lacks. Negative: not known.
static int64_t repetitions(tile::EinsumOp op, tile::TileType tile) {
  int64_t product = 1;
  auto count = [&](StringAttr rank, int64_t size) {
    if (tile.rankIndex(rank.getValue()) < 0)
      product = product < 0 || size < 0 ? -1 : product * size;
  };
  tile::TileType result = op.getResult().getType();
  for (auto [rank, size] : llvm::zip(result.getRanks(), result.getSizes()))
    count(rank, size);
  for (auto [rank, size] : llvm::zip(op.getReduced(), op.getReducedSizes()))
    count(cast<StringAttr>(rank), size);
  return product;
}

bool cpu::isReadOnce(tile::LoadOp load) {
  // A block of an einsum serves so many points by one read of an operand.
  constexpr int64_t perRead = 4, mostReads = 2;
  return llvm::all_of(load->getUsers(), [&](Operation *user) {
    auto op = dyn_cast<tile::EinsumOp>(user);
    if (!op || op.getInit() == load.getResult())
      return false;
    int64_t times = repetitions(op, load.getType());
    return times >= 0 && times <= perRead * mostReads;
  });
}

bool cpu::mayKeepCodes(tile::LoadOp load, Type stored) {
  tile::TileType type = load.getType();
  bool isCheap = stored.isBF16() || stored.isF16() || stored.isInteger(8) ||
                 stored.isInteger(32);
  return isCheap && !type.getMasked() && !type.getRanks().empty() &&
         type.getElementType() != stored && isReadOnce(load);
}

//===----------------------------------------------------------------------===//
// Assignment
//===----------------------------------------------------------------------===//

TileBuffers::TileBuffers(tile::KernelOp kernel, Permission mayTake)
    : mayTake(std::move(mayTake)) {
  assign(kernel.getBody().front());
}

void TileBuffers::take(Value value, unsigned buffer) {
  bufferOf[value] = buffer;
  buffers[buffer].masked |= cast<tile::TileType>(value.getType()).getMasked();
}

unsigned TileBuffers::fresh(Value value) {
  buffers.push_back({cast<tile::TileType>(value.getType()).withMask(false)});
  take(value, buffers.size() - 1);
  return buffers.size() - 1;
}

/// `op` is in the block that owns `value` and nothing after it reads it.
static bool isLastUse(Value value, Operation *op) {
  if (value.getParentBlock() != op->getBlock())
    return false;
  return llvm::all_of(value.getUsers(), [&](Operation *user) {
    Operation *here = op->getBlock()->findAncestorOpInBlock(*user);
    return here && (here == op || here->isBeforeInBlock(op));
  });
}

/// The memory is a buffer of ours, not perhaps a tensor's.
static bool isOwned(Value value) {
  return !value.getDefiningOp<tile::LoadOp>();
}

void TileBuffers::assignStream(tile::StreamOp stream) {
  for (auto [i, init] : llvm::enumerate(stream.getInit())) {
    Value state = stream.getBody().getArgument(i + 1);
    bool once = llvm::count(stream.getInit(), init) == 1;
    bool unread = llvm::none_of(init.getUsers(), [&](Operation *user) {
      return user != stream && stream->isAncestor(user);
    });
    unsigned buffer = once && unread && isOwned(init) && isLastUse(init, stream)
                          ? bufferOf.lookup(init)
                          : fresh(state);
    take(state, buffer);
    take(stream.getResult(i), buffer);
  }
  Block &body = stream.getBody().front();
  assign(body);
  ValueRange states = body.getArguments().drop_front();
  for (auto [i, next] : llvm::enumerate(body.back().getOperands()))
    for (Value other : states)
      if (other != states[i] && shareBuffer(other, next)) {
        auto type = cast<tile::TileType>(next.getType());
        buffers.push_back({type.withMask(false), type.getMasked()});
        waiting[{stream, i}] = buffers.size() - 1;
      }
}

void TileBuffers::assign(Block &block) {
  for (Operation &op : block) {
    if (auto stream = dyn_cast<tile::StreamOp>(op))
      assignStream(stream);
    else if (auto load = dyn_cast<tile::LoadOp>(op))
      buffers[fresh(load.getResult())].hasRows = mayLieByRows(load);
    else if (auto einsum = dyn_cast<tile::EinsumOp>(op)) {
      tile::TileType type = einsum.getResult().getType();
      Value place;
      for (Value operand : einsum.getOperands())
        if (cast<tile::TileType>(operand.getType()).withMask(false) ==
                type.withMask(false) &&
            isOwned(operand) && isLastUse(operand, einsum))
          place = operand;
      if (place && (!mayTake || mayTake(einsum)))
        take(einsum.getResult(), bufferOf.lookup(place));
      else
        fresh(einsum.getResult());
    }
  }
}

//===----------------------------------------------------------------------===//
// Layout
//===----------------------------------------------------------------------===//

static Value roundUp(CodeBuilder &b, Value x, int64_t multiple) {
  return b.bitAnd(b.add(x, b.i64(multiple - 1)), b.i64(-multiple));
}

void TileBuffers::layout(CodeBuilder &b, Buffer &buffer, Value &end,
                         llvm::function_ref<Value(StringAttr)> extent) {
  constexpr int64_t line = 64;
  tile::TileType type = buffer.type;
  int64_t bytes =
      tileMemoryType(type.getElementType()).getIntOrFloatBitWidth() / 8;
  int64_t lanes = b.target.vectorFloats;
  buffer.sizes.clear();
  for (auto [rank, size] : llvm::zip(type.getRanks(), type.getSizes()))
    buffer.sizes.push_back(size < 0 ? extent(rank) : b.i64(size));
  size_t count = buffer.sizes.size();
  buffer.strides.assign(count, b.i64(1));
  Value stride = b.i64(1);
  for (size_t axis = count; axis-- > 0;) {
    buffer.strides[axis] = stride;
    Value size = buffer.sizes[axis];
    // A matrix unit stores whole tiles.
    ArrayRef<int64_t> sizes = type.getSizes();
    if (b.target.amx && axis == 0 && count == 2 && sizes[0] > 0 &&
        sizes[1] == 32)
      size = b.i64(llvm::alignTo(sizes[0], 32));
    if (axis + 1 == count) {
      size = roundUp(b, size, lanes);
      // Rows a large power of two apart fall into few sets of the cache.
      Value low = b.bitAnd(b.mul(size, b.i64(bytes)), b.i64(511));
      Value aliases =
          b.createOrFold<arith::CmpIOp>(CmpIPredicate::eq, low, b.i64(0));
      if (count > 1)
        size = b.createOrFold<arith::SelectOp>(
            aliases, b.add(size, b.i64(std::max(lanes, line / bytes))), size);
    }
    stride = b.mul(stride, size);
  }
  Value elements = count ? stride : b.i64(lanes);
  buffer.offset = end;
  // A few lines apart, so that buffers of one size start in different sets.
  end = b.add(end, b.add(roundUp(b, b.mul(elements, b.i64(bytes)), line),
                         b.i64(5 * line)));
  if (buffer.masked) {
    buffer.maskOffset = end;
    end = b.add(end, b.add(roundUp(b, elements, line), b.i64(line)));
  }
  if (buffer.hasRows && !b.target.gpu) {
    constexpr int64_t addressBytes = 8;
    buffer.rowsOffset = end;
    Value rows = roundUp(b, buffer.sizes.front(), line / addressBytes);
    // Those of the next step are asked for ahead.
    rows = b.mul(roundUp(b, rows, lanes), b.i64(2));
    end = b.add(end, b.mul(rows, b.i64(addressBytes)));
  }
}

Value TileBuffers::emitLayout(CodeBuilder &b,
                              llvm::function_ref<Value(StringAttr)> extent) {
  Value end = b.i64(0);
  for (Buffer &buffer : buffers)
    layout(b, buffer, end, extent);
  return end;
}

Tile TileBuffers::tile(CodeBuilder &b, Value value, Value scratch) const {
  return tile(b, cast<tile::TileType>(value.getType()), bufferOf.lookup(value),
              scratch);
}

Value TileBuffers::bytes(CodeBuilder &b, Value value) const {
  const Buffer &buffer = buffers[bufferOf.lookup(value)];
  Type element = tileMemoryType(buffer.type.getElementType());
  Value elements = buffer.sizes.empty()
                       ? b.i64(b.target.vectorFloats)
                       : b.mul(buffer.sizes.front(), buffer.strides.front());
  Value lanes = roundUp(b, elements, b.target.vectorFloats);
  return roundUp(b, b.mul(lanes, b.i64(element.getIntOrFloatBitWidth() / 8)),
                 64);
}

std::optional<Tile> TileBuffers::waitingRoom(CodeBuilder &b,
                                             tile::StreamOp stream, unsigned i,
                                             Value scratch) const {
  auto it = waiting.find({stream, i});
  if (it == waiting.end())
    return std::nullopt;
  auto type = cast<tile::TileType>(stream.getInit()[i].getType());
  return tile(b, type, it->second, scratch);
}

Tile TileBuffers::tile(CodeBuilder &b, tile::TileType type, unsigned number,
                       Value scratch) const {
  const Buffer &buffer = buffers[number];
  Tile tile;
  tile.type = type;
  tile.element = tileMemoryType(tile.type.getElementType());
  tile.base = b.gep(b.getI8Type(), scratch, buffer.offset);
  if (buffer.rowsOffset)
    tile.rows = b.gep(b.getI8Type(), scratch, buffer.rowsOffset);
  tile.sizes = buffer.sizes;
  tile.strides = buffer.strides;
  if (tile.type.getMasked()) {
    tile.mask = b.gep(b.getI8Type(), scratch, buffer.maskOffset);
    tile.whole = b.boolean(false);
  }
  return tile;
}
