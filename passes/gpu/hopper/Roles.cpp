//===- Roles.cpp - what a tile kernel's values are on a Hopper GPU -*- C++ -*-//
#include "passes/gpu/hopper/Roles.h"
#include "dialect/Functions.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "passes/cpu/tile/Index.h"
#include "passes/gpu/hopper/FastRegion.h"

using namespace mlir;
using namespace attn;
using namespace attn::gpu;

bool Roles::refuse(const Twine &why) {
  if (reason.empty())
    reason = why.str();
  return false;
}

const SharedLoad *Roles::sharedLoad(Value value) const {
  for (const SharedLoad &load : loads)
    if (tile::LoadOp(load.op).getResult() == value)
      return &load;
  return nullptr;
}

bool Roles::takeContractions(tile::KernelOp kernel) {
  Contractions found = findContractions(kernel);
  if (!found.reason.empty())
    return refuse(found.reason);
  contractions = std::move(found.all);
  lane = found.lane;
  lanes = found.lanes;
  if (lanes <= 0 || lanes % 64 || lanes > 256)
    return refuse("a tile has no whole number of rows of warpgroups");
  return true;
}

std::optional<unsigned> gpu::rowAxisOf(Block &block, unsigned rowRank) {
  ValueRange indices = block.back().getOperands();
  Value row = block.getArgument(rowRank);
  Value inner = block.getArgument(1 - rowRank);
  std::optional<unsigned> result;
  if (indices.back() != inner)
    return std::nullopt;
  for (auto [axis, index] : llvm::enumerate(indices.drop_back())) {
    if (cpu::coefficient(index, inner) != 0)
      return std::nullopt;
    auto factor = cpu::coefficient(index, row);
    if (factor == 0)
      continue;
    if (factor != 1 || result)
      return std::nullopt;
    result = axis;
  }
  return result;
}

bool Roles::addShared(Value value) {
  if (sharedLoad(value))
    return true;
  auto op = value.getDefiningOp<tile::LoadOp>();
  if (!op)
    return false;
  tile::TileType type = op.getType();
  Type element = op.getTensor().getType().getElementType();
  auto argument = dyn_cast<BlockArgument>(op.getTensor());
  if (!argument || type.getMasked() || type.getRanks().size() != 2 ||
      (!element.isBF16() && !element.isF16()) ||
      op.getTensor().getType().getRanks().size() > 5)
    return false;
  SharedLoad load;
  load.op = op;
  load.port = argument.getArgNumber();
  load.inStream = op->getParentOfType<tile::StreamOp>() != nullptr;
  Block &block = op.getIndices().front();
  auto inner = dyn_cast<BlockArgument>(block.back().getOperands().back());
  if (!inner || inner.getOwner() != &block)
    return false;
  load.innerRank = inner.getArgNumber();
  load.rowRank = 1 - load.innerRank;
  auto axis = rowAxisOf(block, load.rowRank);
  if (!axis)
    return false;
  load.rowAxis = *axis;
  load.rows = type.getSizes()[load.rowRank];
  load.columns = type.getSizes()[load.innerRank];
  if (load.rows <= 0 || load.rows > 256 || load.rows % 16 ||
      load.columns <= 0 || load.columns % 64 || load.columns > 256)
    return false;
  loads.push_back(load);
  return true;
}

/// Tiles that are all there, rounded to 16 bits, in rows of whole panels.
void Roles::addStore(tile::StoreOp op, std::optional<unsigned> port) {
  auto type = cast<tile::TileType>(op.getTile().getType());
  auto result = cast<NamedTensorType>(cast<tile::KernelOp>(op->getParentOp())
                                          .getResult(op.getResult())
                                          .getType());
  Type element = result.getElementType();
  if (!port || type.getMasked() || type.getRanks().size() != 2 ||
      !type.getElementType().isF32() ||
      (!element.isBF16() && !element.isF16()) || result.getRanks().size() > 5)
    return;
  int64_t row = type.rankIndex(lane.getValue());
  if (row < 0)
    return;
  SharedStore store{op, *port, static_cast<unsigned>(row), 0,
                    type.getSizes()[1 - row]};
  auto axis = rowAxisOf(op.getIndices().front(), store.rowRank);
  if (!axis || store.columns % 64 || store.columns > 256)
    return;
  store.rowAxis = *axis;
  stores.push_back(store);
}

const SharedStore *Roles::sharedStore(tile::StoreOp op) const {
  for (const SharedStore &store : stores)
    if (store.op == op)
      return &store;
  return nullptr;
}

int64_t Roles::boxRows(const SharedLoad &load) const {
  bool isHalved = halved && load.type().getRanks()[load.rowRank] == halved;
  return isHalved ? load.rows / 2 : load.rows;
}

bool Roles::isClassified() const {
  tile::StreamOp op = stream;
  return !op.getClassify().empty();
}

bool Roles::checkEinsum(tile::EinsumOp op) {
  tile::TileType type = op.getResult().getType();
  if (auto it = contractions.find(op); it != contractions.end()) {
    const Contraction &c = it->second;
    int64_t columns = sizeOf(type, c.column);
    int64_t depth = op.getReducedSizes()[0];
    if (columns <= 0 || columns % 16 || columns > 256 || depth <= 0 ||
        depth % 16)
      return refuse("a product of " + Twine(columns) + " x " + Twine(depth));
    if (!addShared(c.b))
      return refuse("an operand of a product cannot be copied by boxes");
    if (c.a.getDefiningOp<tile::LoadOp>() && !addShared(c.a))
      return refuse("an operand of a product cannot be copied by boxes");
    const SharedLoad *b = sharedLoad(c.b), *a = sharedLoad(c.a);
    Type element = b->element();
    if (a && a->element() != element)
      return refuse("the operands of a product differ in type");
    // A's rows are lanes; the reduced rank runs along its memory.
    if (a && a->type().getRanks()[a->rowRank] != lane)
      return refuse("an operand of a product is transposed");
    return true;
  }
  if (op.getReduced().size() > 1 || (op.getMonoid() && columnOf(type, lane)))
    return refuse("a reduction that is no matrix product");
  if (op.getMonoid() && llvm::is_contained({Reduce::argmax, Reduce::argmin,
                                            Reduce::first, Reduce::last},
                                           *op.getMonoid()))
    return refuse("a reduction of another kind");
  return true;
}

bool Roles::check(Block &block) {
  for (Operation &op : block) {
    for (Type type : op.getResultTypes()) {
      auto tile = dyn_cast<tile::TileType>(type);
      if (!tile)
        continue;
      if (tile.getElementType().isF64() || tile.getElementType().isInteger(64))
        return refuse("tiles of 64-bit elements");
    }
    if (auto einsum = dyn_cast<tile::EinsumOp>(op)) {
      if (!checkEinsum(einsum))
        return false;
    } else if (auto inner = dyn_cast<tile::StreamOp>(op)) {
      if (stream)
        return refuse("several streams");
      stream = inner;
      if (!check(inner.getBody().front()))
        return false;
    }
  }
  return true;
}

/// Block arguments of the kernel that values depend on.
static llvm::SmallDenseSet<Value> argumentsOf(llvm::SetVector<Value> work) {
  llvm::SmallDenseSet<Value> result;
  for (size_t i = 0; i < work.size(); ++i) {
    Operation *def = work[i].getDefiningOp();
    if (!def)
      result.insert(work[i]);
    else
      work.insert(def->operand_begin(), def->operand_end());
  }
  return result;
}

SmallVector<bool> Roles::streamAxes() const {
  tile::StreamOp op = stream;
  Block &body = *op->getBlock();
  SmallVector<bool> result(body.getNumArguments(), false);
  for (const SharedLoad &load : loads) {
    llvm::SetVector<Value> indices;
    getUsedValuesDefinedAbove(tile::LoadOp(load.op).getIndices(), indices);
    if (load.inStream)
      for (Value argument : argumentsOf(std::move(indices)))
        if (auto axis = dyn_cast<BlockArgument>(argument);
            axis && axis.getOwner() == &body)
          result[axis.getArgNumber()] = true;
  }
  return result;
}

bool Roles::boundsDiffer() const {
  tile::StreamOp op = stream;
  ValueRange bounds = op->getOperands().take_front(4);
  auto read = argumentsOf({bounds.begin(), bounds.end()});
  return isClassified() ||
         llvm::any_of(llvm::enumerate(streamAxes()), [&](auto axis) {
           return !axis.value() &&
                  read.contains(op->getBlock()->getArgument(axis.index()));
         });
}

//===----------------------------------------------------------------------===//
// Order and registers
//===----------------------------------------------------------------------===//

void Roles::findOverlap() {
  Block &body = stream.getBody().front();
  Overlap found;
  SmallPtrSet<Value, 4> states; // that trailing products add to, and after
  for (auto op : body.getOps<tile::EinsumOp>()) {
    auto it = contractions.find(op);
    if (it == contractions.end())
      continue;
    if (sharedLoad(it->second.a)) {
      found.leading.push_back(op);
      continue;
    }
    if (!op.getResult().hasOneUse() ||
        *op.getResult().user_begin() != &body.back())
      return;
    found.trailing.push_back(op);
    unsigned number = op.getResult().use_begin()->getOperandNumber();
    states.insert(body.getArgument(1 + number));
  }
  if (found.leading.empty() || found.trailing.empty())
    return;
  for (Operation &op : body.without_terminator()) {
    auto readsState = [&](ValueRange values) {
      return llvm::any_of(values, [&](Value v) { return states.contains(v); });
    };
    if (!readsState(op.getOperands()))
      continue;
    auto einsum = dyn_cast<tile::EinsumOp>(op);
    if (!einsum)
      return;
    bool isTrailing = llvm::is_contained(found.trailing, einsum);
    if (isTrailing ? readsState(einsum.getTiles())
                   : contractions.contains(einsum) || einsum.getMonoid())
      return;
    if (isTrailing)
      continue;
    found.late.insert(einsum);
    states.insert(einsum.getResult());
  }
  if (llvm::any_of(body.back().getOperands(),
                   [&](Value v) { return states.contains(v); }))
    return;
  for (auto op : body.getOps<tile::EinsumOp>())
    if (!found.reduction && op.getMonoid() && !contractions.contains(op) &&
        op.getResult().getType().getElementType().isF32())
      found.reduction = op;
  overlap = std::move(found);
}

void Roles::findParts() {
  Block &body = stream.getBody().front();
  for (auto op : body.getOps<tile::EinsumOp>()) {
    tile::TileType type = op.getResult().getType();
    Value init = op.getInit();
    if (contractions.contains(op) || op.getReduced().size() != 1 || !init ||
        columnOf(type, lane) || !op.getResult().hasOneUse() ||
        *op.getResult().user_begin() != &body.back())
      continue;
    unsigned number = op.getResult().use_begin()->getOperandNumber();
    Value state = body.getArgument(1 + number);
    if (!state.hasOneUse())
      continue;
    bool isAlone = init == state;
    if (auto scaled = init.getDefiningOp<tile::EinsumOp>())
      isAlone |= *op.getMonoid() == Reduce::sum && init.hasOneUse() &&
                 scaled->getBlock() == &body && !type.getMasked() &&
                 cpu::scales(scaled, state);
    if (isAlone && llvm::is_contained({Reduce::sum, Reduce::any, Reduce::all,
                                       Reduce::max, Reduce::min},
                                      *op.getMonoid()))
      inParts.insert(op);
  }
}

/// A constant above 0?
static bool isPositive(Value value) {
  FloatAttr constant;
  return matchPattern(value, m_Constant(&constant)) &&
         constant.getValue().isFiniteNonZero() &&
         !constant.getValue().isNegative();
}

/// The tile of which `ask` is asked, through positive scales and other
/// conditions.
static Value askedTile(tile::EinsumOp op, MapOp ask) {
  Value x = ask.getOperand(0);
  while (Operation *def = x.getDefiningOp()) {
    auto map = dyn_cast<MapOp>(def);
    if (auto where = dyn_cast<WhereOp>(def))
      x = where.getValue();
    else if (map && (map.getFn() == Fn::mul || map.getFn() == Fn::div) &&
             isPositive(map.getOperand(1)))
      x = map.getOperand(0);
    else
      return {};
  }
  auto argument = cast<BlockArgument>(x);
  Block &block = op.getMap().front();
  int64_t number = argument.getArgNumber() -
                   (block.getNumArguments() - op.getTiles().size());
  return argument.getOwner() == &block && number >= 0 ? op.getTiles()[number]
                                                      : Value();
}

void Roles::findAskedProducts() {
  // Of each tile, the products that its points' presence asks about.
  DenseMap<Value, llvm::SmallPtrSet<Operation *, 2>> asked;
  for (auto op : stream.getBody().getOps<tile::EinsumOp>()) {
    llvm::SmallPtrSet<Operation *, 2> products;
    for (Value tile : op.getTiles())
      if (auto it = asked.find(tile); it != asked.end())
        products.insert(it->second.begin(), it->second.end());
    for (auto map : op.getMap().getOps<MapOp>())
      if (asksAboveMinusInfinity(map))
        if (Value tile = askedTile(op, map);
            tile && llvm::is_contained(overlap.leading, tile.getDefiningOp()))
          products.insert(tile.getDefiningOp());
    asksProducts |= products.size() > 1;
    if (op.getResult().getType().getMasked())
      asked[op.getResult()] = std::move(products);
  }
}

/// The same code of the same tiles and coordinates?
static bool isSameOfTiles(Value x, tile::EinsumOp xs, Value y,
                          tile::EinsumOp ys) {
  auto one = dyn_cast<BlockArgument>(x), two = dyn_cast<BlockArgument>(y);
  if (x == y)
    return true;
  if (one && two) {
    auto meaning = [](BlockArgument argument,
                      tile::EinsumOp op) -> const void * {
      SmallVector<StringAttr> ranks(op.getResult().getType().getRanks());
      for (Attribute rank : op.getReduced())
        ranks.push_back(cast<StringAttr>(rank));
      unsigned number = argument.getArgNumber();
      return number < ranks.size()
                 ? ranks[number].getAsOpaquePointer()
                 : op.getTiles()[number - ranks.size()].getAsOpaquePointer();
    };
    return one.getOwner()->getParentOp() == xs &&
           two.getOwner()->getParentOp() == ys &&
           meaning(one, xs) == meaning(two, ys);
  }
  Operation *left = x.getDefiningOp(), *right = y.getDefiningOp();
  return left && right && left->getName() == right->getName() &&
         left->getAttrDictionary() == right->getAttrDictionary() &&
         left->getNumOperands() == right->getNumOperands() && isPure(left) &&
         llvm::all_of(llvm::zip(left->getOperands(), right->getOperands()),
                      [&](auto pair) {
                        return isSameOfTiles(std::get<0>(pair), xs,
                                             std::get<1>(pair), ys);
                      });
}

/// The value that an einsum's points have nothing without, if that is a
/// positive multiple of the product `tile` where it is not -inf.
static WhereOp presenceOf(tile::EinsumOp op, Value tile) {
  SmallVector<Value> work{op.getMap().front().back().getOperand(0)};
  while (!work.empty()) {
    Operation *def = work.pop_back_val().getDefiningOp();
    if (auto map = dyn_cast_or_null<MapOp>(def)) {
      if (info(map.getFn()).typing != FnTyping::Logic)
        llvm::append_range(work, map.getOperands());
      continue;
    }
    auto where = dyn_cast_or_null<WhereOp>(def);
    if (!where)
      continue;
    work.push_back(where.getValue());
    auto ask = where.getCondition().getDefiningOp<MapOp>();
    if (ask && asksAboveMinusInfinity(ask) &&
        ask.getOperand(0) == where.getValue() && askedTile(op, ask) == tile)
      return where;
  }
  return {};
}

/// Parts of a step are a warpgroup's lanes, and half of its points. All that is
/// asked of points is to be asked of the one first product.
void Roles::findHalves() {
  if (stream.getParts().empty() || !isClassified() || !overlap ||
      overlap.leading.size() != 1 || *stream.getPartSize() != 64)
    return;
  tile::EinsumOp product = overlap.leading.front();
  StringAttr column = contractions.find(product)->second.column;
  if (sizeOf(product.getResult().getType(), column) != 128)
    return;
  for (tile::EinsumOp op : overlap.trailing)
    if (contractions.find(op)->second.reduced != column)
      return;
  for (auto load : stream.getBody().getOps<tile::LoadOp>())
    if (load.getType().getMasked())
      return;
  for (auto op : stream.getBody().getOps<tile::EinsumOp>()) {
    bool reads = llvm::is_contained(op.getTiles(), product.getResult());
    if (contractions.contains(op) && reads)
      return;
    auto bounded =
        llvm::make_filter_range(op.getMap().getOps<MapOp>(), [](MapOp map) {
          return map->hasAttr("bounded");
        });
    if (!reads && bounded.empty())
      continue;
    WhereOp presence = presenceOf(op, product.getResult());
    if (!presence)
      return;
    llvm::SetVector<Operation *> asked, conditions;
    (void)getBackwardSlice(presence.getResult(), &asked);
    for (MapOp map : bounded) {
      if (!asked.contains(map))
        return;
      (void)getBackwardSlice(map.getResult(), &conditions);
      conditions.insert(map);
    }
    // What the conditions read is not there where they are not asked.
    size_t first = op.getMap().getNumArguments() - op.getTiles().size();
    for (auto [tile, argument] :
         llvm::zip(op.getTiles(), op.getMap().getArguments().drop_front(first)))
      if (tile.getDefiningOp<tile::LoadOp>() &&
          !llvm::all_of(argument.getUsers(), [&](Operation *user) {
            return conditions.contains(user);
          }))
        return;
    // They are asked before what else the step computes.
    auto isLate = [&](Value tile) {
      return tile.getDefiningOp<tile::EinsumOp>() &&
             tile != product.getResult() &&
             tile.getParentBlock() == product->getBlock();
    };
    if (!masks.reader && llvm::any_of(op.getTiles(), isLate))
      return;
    if (!masks.reader)
      masks = {op, presence.getResult()};
    else if (!isSameOfTiles(presence.getResult(), op, masks.condition,
                            masks.reader))
      return;
  }
  if (masks.reader)
    halved = column;
}

// The copying warpgroup's registers and the others' are together what the
// threads have at entry.
static constexpr RegisterSplit splits[] = {
    {1, 40, 232}, {2, 40, 232}, {3, 32, 160}, {4, 24, 112}};
// A warp that classifies steps takes more.
static constexpr RegisterSplit classifyingSplits[] = {
    {1, 56, 224}, {2, 72, 216}, {3, 56, 152}, {4, 48, 104}};

const RegisterSplit &gpu::registerSplit(int64_t lanes, bool isClassified) {
  return (isClassified ? classifyingSplits : splits)[lanes / 64 - 1];
}

bool Roles::fitsRegisters() {
  // What else lives in a loop: addresses, bounds, values by lane.
  constexpr int64_t others = 24;
  int64_t limit = registerSplit(lanes, isClassified()).consumer - others;
  auto registersOf = [&](Type tile) {
    auto type = cast<tile::TileType>(tile);
    StringAttr column = columnOf(type, lane);
    return column ? sizeOf(type, column) / 2 : 0;
  };
  int64_t state = 0, widest = 0, first = 0, pairs = 0;
  for (Type type : stream.getResultTypes())
    state += registersOf(type);
  for (auto op : stream.getBody().getOps<tile::EinsumOp>()) {
    // A state's next value takes the place of the last one.
    bool inPlace = llvm::all_of(op.getResult().getUses(), [](OpOperand &use) {
      auto user = dyn_cast<tile::EinsumOp>(use.getOwner());
      return user ? user.getInit() == use.get()
                  : isa<tile::YieldOp>(use.getOwner());
    });
    if (!inPlace)
      widest = std::max(widest, registersOf(op.getResult().getType()));
  }
  for (auto &[op, c] : contractions) {
    if (op->getBlock() != &stream.getBody().front())
      continue;
    auto product = cast<tile::EinsumOp>(op);
    if (sharedLoad(c.a))
      first += registersOf(product.getResult().getType());
    else
      pairs += product.getReducedSizes()[0] / 4;
  }
  if (overlap && state + std::max(first + pairs, widest) > limit)
    overlap = {};
  // One by one only one is rounded at a time.
  return state + std::max(first, widest) + widest / 4 <= limit;
}

Roles::Roles(tile::KernelOp kernel, PortOf portOf) {
  if (!takeContractions(kernel) || !check(kernel.getBody().front()))
    return;
  if (!stream) {
    refuse("nothing is streamed");
    return;
  }
  // Shared operands have no other readers; the rest fits the registers.
  kernel.walk([&](Operation *op) {
    for (Value result : op->getResults()) {
      auto type = dyn_cast<tile::TileType>(result.getType());
      if (!type || !reason.empty())
        continue;
      if (sharedLoad(result)) {
        for (Operation *user : result.getUsers())
          if (!contractions.contains(user))
            refuse("an operand of a product is also read by itself");
        continue;
      }
      int64_t others = 0;
      for (auto [rank, size] : llvm::zip(type.getRanks(), type.getSizes())) {
        if (rank == lane)
          continue;
        ++others;
        if (size <= 0 || size % 16 || size > 256)
          refuse("a tile of " + Twine(size) + " columns");
      }
      if (others > 1)
        refuse("a tile of more ranks");
    }
  });
  if (!reason.empty())
    return;
  findOverlap();
  findParts();
  if (!fitsRegisters()) {
    refuse("its states do not fit the registers");
    return;
  }
  findAskedProducts();
  findHalves();
  for (auto store : kernel.getBody().getOps<tile::StoreOp>())
    addStore(store, portOf(kernel.getResult(store.getResult())));
}
