//===- Grid.cpp - grid points of a kernel on a matrix unit ------*- C++ -*-===//
#include "passes/cpu/matrix/Grid.h"
#include "mlir/Transforms/RegionUtils.h"
#include "passes/cpu/matrix/Pipeline.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

namespace {

struct MatrixPoint {
  TileLowering code;
  std::optional<MatrixStream> stream = {};
  explicit MatrixPoint(TileLowering code) : code(std::move(code)) {}
};

} // namespace

/// What operands of a part of the stream may take of the second cache, and how
/// many points make a read of them from beyond it cheap.
constexpr int64_t partBytes = 1 << 20, manyPoints = 16;
/// Points that are enough for a pipeline, and items that are for threads.
constexpr int64_t somePoints = 4, manyItems = 32;

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
    bytes += p.columns * p.depth * p.pieces * 2;
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

Value MatrixGrid::isParted(CodeBuilder &b, Extent extent) {
  auto late = llvm::find_if(roles.products,
                            [](const MatrixProduct &p) { return p.isLate; });
  if (late == roles.products.end() || !areOperandsShared())
    return b.boolean(false);
  tile::LoadOp load = late->left;
  auto ranks = cast<NamedTensorType>(load.getTensor().getType()).getRanks();
  Value steps = b.createOrFold<arith::CeilDivSIOp>(extent(ranks[late->rowAxis]),
                                                   b.i64(roles.rows));
  return b.compare(arith::CmpIPredicate::sgt, b.mul(steps, b.i64(stepBytes())),
                   b.i64(partBytes));
}

Value MatrixGrid::points(CodeBuilder &b, Extent extent) {
  Value all = b.i64(1);
  for (StringAttr rank : strings(kernel.getGrid()))
    all = b.mul(all, extent(rank));
  Value some = arith::DivUIOp::create(b, all, b.i64(manyItems));
  some = b.min(b.max(some, b.i64(1)), b.i64(somePoints));
  return b.select(isParted(b, extent), b.i64(manyPoints), some);
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
  Value parted = isParted(b, extent);
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
    std::vector<std::unique_ptr<MatrixPoint>> made;
    auto memory = [&](Value number) {
      return b.gep(
          b.getI8Type(), scratch,
          b.add(b.mul(number, each), b.i64(MatrixStream::scratchBytes(roles))));
    };
    auto beside = [&](Value number) {
      return b.gep(b.getI8Type(), memory(number), tiles);
    };
    auto at = [&](Value number) -> MatrixStream & {
      Values coordinates = first;
      if (!grid.empty())
        coordinates.back() = b.add(first.back(), number);
      made.push_back(std::make_unique<MatrixPoint>(
          TileLowering(b, outside, kernel, buffers, memory(number))));
      MatrixPoint &point = *made.back();
      point.code.bindPoint(coordinates);
      return point.stream.emplace(point.code, roles, beside(number), scratch,
                                  panels);
    };
    auto resumed = [&](Value number) -> MatrixStream & {
      MatrixStream &stream = at(number);
      stream.resume();
      return stream;
    };
    using Body = llvm::function_ref<Values(Value, ValueRange)>;
    auto all = [&](ValueRange carried, Body body) {
      return code.scalarLoop(b.i64(0), count, carried, body);
    };
    // The steps of all points together.
    Values range = all({b.i64(INT64_MAX), b.i64(0)},
                       [&](Value number, ValueRange in) -> Values {
                         auto [low, high] = at(number).start();
                         return {b.min(in[0], low), b.max(in[1], high)};
                       });
    Value steps = b.max(b.sub(range[1], range[0]), b.i64(0));
    Value parts =
        b.select(parted,
                 b.createOrFold<arith::CeilDivSIOp>(
                     b.mul(steps, b.i64(stepBytes())), b.i64(partBytes)),
                 b.i64(1));
    Value size =
        b.createOrFold<arith::CeilDivSIOp>(steps, b.max(parts, b.i64(1)));
    code.store(b.integer(code.vectorOf(b.getI32Type()), 0), scratch,
               b.i64(MatrixStream::zerosAt(roles) / 4));
    code.loop(b.i64(0), parts, 1, [&](Value part) {
      Value low = b.add(range[0], b.mul(part, size));
      Value high = b.add(low, size);
      if (!roles.isClassified)
        return MatrixPipeline(code, roles, {count, beside, resumed})
            .emit(low, high);
      all({}, [&](Value number, ValueRange) -> Values {
        resumed(number).run(low, high);
        return {};
      });
    });
    all({}, [&](Value number, ValueRange) -> Values {
      resumed(number).finish();
      return {};
    });
  });
}
