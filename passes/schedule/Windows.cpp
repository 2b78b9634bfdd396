//===- Windows.cpp - which rows of a tensor an access touches ---*- C++ -*-===//
#include "passes/schedule/Windows.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;

SmallVector<TensorAccess> attn::accessesOf(Operation *definition) {
  SmallVector<TensorAccess> accesses;
  if (auto equations = dyn_cast<EquationsOp>(definition))
    for (Value operand : equations.getEquations())
      accesses.push_back({operand, {}, definition});
  definition->walk([&](Operation *op) {
    if (auto read = dyn_cast<ReadOp>(op))
      accesses.push_back({read.getTensor(), read.getIndices(), op});
    else if (auto load = dyn_cast<tile::LoadOp>(op))
      accesses.push_back({load.getTensor(),
                          load.getIndices().front().back().getOperands(), op});
  });
  return accesses;
}

int64_t attn::stepSize(CascadeOp cascade, StringAttr step, StringAttr rank) {
  ExtentAttr extent = cascade.findRank(step.getValue()).getExtent();
  if (!extent || extent.getMap().getNumResults() != 1 ||
      extent.getRanks().size() != 1 || extent.getRanks()[0] != rank)
    return 0;
  auto parts = dyn_cast<AffineBinaryOpExpr>(extent.getMap().getResult(0));
  if (!parts || parts.getKind() != AffineExprKind::CeilDiv ||
      !isa<AffineSymbolExpr>(parts.getLHS()))
    return 0;
  auto size = dyn_cast<AffineConstantExpr>(parts.getRHS());
  return size ? size.getValue() : 0;
}

static bool contains(ArrayAttr ranks, StringAttr rank) {
  return llvm::is_contained(ranks, rank);
}

int64_t attn::rowsAtATime(CascadeOp cascade, Operation *definition,
                          StringAttr rank) {
  for (Value result : definition->getResults())
    if (cast<NamedTensorType>(result.getType()).rankIndex(rank) < 0)
      return 0;
  if (auto einsum = dyn_cast<EinsumOp>(definition))
    return contains(einsum.getSpace(), rank);
  if (auto order = dyn_cast<OrderOp>(definition))
    return contains(order.getSpace(), rank) && order.getToAttr() != rank;
  if (auto equations = dyn_cast<EquationsOp>(definition)) {
    int64_t axis = equations.getResult().getType().rankIndex(rank);
    return llvm::all_of(equations.getPatterns().getAsRange<ArrayAttr>(),
                        [&](ArrayAttr p) { return isa<StringAttr>(p[axis]); });
  }
  auto kernel = dyn_cast<tile::KernelOp>(definition);
  if (!kernel)
    return 0;
  if (contains(kernel.getGrid(), rank))
    return 1;
  for (StringAttr step : strings(kernel.getGrid()))
    if (int64_t size = stepSize(cascade, step, rank))
      return size;
  return 0;
}

namespace {
/// row * coordinate + step * (number of the step) + [low, high].
struct Reach {
  int64_t row = 0, step = 0, low = 0, high = 0;
};

class Reacher {
public:
  Reacher(CascadeOp cascade, StringAttr rank) : cascade(cascade), rank(rank) {}

  std::optional<Reach> of(Value index) {
    APInt constant;
    if (matchPattern(index, m_ConstantInt(&constant)))
      return ofConstant(constant.getSExtValue());
    if (auto argument = dyn_cast<BlockArgument>(index))
      return ofArgument(argument);
    if (auto extent = index.getDefiningOp<ExtentOp>()) {
      auto known = cascade.staticExtent(extent.getRankAttr());
      return known ? ofConstant(*known) : std::nullopt;
    }
    if (auto map = index.getDefiningOp<MapOp>())
      return ofMap(map);
    return std::nullopt;
  }

private:
  static std::optional<Reach> ofConstant(int64_t value) {
    return Reach{0, 0, value, value};
  }
  static std::optional<Reach> ofSize(std::optional<int64_t> size) {
    if (!size || *size < 1)
      return std::nullopt;
    return Reach{0, 0, 0, *size - 1};
  }
  std::optional<Reach> ofRank(StringAttr name) {
    if (name == rank)
      return Reach{1, 0, 0, 0};
    return ofSize(cascade.staticExtent(name));
  }

  std::optional<Reach> ofArgument(BlockArgument argument) {
    Operation *op = argument.getOwner()->getParentOp();
    unsigned i = argument.getArgNumber();
    if (auto einsum = dyn_cast<EinsumOp>(op)) {
      SmallVector<StringAttr> ranks = strings(einsum.getSpace());
      llvm::append_range(ranks, strings(einsum.getReduced()));
      return ofRank(ranks[i]);
    }
    if (auto order = dyn_cast<OrderOp>(op)) {
      SmallVector<StringAttr> ranks = strings(order.getSpace());
      ranks.back() = order.getFromAttr();
      return ofRank(ranks[i]);
    }
    if (auto kernel = dyn_cast<tile::KernelOp>(op)) {
      auto name = cast<StringAttr>(kernel.getGrid()[i]);
      if (stepSize(cascade, name, rank))
        return Reach{0, 1, 0, 0};
      return ofRank(name);
    }
    auto ofTile = [&](Type type) -> std::optional<Reach> {
      ArrayRef<int64_t> sizes = cast<tile::TileType>(type).getSizes();
      return i < sizes.size() ? ofSize(sizes[i]) : std::nullopt;
    };
    if (auto load = dyn_cast<tile::LoadOp>(op))
      return ofTile(load.getResult().getType());
    if (auto store = dyn_cast<tile::StoreOp>(op))
      return ofTile(store.getTile().getType());
    if (auto einsum = dyn_cast<tile::EinsumOp>(op))
      return ofTile(einsum.getResult().getType());
    return std::nullopt;
  }

  std::optional<Reach> ofMap(MapOp map) {
    if (map.getOperands().size() != 2)
      return std::nullopt;
    auto x = of(map.getOperand(0)), y = of(map.getOperand(1));
    if (!x || !y)
      return std::nullopt;
    auto isConstant = [](const Reach &r) {
      return r.row == 0 && r.step == 0 && r.low == r.high;
    };
    auto scaled = [](Reach r, int64_t factor) {
      Reach result{r.row * factor, r.step * factor, r.low * factor,
                   r.high * factor};
      if (factor < 0)
        std::swap(result.low, result.high);
      return result;
    };
    auto sum = [](Reach a, Reach b) {
      return Reach{a.row + b.row, a.step + b.step, a.low + b.low,
                   a.high + b.high};
    };
    switch (map.getFn()) {
    case Fn::add:
      return sum(*x, *y);
    case Fn::sub:
      return sum(*x, scaled(*y, -1));
    case Fn::mul:
      if (isConstant(*x))
        return scaled(*y, x->low);
      if (isConstant(*y))
        return scaled(*x, y->low);
      return std::nullopt;
    case Fn::floordiv:
      if (isConstant(*x) && isConstant(*y) && x->low >= 0 && y->low > 0)
        return ofConstant(x->low / y->low);
      return std::nullopt;
    default:
      return std::nullopt;
    }
  }

  CascadeOp cascade;
  StringAttr rank;
};
} // namespace

std::optional<Window> attn::windowOf(CascadeOp cascade, Operation *definition,
                                     const TensorAccess &access,
                                     StringAttr rank) {
  int64_t axis = cast<NamedTensorType>(access.tensor.getType()).rankIndex(rank);
  if (axis < 0)
    return std::nullopt;
  if (isa<EquationsOp>(access.op))
    return Window{};
  auto reach = Reacher(cascade, rank).of(access.indices[axis]);
  if (!reach)
    return std::nullopt;
  if (reach->row == 1 && reach->step == 0)
    return Window{reach->low, reach->high};
  int64_t rows = rowsAtATime(cascade, definition, rank);
  if (reach->row == 0 && rows > 1 && reach->step == rows)
    return Window{std::min<int64_t>(reach->low, 0),
                  std::max<int64_t>(reach->high - (rows - 1), 0)};
  return std::nullopt;
}
