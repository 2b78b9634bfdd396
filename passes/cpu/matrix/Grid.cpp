//===- Grid.cpp - grid points of a kernel on a matrix unit ------*- C++ -*-===//
#include "passes/cpu/matrix/Grid.h"
#include "mlir/Transforms/RegionUtils.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

/// What operands of a part of the stream may take of the second cache, and how
/// many points make a read of them from beyond it cheap.
constexpr int64_t partBytes = 1 << 20, manyPoints = 16;

MatrixGrid::MatrixGrid(tile::KernelOp kernel, const MatrixRoles &roles)
    : kernel(kernel), roles(roles) {}

/// What waits for another step to end is not overwritten.
TileBuffers MatrixGrid::buffers() {
  return TileBuffers(kernel, [this](tile::EinsumOp op) {
    return roles.product(op) || roles.isRepair(op) || !roles.isInStream(op);
  });
}

int64_t MatrixGrid::stepBytes() {
  int64_t bytes = 0;
  for (const MatrixProduct &p : roles.products)
    bytes += p.columns * p.depth * 2;
  return bytes;
}

/// Do neighbours in the grid read the same?
bool MatrixGrid::areOperandsShared() {
  Block &body = kernel.getBody().front();
  if (!body.getNumArguments())
    return false;
  llvm::DenseSet<Value> moving = {body.getArguments().back()};
  kernel.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (llvm::any_of(op->getOperands(),
                     [&](Value value) { return moving.contains(value); }))
      moving.insert_range(op->getResults());
  });
  return llvm::none_of(roles.products, [&](const MatrixProduct &p) {
    tile::LoadOp load = p.left;
    llvm::SetVector<Value> captured;
    getUsedValuesDefinedAbove(load.getIndices(), captured);
    return llvm::any_of(captured,
                        [&](Value value) { return moving.contains(value); });
  });
}

Value MatrixGrid::points(CodeBuilder &b, Extent extent) {
  auto late = llvm::find_if(roles.products,
                            [](const MatrixProduct &p) { return p.isLate; });
  if (late == roles.products.end() || !areOperandsShared())
    return b.i64(1);
  tile::LoadOp load = late->left;
  auto ranks = cast<NamedTensorType>(load.getTensor().getType()).getRanks();
  Value steps = b.createOrFold<arith::CeilDivSIOp>(extent(ranks[late->rowAxis]),
                                                   b.i64(roles.rows));
  Value fits = b.compare(arith::CmpIPredicate::sle,
                         b.mul(steps, b.i64(stepBytes())), b.i64(partBytes));
  return b.select(fits, b.i64(1), b.i64(manyPoints));
}

Value MatrixGrid::items(CodeBuilder &b, Extent extent) {
  SmallVector<StringAttr> grid = strings(kernel.getGrid());
  Value items = b.i64(1);
  for (StringAttr rank : ArrayRef(grid).drop_back(!grid.empty()))
    items = b.mul(items, extent(rank));
  if (grid.empty())
    return items;
  return b.mul(items, b.createOrFold<arith::CeilDivSIOp>(extent(grid.back()),
                                                         points(b, extent)));
}

Value MatrixGrid::scratchBytes(CodeBuilder &b, Extent extent) {
  Value tiles = buffers().emitLayout(b, extent);
  Value each = b.add(tiles, b.i64(MatrixStream::pointBytes(roles)));
  return b.add(b.mul(each, points(b, extent)),
               b.i64(MatrixStream::scratchBytes(roles)));
}

void MatrixGrid::emit(CodeBuilder &b, TileSurroundings &outside, Value begin,
                      Value end, Value scratch, ArrayRef<Value> panels) {
  auto extent = [&](StringAttr rank) { return outside.extent(rank); };
  TileBuffers buffers = this->buffers();
  Value tiles = buffers.emitLayout(b, extent);
  Value each = b.add(tiles, b.i64(MatrixStream::pointBytes(roles)));
  Value most = points(b, extent);
  SmallVector<StringAttr> grid = strings(kernel.getGrid());
  TileLowering code(b, outside, kernel, buffers, scratch);

  code.loop(begin, end, 1, [&](Value item) {
    Values first(grid.size());
    Value rest = item, count = b.i64(1);
    for (size_t axis = grid.size(); axis-- > 0;) {
      Value size = extent(grid[axis]);
      if (axis + 1 == grid.size())
        size = b.createOrFold<arith::CeilDivSIOp>(size, most);
      first[axis] = axis ? Value(arith::RemSIOp::create(b, rest, size)) : rest;
      if (axis)
        rest = arith::DivSIOp::create(b, rest, size);
    }
    if (!grid.empty()) {
      first.back() = b.mul(first.back(), most);
      count = b.min(most, b.sub(extent(grid.back()), first.back()));
    }
    using Body = llvm::function_ref<Values(MatrixStream &, ValueRange)>;
    auto all = [&](ValueRange carried, Body body) {
      return code.loop(
          b.i64(0), count, 1, carried, [&](Value number, ValueRange in) {
            Value memory =
                b.gep(b.getI8Type(), scratch,
                      b.add(b.mul(number, each),
                            b.i64(MatrixStream::scratchBytes(roles))));
            TileLowering point(b, outside, kernel, buffers, memory);
            Values coordinates = first;
            if (!grid.empty())
              coordinates.back() = b.add(first.back(), number);
            point.bindPoint(coordinates);
            MatrixStream stream(point, roles,
                                b.gep(b.getI8Type(), memory, tiles), scratch,
                                panels);
            return body(stream, in);
          });
    };
    // The steps of all points together.
    Values range = all({b.i64(INT64_MAX), b.i64(0)},
                       [&](MatrixStream &stream, ValueRange in) -> Values {
                         auto [low, high] = stream.start();
                         return {b.min(in[0], low), b.max(in[1], high)};
                       });
    Value steps = b.max(b.sub(range[1], range[0]), b.i64(0));
    Value isOne = b.compare(arith::CmpIPredicate::eq, most, b.i64(1));
    Value parts =
        b.select(isOne, b.i64(1),
                 b.createOrFold<arith::CeilDivSIOp>(
                     b.mul(steps, b.i64(stepBytes())), b.i64(partBytes)));
    Value size =
        b.createOrFold<arith::CeilDivSIOp>(steps, b.max(parts, b.i64(1)));
    code.loop(b.i64(0), parts, 1, [&](Value part) {
      Value low = b.add(range[0], b.mul(part, size));
      all({}, [&](MatrixStream &stream, ValueRange) -> Values {
        stream.resume();
        stream.run(low, b.add(low, size));
        return {};
      });
    });
    all({}, [&](MatrixStream &stream, ValueRange) -> Values {
      stream.resume();
      stream.finish();
      return {};
    });
  });
}
