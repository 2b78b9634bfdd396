//===- Roles.cpp - what a matrix unit can do of a tile kernel ---*- C++ -*-===//
#include "passes/cpu/matrix/Roles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/matrix/Pieces.h"
#include "passes/cpu/tile/Index.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

bool MatrixRoles::refuse(const Twine &why) {
  if (reason.empty())
    reason = why.str();
  return false;
}

static tile::TileType typeOf(Value value) {
  return cast<tile::TileType>(value.getType());
}

static bool has(Value tile, StringAttr rank) {
  return typeOf(tile).rankIndex(rank.getValue()) >= 0;
}

static int64_t sizeOf(Value tile, StringAttr rank) {
  return typeOf(tile).getSizes()[typeOf(tile).rankIndex(rank.getValue())];
}

const MatrixProduct *MatrixRoles::product(Operation *op) const {
  for (const MatrixProduct &product : products)
    if (product.op == op)
      return &product;
  return nullptr;
}

bool MatrixRoles::isInStream(Operation *op) const {
  return op->getParentOp() == tile::StreamOp(stream).getOperation();
}

bool MatrixRoles::isRowMap(Value value) const {
  auto op = value.getDefiningOp<tile::EinsumOp>();
  return op && isInStream(op) && !op.getMonoid() && has(value, row);
}

bool MatrixRoles::isRepair(Operation *op) const {
  return llvm::any_of(products, [&](const MatrixProduct &product) {
    return product.repair && product.repair == op;
  });
}

bool MatrixRoles::isLeft(tile::LoadOp load) const {
  return llvm::all_of(load->getUsers(), [&](Operation *user) {
    const MatrixProduct *p = product(user);
    return p && p->left == load;
  });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Is it sum[r](A * B) of two tiles with two ranks each?
static bool isContraction(tile::EinsumOp op) {
  if (!op.getMonoid() || *op.getMonoid() != Reduce::sum ||
      op.getTiles().size() != 2 || op.getReduced().size() != 1 ||
      op.getResult().getType().getRanks().size() != 2 ||
      !op.getResult().getType().getElementType().isF32())
    return false;
  Block &block = op.getMap().front();
  auto product = block.back().getOperand(0).getDefiningOp<MapOp>();
  if (!product || product.getFn() != Fn::mul)
    return false;
  Value x = block.getArgument(3), y = block.getArgument(4);
  Value left = product.getOperand(0), right = product.getOperand(1);
  return ((left == x && right == y) || (left == y && right == x)) &&
         llvm::all_of(op.getTiles(), [&](Value tile) {
           return typeOf(tile).getRanks().size() == 2 &&
                  has(tile, cast<StringAttr>(op.getReduced()[0]));
         });
}

/// `index` is step * size + local.
static bool followsSteps(Value index, Value local, Value step, int64_t size) {
  auto sum = index.getDefiningOp<MapOp>();
  if (!sum || sum.getFn() != Fn::add)
    return false;
  Value start = sum.getOperand(0);
  if (start == local)
    start = sum.getOperand(1);
  else if (sum.getOperand(1) != local)
    return false;
  auto product = start.getDefiningOp<MapOp>();
  APInt factor;
  return product && product.getFn() == Fn::mul &&
         product.getOperand(0) == step &&
         matchPattern(product.getOperand(1), m_ConstantInt(&factor)) &&
         factor == size;
}

/// The axis of the tensor that runs along `local`, if the load is a box whose
/// memory runs along `inner`.
static std::optional<unsigned> rowAxisOf(ValueRange indices, Value inner,
                                         Value local) {
  std::optional<unsigned> found;
  if (indices.empty() || indices.back() != inner)
    return found;
  for (auto [axis, index] : llvm::enumerate(indices.drop_back())) {
    auto factor = coefficient(index, local);
    if (coefficient(index, inner) != 0 || !factor || *factor > 1 ||
        *factor < 0 || (*factor && found))
      return std::nullopt;
    if (*factor)
      found = axis;
  }
  return found;
}

/// How A lies in memory.
bool MatrixRoles::describeLeft(MatrixProduct &p) {
  tile::TileType type = p.left.getType();
  auto tensor = cast<NamedTensorType>(p.left.getTensor().getType());
  p.pieces = piecesOf(tensor.getElementType());
  if (type.getMasked() || !p.pieces)
    return refuse("an operand of a product is no sum of bf16");
  Block &block = p.left.getIndices().front();
  ValueRange indices = block.back().getOperands();
  auto inner = indices.empty() ? BlockArgument()
                               : dyn_cast<BlockArgument>(indices.back());
  if (!inner || inner.getOwner() != &block)
    return refuse("the memory of an operand runs along no rank of its tile");
  StringAttr innerRank = type.getRanks()[inner.getArgNumber()];
  p.turned = innerRank == p.column;
  Value local = block.getArgument(1 - inner.getArgNumber());
  auto axis = rowAxisOf(indices, inner, local);
  if (!axis)
    return refuse("an operand of a product is no box");
  p.rowAxis = *axis;
  if (p.isLaidOut() && !followsSteps(indices[p.rowAxis], local,
                                     stream.getBody().getArgument(0), rows))
    return refuse("an operand of a product is not cut as the stream is");
  return true;
}

/// How B does, if it is the tile of a tensor.
void MatrixRoles::describeRight(MatrixProduct &p) {
  auto load = p.right.getDefiningOp<tile::LoadOp>();
  if (p.isLate || p.isLaidOut() || !load || !load->hasOneUse())
    return;
  Block &block = load.getIndices().front();
  p.laneAxis = rowAxisOf(block.back().getOperands(), block.getArgument(0),
                         block.getArgument(1));
}

/// What is filled up to whole tiles, if that is not mostly zeros.
static int64_t inTiles(int64_t size) {
  bool isWorthwhile = size >= 20 && size % 2 == 0;
  return isWorthwhile ? llvm::alignTo(size, 32) : size;
}

bool MatrixRoles::addProduct(tile::EinsumOp op) {
  MatrixProduct p;
  p.op = op;
  p.reduced = cast<StringAttr>(op.getReduced()[0]);
  auto ranks = op.getResult().getType().getRanks();
  p.column = ranks[0];
  if (lane && ranks[1] != lane)
    return refuse("the lanes of two products differ");
  lane = ranks[1];
  Value left = op.getTiles()[0], right = op.getTiles()[1];
  if (has(left, lane))
    std::swap(left, right);
  p.left = left.getDefiningOp<tile::LoadOp>();
  p.right = right;
  if (!p.left || !has(right, lane) || !has(left, p.column))
    return refuse("an operand of a product is no tile of a tensor");
  if (typeOf(right).getRanks()[1] != lane)
    return refuse("the lanes of an operand are not innermost");
  p.ownColumns = sizeOf(left, p.column);
  p.ownDepth = op.getReducedSizes()[0];
  lanes = sizeOf(right, lane);
  p.isLate = right.getParentBlock() == &stream.getBody().front();
  p.columns = p.isLate ? inTiles(p.ownColumns) : p.ownColumns;
  p.depth = p.isLate ? p.ownDepth : inTiles(p.ownDepth);
  if (p.columns <= 0 || p.columns % 32 || p.depth <= 0 || p.depth % 32 ||
      lanes != 32)
    return refuse("a product of " + Twine(p.ownColumns) + " x " +
                  Twine(p.ownDepth) + " x " + Twine(lanes));
  // What is declared f32 is not rounded.
  if (auto load = right.getDefiningOp<tile::LoadOp>()) {
    if (load.getTensor().getType().getElementType() !=
        p.left.getTensor().getType().getElementType())
      return refuse("the operands of a product differ in type");
  } else if (auto map = right.getDefiningOp<tile::EinsumOp>()) {
    if (map.getMap().front().back().getOperand(0).getDefiningOp<CastOp>())
      return refuse("an operand of a product has a type of its own");
  } else {
    return refuse("an operand of a product is a state");
  }
  if (!typeOf(right).getElementType().isF32() ||
      (!p.isLate && (typeOf(right).getMasked() || op.getInit())))
    return refuse("an operand of a product may be absent");
  products.push_back(p);
  return true;
}

//===----------------------------------------------------------------------===//
// The stream
//===----------------------------------------------------------------------===//

bool MatrixRoles::findStream(tile::KernelOp kernel) {
  for (Operation &op : kernel.getBody().front())
    if (auto found = dyn_cast<tile::StreamOp>(op)) {
      if (stream)
        return refuse("there are several streams");
      stream = found;
    }
  if (!stream)
    return refuse("nothing is streamed");
  if (!stream.getClassify().empty())
    isClassified =
        llvm::any_of(stream.getClassify().front().back().getOperands(),
                     [](Value flag) { return !matchPattern(flag, m_One()); });
  return true;
}

/// Every operation of the body has its part.
bool MatrixRoles::checkBody() {
  auto onlyLanes = [&](tile::EinsumOp op) {
    return op.getReduced().empty() &&
           llvm::all_of(op.getResult().getType().getRanks(),
                        [&](StringAttr rank) { return rank == lane; });
  };
  for (Operation &op : stream.getBody().front()) {
    if (auto inner = dyn_cast<tile::StreamOp>(op))
      return refuse("a stream in a stream");
    auto einsum = dyn_cast<tile::EinsumOp>(op);
    if (!einsum)
      continue;
    for (Type type : op.getResultTypes())
      if (cast<tile::TileType>(type).getElementType().isF64() ||
          cast<tile::TileType>(type).getElementType().isInteger(64))
        return refuse("tiles of 64-bit elements");
    if (product(einsum) || isRepair(einsum) || onlyLanes(einsum))
      continue;
    auto ranks = einsum.getResult().getType().getRanks();
    bool lanesLast = llvm::all_of(einsum.getOperands(), [&](Value operand) {
      return !has(operand, lane) || typeOf(operand).getRanks().back() == lane;
    });
    bool isMap = isRowMap(einsum.getResult()) && lanesLast &&
                 llvm::all_of(ranks, [&](StringAttr rank) {
                   return rank == row || rank == lane;
                 });
    bool isReduction = einsum.getMonoid() && einsum.getReduced().size() == 1 &&
                       einsum.getReduced()[0] == row && ranks.size() == 1 &&
                       ranks[0] == lane && lanesLast;
    if (!isMap && !isReduction)
      return refuse("an operation over other ranks");
  }
  return true;
}

/// A tile of zeros, for the stream alone.
static bool isZero(Value init) {
  auto op = init.getDefiningOp<tile::EinsumOp>();
  return op && op.getTiles().empty() && init.hasOneUse() &&
         constantReal(op.getMap().front().back().getOperand(0)) == 0;
}

/// States are accumulators of late products or tiles of lanes.
bool MatrixRoles::checkYield() {
  Block &body = stream.getBody().front();
  for (MatrixProduct &p : products) {
    if (!p.isLate)
      continue;
    std::optional<unsigned> state;
    for (OpOperand &use : p.op.getResult().getUses()) {
      if (!isa<tile::YieldOp>(use.getOwner()) || state)
        return refuse("the result of a product is read in its step");
      state = use.getOperandNumber();
    }
    if (!state || !p.op.getInit())
      return refuse("a product is no accumulator");
    p.state = *state;
    Value argument = body.getArgument(1 + *state), start = p.op.getInit();
    if (start != argument) {
      p.repair = start.getDefiningOp<tile::EinsumOp>();
      if (!p.repair || p.repair.getMonoid() || !start.hasOneUse() ||
          typeOf(start) != typeOf(argument) ||
          !llvm::is_contained(p.repair.getOperands(), argument) ||
          llvm::any_of(p.repair.getOperands(), [&](Value operand) {
            return operand != argument &&
                   (has(operand, row) || has(operand, p.column));
          }))
        return refuse("an accumulator starts from something else");
    }
    p.startsAtZero = !isClassified && isZero(stream.getInit()[*state]) &&
                     (!p.repair || scales(p.repair, argument));
    for (Operation *user : argument.getUsers())
      if (user != p.op && user != p.repair)
        return refuse("an accumulator is read in its step");
  }
  for (auto [i, next] : llvm::enumerate(body.back().getOperands()))
    if (!llvm::any_of(products, [&](auto &p) {
          return p.isLate && p.op.getResult() == next;
        }))
      for (StringAttr rank : typeOf(next).getRanks())
        if (rank != lane)
          return refuse("a state over other ranks");
  return true;
}

void MatrixRoles::buildPhases() {
  // How many reductions of rows come before a value.
  llvm::DenseMap<Value, unsigned> depth;
  auto before = [&](Operation *op) {
    unsigned most = 0;
    for (Value operand : op->getOperands())
      most = std::max(most, depth.lookup(operand));
    return most;
  };
  auto phase = [&](unsigned number) -> Phase & {
    if (phases.size() <= number)
      phases.resize(number + 1);
    return phases[number];
  };
  std::vector<std::pair<unsigned, tile::EinsumOp>> laneOps;
  for (Operation &op : stream.getBody().front()) {
    auto einsum = dyn_cast<tile::EinsumOp>(op);
    if (!einsum || isRepair(einsum))
      continue;
    unsigned level = before(einsum);
    if (const MatrixProduct *p = product(einsum)) {
      if (p->isLate)
        phase(depth.lookup(p->right)).factors.push_back(p);
      continue;
    }
    if (isRowMap(einsum.getResult())) {
      depth[einsum.getResult()] = level;
    } else if (einsum.getMonoid()) {
      phase(level).reductions.push_back(einsum);
      depth[einsum.getResult()] = level + 1;
    } else {
      laneOps.emplace_back(level, einsum);
      depth[einsum.getResult()] = level;
    }
  }
  for (auto &[level, op] : laneOps)
    (level < phases.size() ? phases[level].laneOps : lastOps).push_back(op);
}

MatrixRoles::MatrixRoles(tile::KernelOp kernel) {
  if (!findStream(kernel))
    return;
  for (Type type : kernel.getResultTypes()) {
    Type element = cast<NamedTensorType>(type).getElementType();
    isCoarse &= element.isBF16() || element.isF16();
  }
  for (auto op : stream.getBody().getOps<tile::EinsumOp>())
    if (isContraction(op) && !addProduct(op))
      return;
  if (products.empty()) {
    refuse("there is no matrix product");
    return;
  }
  for (const MatrixProduct &p : products) {
    StringAttr streamed = p.isLate ? p.reduced : p.column;
    if (row && row != streamed) {
      refuse("the products stream different ranks");
      return;
    }
    row = streamed;
    rows = p.isLate ? p.depth : p.columns;
  }
  for (MatrixProduct &p : products) {
    if (!describeLeft(p))
      return;
    describeRight(p);
    if (p.turned != p.isLate) {
      refuse("an operand of a product lies the other way");
      return;
    }
  }
  if (!checkYield() || !checkBody())
    return;
  for (const MatrixProduct &p : products)
    if (p.isLate && !isRowMap(p.right)) {
      refuse("an operand of a product is no map");
      return;
    }
  // In a pipeline, rows are read before the next ones take their place.
  llvm::stable_sort(products,
                    [](const MatrixProduct &x, const MatrixProduct &y) {
                      return x.isLate > y.isLate;
                    });
  buildPhases();
}
