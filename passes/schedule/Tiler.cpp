//===- Tiler.cpp - a derived kernel as tile programs ------------*- C++ -*-===//
// Rows run in the grid, one rank of them fills the lanes of tiles; the streamed
// rank is the loop; what remains of an einsum's ranks are its tile. Presence
// that is linear bounds the loop.
#include "passes/schedule/Tiler.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace attn;

static Reduce kindOf(EinsumOp op) { return *op.builtinReduce(); }

/// What the values of an einsum's map are made of; not what says where they are
/// or whether they are there.
static SmallVector<ReadOp> factorsOf(EinsumOp op) {
  SmallVector<ReadOp> reads;
  SmallVector<Value> work{op.getMapYield().getOperand(0)};
  SmallPtrSet<Operation *, 8> seen;
  while (!work.empty()) {
    Operation *def = work.pop_back_val().getDefiningOp();
    if (!def || !seen.insert(def).second)
      continue;
    if (auto read = dyn_cast<ReadOp>(def))
      reads.push_back(read);
    else if (auto where = dyn_cast<WhereOp>(def))
      work.push_back(where.getValue());
    else
      llvm::append_range(work, def->getOperands());
  }
  return reads;
}

Tiler::Tiler(CascadeOp cascade, KernelOp kernel, int64_t laneSize,
             TilePacking pack, int64_t partSize, std::string name)
    : cascade(cascade), kernel(kernel), name(std::move(name)), pack(pack),
      partSize(partSize), conditions(ranks), b(kernel) {
  ScheduleAttr schedule = *kernel.getSchedule();
  ranks.rows.assign(schedule.getParallel().begin(),
                    schedule.getParallel().end());
  ranks.stream = schedule.getStream();
  if (DictionaryAttr tile = schedule.getTile(); tile && tile.size() == 1) {
    ranks.tile = tile.begin()->getName();
    ranks.tileSize = cast<IntegerAttr>(tile.begin()->getValue()).getInt();
  }
  ranks.laneSize = laneSize;
}

/// The states of the stream are recurrences over it from one base point.
bool Tiler::isCovered() {
  for (Operation &op : kernel.getBody().front()) {
    if (auto equations = dyn_cast<EquationsOp>(op)) {
      if (equations.getEquations().size() != 2)
        return false;
      stateIndex[equations.getResult()] = states.size();
      states.push_back(equations);
    } else if (auto einsum = dyn_cast<EinsumOp>(op)) {
      if (einsum.getNumResults() != 1 ||
          (einsum.isReduction() && !einsum.builtinReduce()))
        return false;
      // A contraction's guard is evaluated where the contraction is read: it
      // may look up indices that were passed, but no tensor that is computed.
      if (!einsum.getGuard().empty() &&
          !llvm::all_of(einsum.getGuard().front().getOps<ReadOp>(),
                        [](ReadOp read) {
                          return isa<BlockArgument>(read.getTensor()) &&
                                 isa<IntegerType>(read.getType());
                        }))
        return false;
    } else if (!isa<ReturnOp>(op)) {
      return false;
    }
  }
  // Tiles of one kernel compute their reals in one type.
  SmallPtrSet<Type, 2> reals;
  for (auto einsum : kernel.getBody().getOps<EinsumOp>())
    if (isa<FloatType>(
            cast<NamedTensorType>(einsum.getResultTypes()[0]).getElementType()))
      reals.insert(computeReal(einsum));
  // Vectors of f64 are stored as f64 or f32.
  bool stores = llvm::all_of(kernel.getResultTypes(), [&](Type type) {
    Type element = cast<NamedTensorType>(type).getElementType();
    return !reals.contains(b.getF64Type()) || !isa<FloatType>(element) ||
           element.isF64() || element.isF32();
  });
  return ranks.tile && !states.empty() && reals.size() <= 1 && stores;
}

/// A short row rank that a contraction lacks would have it done once for each
/// of its points: it is a rank of tiles instead, as where the rows have a
/// statistic.
void Tiler::tileShortRows() {
  constexpr int64_t longest = 256;
  SmallVector<EinsumOp> contractions;
  for (auto op : kernel.getBody().getOps<EinsumOp>())
    if (op.isReduction() && kindOf(op) == Reduce::sum &&
        factorsOf(op).size() != 1)
      contractions.push_back(op);
  llvm::erase_if(ranks.rows, [&](StringAttr rank) {
    int64_t size = sizeOf(rank);
    return size > 0 && size <= longest &&
           llvm::any_of(contractions, [&](EinsumOp op) {
             return !op.coordinate(rank) &&
                    llvm::any_of(contractions, [&](EinsumOp other) {
                      return other.coordinate(rank) &&
                             llvm::is_contained(other.getReduced(), ranks.tile);
                    });
           });
  });
}

/// The last row rank that some factor of every contraction lacks: its points
/// share that factor (INVARIANCE).
StringAttr Tiler::chooseLane() {
  for (StringAttr rank : llvm::reverse(ranks.rows)) {
    std::optional<int64_t> known = cascade.staticExtent(rank);
    if (pack != TilePacking::none && known == 1)
      continue;
    bool shared = true, occurs = false;
    for (auto op : kernel.getBody().getOps<EinsumOp>()) {
      Value coordinate = op.coordinate(rank);
      if (!op.isReduction() || kindOf(op) != Reduce::sum || !coordinate)
        continue;
      SmallVector<ReadOp> reads = factorsOf(op);
      if (reads.size() < 2)
        continue;
      occurs = true;
      Dependence dependence(op.getMap().front());
      unsigned position = cast<BlockArgument>(coordinate).getArgNumber();
      shared &= llvm::any_of(reads, [&](ReadOp read) {
        return !dependence.of(read.getResult()).test(position);
      });
    }
    if (!shared || !occurs)
      continue;
    if (pack == TilePacking::lanes && known)
      ranks.laneSize = std::min(ranks.laneSize, *known);
    return rank;
  }
  return pack != TilePacking::none ? choosePacked() : StringAttr();
}

/// Is it `lane` divided by `size`?
bool Tiler::isQuotient(Operation *op, Value lane, int64_t size) {
  auto map = dyn_cast<MapOp>(op);
  if (!map || map.getFn() != Fn::floordiv || map.getOperand(0) != lane)
    return false;
  llvm::APInt constant;
  if (matchPattern(map.getOperand(1), m_ConstantInt(&constant)))
    return constant.getSExtValue() == size;
  auto extent = map.getOperand(1).getDefiningOp<ExtentOp>();
  return extent && cascade.staticExtent(extent.getRankAttr()) == size;
}

bool Tiler::readsOnlyQuotient(Value index, Value lane, int64_t size) {
  if (index == lane)
    return false;
  Operation *def = index.getDefiningOp();
  if (!def || isQuotient(def, lane, size))
    return true;
  return llvm::all_of(def->getOperands(), [&](Value operand) {
    return readsOnlyQuotient(operand, lane, size);
  });
}

/// The last row rank h of which some factor of every contraction has no more
/// than h / c: c of its rows share that factor, and are the lanes.
StringAttr Tiler::choosePacked() {
  constexpr int64_t mostLanes = 64;
  for (StringAttr rank : llvm::reverse(ranks.rows)) {
    llvm::SmallDenseSet<int64_t> sizes;
    kernel.walk([&](MapOp map) {
      llvm::APInt constant;
      auto extent = map.getNumOperands() == 2
                        ? map.getOperand(1).getDefiningOp<ExtentOp>()
                        : ExtentOp();
      if (map.getFn() != Fn::floordiv)
        return;
      if (matchPattern(map.getOperand(1), m_ConstantInt(&constant)))
        sizes.insert(constant.getSExtValue());
      else if (extent)
        sizes.insert(cascade.staticExtent(extent.getRankAttr()).value_or(0));
    });
    for (int64_t size : sizes) {
      bool shared = size > 1 && size <= mostLanes, occurs = false;
      for (auto op : kernel.getBody().getOps<EinsumOp>()) {
        Value coordinate = op.coordinate(rank);
        if (!op.isReduction() || kindOf(op) != Reduce::sum || !coordinate)
          continue;
        SmallVector<ReadOp> reads = factorsOf(op);
        if (reads.size() < 2)
          continue;
        occurs = true;
        shared &= llvm::any_of(reads, [&](ReadOp read) {
          return llvm::all_of(read.getIndices(), [&](Value index) {
            return readsOnlyQuotient(index, coordinate, size);
          });
        });
      }
      if (!shared || !occurs)
        continue;
      ranks.laneSize = size;
      packed = true;
      // Few rows fill no vector: the vectors run along another rank.
      constexpr int64_t vectorLanes = 16;
      lanesFirst = pack == TilePacking::rows && size % vectorLanes != 0;
      return rank;
    }
  }
  return {};
}

//===----------------------------------------------------------------------===//
// Ranks and coordinates
//===----------------------------------------------------------------------===//

Ranks Tiler::tileRanks(RankRef all) {
  Ranks result;
  bool lanes = false;
  for (StringAttr rank : all) {
    if (rank == ranks.lane)
      lanes = true;
    else if (rank != ranks.stream && !llvm::is_contained(ranks.rows, rank))
      result.push_back(rank);
  }
  if (lanes)
    result.insert(lanesFirst ? result.begin() : result.end(), laneTile);
  return result;
}

int64_t Tiler::sizeOf(StringAttr rank) {
  return cascade.staticExtent(rank).value_or(-1);
}

Type Tiler::elementOf(Type storage) {
  if (isa<FloatType>(storage))
    return storage.isF64() ? storage : Type(b.getF32Type());
  return scalarTypeOf(storage);
}

tile::TileType Tiler::typeOf(RankRef tileRanks, Type storage, bool masked) {
  SmallVector<int64_t> sizes =
      llvm::map_to_vector(tileRanks, [&](StringAttr r) { return sizeOf(r); });
  return tile::TileType::get(b.getContext(), tileRanks, sizes,
                             elementOf(storage), masked);
}

Coordinates Tiler::coordinates(ExprBuilder &e, const Coordinates &local,
                               Phase phase) {
  Coordinates at = grid;
  for (auto &[rank, value] : local)
    at[rank] = value;
  if (ranks.lane && local.count(laneTile)) {
    Value start = e.map(Fn::mul, {grid[laneStep], e.integer(ranks.laneSize)});
    at[ranks.lane] = e.map(Fn::add, {start, local.lookup(laneTile)});
  }
  if (phase == Phase::Stream)
    at[ranks.stream] = stream.getBody().getArgument(0);
  return at;
}

//===----------------------------------------------------------------------===//
// Einsums on tiles
//===----------------------------------------------------------------------===//

/// `tensor[.., n1-1]`: the state before this step.
static bool readsBefore(ReadOp read, StringAttr stream) {
  auto type = read.getTensor().getType();
  int64_t position = type.rankIndex(stream);
  if (position < 0)
    return false;
  auto map = read.getIndices()[position].getDefiningOp<MapOp>();
  return map && map.getFn() == Fn::sub && isa<BlockArgument>(map.getOperand(0));
}

/// Ranks of the coordinates of a map or a guard.
static Ranks coordinateRanks(Block &block) {
  auto op = cast<EinsumOp>(block.getParentOp());
  Ranks all = strings(op.getSpace());
  if (block.getParent() == &op.getMap())
    llvm::append_range(all, strings(op.getReduced()));
  return all;
}

Value Tiler::operandTile(ReadOp read, EinsumOp op, Phase phase) {
  Value tensor = read.getTensor();
  if (auto it = stateIndex.find(tensor); it != stateIndex.end()) {
    if (phase == Phase::After)
      return stream.getResult(it->second);
    if (readsBefore(read, ranks.stream))
      return stream.getBody().getArgument(1 + it->second);
    return tileOf(tensor, Phase::Stream);
  }
  Operation *def = tensor.getDefiningOp();
  if (def && def->getParentOp() == kernel)
    return tileOf(tensor, phase);

  // A tensor in memory: the ranks its indices depend on, in its own order so
  // that rows stay rows; lanes, or what the result has innermost, go last.
  Dependence dependence(*read->getBlock());
  Ranks all = coordinateRanks(*read->getBlock());
  llvm::SetVector<StringAttr> order;
  for (Value index : read.getIndices())
    for (int i : dependence.of(index).set_bits())
      if (!packed || all[i] != ranks.lane ||
          !readsOnlyQuotient(index, read->getBlock()->getArgument(i),
                             ranks.laneSize))
        order.insert(all[i]);
  Ranks local = tileRanks(order.getArrayRef());
  Ranks result = tileRanks(strings(op.getSpace()));
  // Vectors that run along what is reduced take rows as they lie in memory.
  bool reducesRows = pack == TilePacking::rows && !local.empty() &&
                     llvm::is_contained(strings(op.getReduced()), local.back());
  if (!result.empty() && !ranks.lane && !reducesRows) {
    auto it = llvm::find(local, result.back());
    if (it != local.end())
      std::rotate(it, it + 1, local.end());
  }
  return load(read, op, local, phase);
}

Value Tiler::load(ReadOp read, EinsumOp op, RankRef order, Phase phase) {
  Value tensor = read.getTensor();
  std::string key;
  llvm::raw_string_ostream os(key);
  os << tensor.getAsOpaquePointer();
  bool moves = false;
  Block &region = *read->getBlock();
  Coordinates own = coordinatesOf(coordinateRanks(region), region);
  Dependence dependence(region);
  for (Value index : read.getIndices()) {
    std::string text = conditions.text(index);
    os << '[' << text;
    if (Value step = own.lookup(ranks.stream))
      moves |=
          dependence.of(index).test(cast<BlockArgument>(step).getArgNumber());
  }
  for (StringAttr rank : order)
    os << ' ' << rank.getValue();
  // What does not move with the stream is loaded once.
  if (!moves && phase == Phase::Stream)
    phase = Phase::Before;
  os << static_cast<int>(phase);
  if (Value known = loads.lookup(key))
    return known;
  OpBuilder::InsertionGuard guard(b);
  if (phase == Phase::Before && stream)
    b.setInsertionPoint(stream);
  bool masked = read.getBounds() != Bounds::inside || mayBeAbsent(tensor);
  Type storage = read.getTensor().getType().getElementType();
  if (isa<FloatType>(storage))
    storage = computeReal(op);
  auto type = typeOf(order, storage, masked);
  auto op2 = tile::LoadOp::create(b, read.getLoc(), type, tensor);
  SmallVector<Type> types(order.size(), b.getI32Type());
  SmallVector<Location> locs(order.size(), read.getLoc());
  Block *block = b.createBlock(&op2.getIndices(), {}, types, locs);
  ExprBuilder e(b, read.getLoc());
  Coordinates at = coordinates(e, coordinatesOf(order, *block), phase);
  IRMapping mapping;
  for (auto &[rank, argument] : own)
    if (Value value = at.lookup(rank))
      mapping.map(argument, value);
  SmallVector<Value> indices;
  for (Value index : read.getIndices())
    indices.push_back(cloneExpr(b, index, mapping, [&](Operation *def) {
      bool isStep =
          packed && isQuotient(def, own.lookup(ranks.lane), ranks.laneSize);
      return isStep ? grid[laneStep] : Value();
    }));
  tile::YieldOp::create(b, read.getLoc(), indices);
  return loads[key] = op2.getResult();
}

/// `where` conditions that the value's presence implies anyway are dropped.
Value Tiler::dropImplied(Value root) {
  while (auto where = root.getDefiningOp<WhereOp>()) {
    auto implied = conditions.of(where.getValue());
    // So are those of a guard: nobody reads the result elsewhere.
    auto op = cast<EinsumOp>(where->getParentOp());
    if (op.isReduction()) {
      auto guard = conditions.of(op);
      implied.insert(guard.begin(), guard.end());
    }
    SmallVector<Value> parts;
    PresenceConditions::conjuncts(where.getCondition(), parts);
    if (!llvm::all_of(parts, [&](Value part) {
          return implied.count(conditions.text(part)) > 0;
        }))
      break;
    root = where.getValue();
  }
  return root;
}

static bool mayBeAbsentHere(Value value, const DenseSet<Value> &masked) {
  Operation *def = value.getDefiningOp();
  if (!def)
    return masked.contains(value);
  if (isa<WhereOp>(def))
    return true;
  if (auto otherwise = dyn_cast<ElseOp>(def))
    return mayBeAbsentHere(otherwise.getOtherwise(), masked);
  if (auto read = dyn_cast<ReadOp>(def))
    return true;
  if (auto map = dyn_cast<MapOp>(def);
      map && (map.getFn() == Fn::floordiv || map.getFn() == Fn::mod))
    if (!matchPattern(map.getOperand(1), m_Constant()) &&
        !map.getOperand(1).getDefiningOp<ExtentOp>())
      return true;
  return llvm::any_of(def->getOperands(), [&](Value operand) {
    return mayBeAbsentHere(operand, masked);
  });
}

static Value guardOf(EinsumOp op) {
  return cast<YieldOp>(op.getGuard().front().back()).getOperand(0);
}

/// What `root` reads, and the guards of the contractions that it reads do.
SmallVector<ReadOp> Tiler::readsOf(Value root) {
  SmallVector<ReadOp> reads;
  SmallVector<Value> work{root};
  DenseSet<Value> seen;
  while (!work.empty()) {
    Value value = work.pop_back_val();
    Operation *def = value.getDefiningOp();
    if (!def || !seen.insert(value).second ||
        def->getBlock() != root.getParentBlock())
      continue;
    if (auto read = dyn_cast<ReadOp>(def))
      reads.push_back(read);
    else
      llvm::append_range(work, def->getOperands());
  }
  llvm::sort(reads, [](ReadOp x, ReadOp y) { return x->isBeforeInBlock(y); });
  for (size_t i = 0, n = reads.size(); i < n; ++i)
    if (EinsumOp source = guardedSource(reads[i]))
      llvm::append_range(reads, readsOf(guardOf(source)));
  return reads;
}

/// The contraction of this kernel that is read, if its guard says something.
EinsumOp Tiler::guardedSource(ReadOp read) {
  auto source = read.getTensor().getDefiningOp<EinsumOp>();
  return source && source->getParentOp() == kernel && source.isReduction() &&
                 !isTrivialGuard(source)
             ? source
             : EinsumOp();
}

Value Tiler::emit(EinsumOp op, Value root, RankRef reduced, Value init,
                  Phase phase) {
  root = dropImplied(root);
  // Operands first: loads and definitions go before this einsum.
  SmallVector<ReadOp> reads = readsOf(root);
  if (!op.isReduction() && !isTrivialGuard(op))
    llvm::append_range(reads, readsOf(guardOf(op)));
  DenseMap<Operation *, unsigned> operandOf;
  SmallVector<Value> operands;
  for (ReadOp read : reads) {
    Value tile = operandTile(read, op, phase);
    auto it = llvm::find(operands, tile);
    operandOf[read] = it - operands.begin();
    if (it == operands.end())
      operands.push_back(tile);
  }

  Ranks space = tileRanks(strings(op.getSpace()));
  Ranks local = space;
  llvm::append_range(local, reduced);
  SmallVector<Type> types(local.size(), b.getI32Type());
  for (Value operand : operands)
    types.push_back(
        scalarTypeOf(cast<tile::TileType>(operand.getType()).getElementType()));
  SmallVector<Location> locs(types.size(), op.getLoc());

  auto monoid =
      reduced.empty() ? ReduceAttr() : cast<ReduceAttr>(op.getMonoidAttr());
  SmallVector<Attribute> reducedNames(reduced.begin(), reduced.end());
  SmallVector<int64_t> reducedSizes =
      llvm::map_to_vector(reduced, [&](StringAttr r) { return sizeOf(r); });
  Type storage = cast<NamedTensorType>(op.getResultTypes()[0]).getElementType();
  if (isa<FloatType>(storage))
    storage = computeReal(op);
  auto einsum =
      tile::EinsumOp::create(b, op.getLoc(), typeOf(space, storage, false),
                             operands, init, b.getArrayAttr(reducedNames),
                             b.getDenseI64ArrayAttr(reducedSizes), monoid);
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&einsum.getMap(), {}, types, locs);
  ExprBuilder e(b, op.getLoc());
  Coordinates at = coordinates(e, coordinatesOf(local, *block), phase);
  IRMapping mapping;
  for (auto &[rank, argument] : coordinatesOf(op))
    if (Value value = at.lookup(rank))
      mapping.map(argument, value);
  DenseSet<Value> masked;
  for (auto [i, operand] : llvm::enumerate(operands))
    if (cast<tile::TileType>(operand.getType()).getMasked())
      masked.insert(block->getArgument(local.size() + i));

  std::function<Value(Value, IRMapping &)> clone;
  auto leaf = [&](Operation *def, IRMapping &mapping) -> Value {
    if (auto read = dyn_cast<ReadOp>(def)) {
      Value scalar = block->getArgument(local.size() + operandOf.lookup(read));
      // The guard of a contraction, at its readers.
      EinsumOp source = guardedSource(read);
      if (!source)
        return scalar;
      Block &guardBlock = source.getGuard().front();
      IRMapping inner;
      for (auto &[rank, argument] :
           coordinatesOf(strings(source.getSpace()), guardBlock))
        inner.map(argument, at.lookup(rank));
      Value condition = clone(guardOf(source), inner);
      return e.where(scalar, condition);
    }
    auto map = dyn_cast<MapOp>(def);
    std::string text = map ? conditions.text(map.getResult()) : "";
    if (bounded.count(text)) {
      SmallVector<Value> sides;
      for (Value operand : map.getOperands())
        sides.push_back(clone(operand, mapping));
      Value compare = e.map(map.getFn(), sides);
      if (auto made = compare.getDefiningOp<MapOp>()) {
        made->setAttr("bounded", b.getUnitAttr());
        if (hasParts() && unordered.count(text))
          made->setAttr("classified", b.getUnitAttr());
      }
      return compare;
    }
    return {};
  };
  clone = [&](Value source, IRMapping &mapping) {
    return cloneExpr(b, source, mapping,
                     [&](Operation *def) { return leaf(def, mapping); });
  };
  Value value = clone(root, mapping);
  if (!op.isReduction() && !isTrivialGuard(op)) {
    Block &guardBlock = op.getGuard().front();
    IRMapping inner;
    for (auto &[rank, argument] :
         coordinatesOf(strings(op.getSpace()), guardBlock))
      inner.map(argument, at.lookup(rank));
    value = e.where(value, clone(guardOf(op), inner));
  }
  tile::YieldOp::create(b, op.getLoc(), value);
  if (reduced.empty() && mayBeAbsentHere(value, masked))
    einsum.getResult().setType(typeOf(space, storage, true));
  return einsum.getResult();
}

Value Tiler::tileOf(Value tensor, Phase phase) {
  auto type = cast<NamedTensorType>(tensor.getType());
  if (phase == Phase::Stream && type.rankIndex(ranks.stream) < 0)
    phase = Phase::Before;
  auto key = std::pair(tensor, static_cast<int>(phase));
  if (Value known = tiles.lookup(key))
    return known;
  OpBuilder::InsertionGuard guard(b);
  if (phase == Phase::Before && stream)
    b.setInsertionPoint(stream);
  Value tile;
  if (auto equations = tensor.getDefiningOp<EquationsOp>()) {
    tile = emitStep(equations);
  } else {
    auto op = tensor.getDefiningOp<EinsumOp>();
    tile = emit(op, op.getMapYield().getOperand(0), strings(op.getReduced()),
                Value(), phase);
  }
  return tiles[key] = tile;
}

/// A state's next value. Where the step combines with a part that this step
/// reduces, the reduction starts from the rest.
Value Tiler::emitStep(EquationsOp state) {
  auto step = state.getEquations()[1].getDefiningOp<EinsumOp>();
  auto combine = step.getMapYield().getOperand(0).getDefiningOp<MapOp>();
  auto read = combine ? combine.getOperand(combine.getNumOperands() - 1)
                            .getDefiningOp<ReadOp>()
                      : ReadOp();
  auto part = read ? read.getTensor().getDefiningOp<EinsumOp>() : EinsumOp();
  if (!part || !part.isReduction() || part->getParentOp() != kernel)
    return tileOf(state.getEquations()[1], Phase::Stream);
  Value rest = combine.getOperand(0);
  auto before = rest.getDefiningOp<ReadOp>();
  Value init = before && before.getTensor() == state.getResult()
                   ? operandTile(before, step, Phase::Stream)
                   : emit(step, rest, {}, Value(), Phase::Stream);
  return emit(part, part.getMapYield().getOperand(0),
              strings(part.getReduced()), init, Phase::Stream);
}

//===----------------------------------------------------------------------===//
// The kernel
//===----------------------------------------------------------------------===//

void Tiler::buildBounds() {
  // A step may be left out where every part that it reduces has no point.
  bool first = true;
  PresenceConditions::Texts all;
  for (EquationsOp state : states) {
    auto step = state.getEquations()[1].getDefiningOp<EinsumOp>();
    for (ReadOp read : step.getMap().getOps<ReadOp>()) {
      auto part = read.getTensor().getDefiningOp<EinsumOp>();
      if (!part || !llvm::is_contained(part.getReduced(), ranks.tile))
        continue;
      auto texts = conditions.of(part.getMapYield().getOperand(0));
      all.insert(texts.begin(), texts.end());
      if (first)
        common = texts;
      else
        std::erase_if(common, [&](auto &text) { return !texts.count(text); });
      first = false;
    }
  }
  ExprBuilder e(b, kernel.getLoc());
  Value low = e.integer(0), high = low;
  if (ranks.lane) {
    low = e.map(Fn::mul, {grid[laneStep], e.integer(ranks.laneSize)});
    Value last = e.map(Fn::add, {low, e.integer(ranks.laneSize - 1)});
    Value end = e.map(Fn::sub, {e.extent(ranks.lane), e.integer(1)});
    high = e.map(Fn::min, {last, end});
  }
  BoundsBuilder builder(e, ranks, low, high);
  for (const std::string &text : all) {
    Value source = conditions.source(text);
    SmallVector<LinearClause> linear = conditions.linear(source);
    if (linear.empty()) {
      unordered.insert(text);
      continue;
    }
    bounded.insert(text);
    auto rest = [&](Value side) {
      Block *block = source.getParentBlock();
      auto op = cast<EinsumOp>(block->getParentOp());
      IRMapping mapping;
      Ranks names = strings(op.getSpace());
      if (block->getParent() == &op.getMap())
        llvm::append_range(names, strings(op.getReduced()));
      for (auto &[rank, argument] : coordinatesOf(names, *block)) {
        Value at = grid.lookup(rank);
        mapping.map(argument, at ? at : e.integer(0));
      }
      return cloneExpr(b, side, mapping);
    };
    for (const LinearClause &any : linear) {
      builder.requireFull(any, rest);
      if (common.count(text))
        builder.require(any, rest);
    }
  }
  bounds = builder.bounds;
}

/// Whole tiles are classified, or parts of them, if that says more: conditions
/// that are alike for all lanes are not worth it.
void Tiler::choosePieces() {
  pieces = {{laneStep, laneTile, ranks.laneSize},
            {ranks.stream, ranks.tile, ranks.tileSize}};
  auto divides = [&](int64_t size) {
    return partSize && size > partSize && size % partSize == 0;
  };
  Classifier asked(conditions, ranks, pieces, b);
  auto isKnown = [&](const std::string &text) {
    return !asked.isUnknown(conditions.source(text));
  };
  auto differs = [&](const std::string &text) {
    return isKnown(text) && asked.dependsOnLanes(conditions.source(text));
  };
  if (!ranks.lane || !divides(ranks.laneSize) || !divides(ranks.tileSize) ||
      llvm::none_of(unordered, isKnown) || llvm::none_of(common, differs))
    return;
  MLIRContext *ctx = cascade.getContext();
  auto divide = [&](TilePieces::Side &side, StringRef name) {
    auto count = AffineMap::get(
        0, 1, getAffineSymbolExpr(0, ctx) * (side.size / partSize));
    StringAttr number = freshRank(cascade, (name + "2").str());
    declareRank(cascade, number, ExtentAttr::get(ctx, count, {side.number}));
    side = {number, freshRank(cascade, (name + "3").str()), partSize};
    declareRank(cascade, side.tile, ExtentAttr::constant(ctx, partSize));
  };
  divide(pieces.lanes, ranks.lane.getValue());
  divide(pieces.points, ranks.stream.getValue());
}

/// Coordinates of a part of a step (null: a whole tile).
Coordinates Tiler::pieceAt(ExprBuilder &e, Value step, Value lanePart,
                           Value pointPart) {
  Coordinates at = grid;
  at[ranks.stream] = step;
  at[ranks.tile] = e.integer(0);
  if (!lanePart)
    return at;
  auto number = [&](Value whole, int64_t size, Value part) {
    Value first = e.map(Fn::mul, {whole, e.integer(size / partSize)});
    return e.map(Fn::add, {first, part});
  };
  at[pieces.lanes.number] = number(grid[laneStep], ranks.laneSize, lanePart);
  at[pieces.points.number] = number(step, ranks.tileSize, pointPart);
  at[ranks.tile] = e.map(Fn::mul, {pointPart, e.integer(partSize)});
  return at;
}

/// Conditions that are no bounds are asked a step at a time.
void Tiler::buildClassify(Classifier &classifier) {
  if (unordered.empty())
    return;
  OpBuilder::InsertionGuard guard(b);
  Block *block = b.createBlock(&stream.getClassify(), {}, {b.getI32Type()},
                               {kernel.getLoc()});
  ExprBuilder e(b, kernel.getLoc());
  Value step = block->getArgument(0);
  SmallVector<Coordinates> all{pieceAt(e, step, {}, {})};
  if (hasParts()) {
    all.clear();
    for (int64_t i = 0; i < ranks.laneSize / partSize; ++i)
      for (int64_t j = 0; j < ranks.tileSize / partSize; ++j)
        all.push_back(pieceAt(e, step, e.integer(i), e.integer(j)));
  }
  Value some = e.boolean(true), every = some;
  for (const std::string &text : unordered) {
    Value source = conditions.source(text);
    std::optional<Holds> holds;
    for (const Coordinates &at : all) {
      auto piece = classifier.holds(e, source, at);
      if (piece && holds)
        piece = {e.map(Fn::or_, {holds->some, piece->some}),
                 e.map(Fn::and_, {holds->all, piece->all})};
      holds = piece;
    }
    if (!holds)
      continue;
    if (common.count(text))
      some = e.map(Fn::and_, {some, holds->some});
    // Others stay in the code of full steps.
    if (!source.getDefiningOp<MapOp>())
      continue;
    every = e.map(Fn::and_, {every, holds->all});
    bounded.insert(text);
  }
  // Conditions that say nothing of a whole tile need not be asked.
  if (!matchPattern(some, m_One()) || !matchPattern(every, m_One()))
    tile::YieldOp::create(b, kernel.getLoc(), ValueRange{some, every});
  else
    stream.getClassify().getBlocks().clear();
}

/// All conditions, of a part of a step.
void Tiler::buildParts(Classifier &classifier) {
  if (!hasParts() || stream.getClassify().empty())
    return;
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Type> types(3, b.getI32Type());
  SmallVector<Location> locs(3, kernel.getLoc());
  Block *block = b.createBlock(&stream.getParts(), {}, types, locs);
  ExprBuilder e(b, kernel.getLoc());
  Coordinates at = pieceAt(e, block->getArgument(0), block->getArgument(1),
                           block->getArgument(2));
  Value some = e.boolean(true), ordered = some, classified = some;
  PresenceConditions::Texts texts = bounded;
  texts.insert(common.begin(), common.end());
  for (const std::string &text : texts) {
    auto holds = classifier.holds(e, conditions.source(text), at);
    if (holds && common.count(text))
      some = e.map(Fn::and_, {some, holds->some});
    Value &all = unordered.count(text) ? classified : ordered;
    if (bounded.count(text))
      all = e.map(Fn::and_, {all, holds ? holds->all : e.boolean(false)});
  }
  tile::YieldOp::create(b, kernel.getLoc(),
                        ValueRange{some, ordered, classified});
  stream.setPartSize(partSize);
}

void Tiler::buildStream() {
  SmallVector<Value> init;
  for (EquationsOp state : states)
    init.push_back(tileOf(state.getEquations()[0], Phase::Before));
  SmallVector<Type> types =
      llvm::map_to_vector(init, [](Value v) { return v.getType(); });
  stream = tile::StreamOp::create(b, kernel.getLoc(), types, ranks.stream,
                                  bounds.lower, bounds.fullLower,
                                  bounds.fullUpper, bounds.upper, bounds.from,
                                  bounds.to, init, IntegerAttr());
  choosePieces();
  Classifier classifier(conditions, ranks, pieces, OpBuilder(program));
  buildClassify(classifier);
  buildParts(classifier);
  OpBuilder::InsertionGuard guard(b);
  SmallVector<Type> arguments{b.getI32Type()};
  llvm::append_range(arguments, types);
  SmallVector<Location> locs(arguments.size(), kernel.getLoc());
  b.createBlock(&stream.getBody(), {}, arguments, locs);
  SmallVector<Value> next;
  for (EquationsOp state : states)
    next.push_back(tileOf(state.getResult(), Phase::Stream));
  tile::YieldOp::create(b, kernel.getLoc(), next);
}

void Tiler::buildStores() {
  for (auto [i, tensor] : llvm::enumerate(kernel.getReturn().getOperands())) {
    Value tile = tileOf(tensor, Phase::After);
    auto store = tile::StoreOp::create(b, kernel.getLoc(), tile, i);
    OpBuilder::InsertionGuard guard(b);
    auto type = cast<tile::TileType>(tile.getType());
    SmallVector<Type> types(type.getRanks().size(), b.getI32Type());
    SmallVector<Location> locs(types.size(), kernel.getLoc());
    Block *block = b.createBlock(&store.getIndices(), {}, types, locs);
    ExprBuilder e(b, kernel.getLoc());
    Coordinates at =
        coordinates(e, coordinatesOf(type.getRanks(), *block), Phase::After);
    SmallVector<Value> indices;
    for (StringAttr rank : cast<NamedTensorType>(tensor.getType()).getRanks())
      indices.push_back(at.lookup(rank));
    tile::YieldOp::create(b, kernel.getLoc(), indices);
  }
}

LogicalResult Tiler::run() {
  if (!isCovered())
    return failure();
  tileShortRows();
  ranks.lane = chooseLane();
  MLIRContext *ctx = cascade.getContext();
  SmallVector<StringAttr> gridRanks;
  for (StringAttr rank : ranks.rows) {
    if (rank != ranks.lane) {
      gridRanks.push_back(rank);
      continue;
    }
    laneStep = freshRank(cascade, (rank.getValue() + "1").str());
    auto count = AffineMap::get(
        0, 1, getAffineSymbolExpr(0, ctx).ceilDiv(ranks.laneSize));
    declareRank(cascade, laneStep, ExtentAttr::get(ctx, count, {rank}));
    laneTile = freshRank(cascade, (rank.getValue() + "0").str());
    declareRank(cascade, laneTile, ExtentAttr::constant(ctx, ranks.laneSize));
    gridRanks.push_back(laneStep);
  }
  SmallVector<Attribute> names(gridRanks.begin(), gridRanks.end());
  program = tile::KernelOp::create(b, kernel.getLoc(), kernel.getResultTypes(),
                                   name, b.getArrayAttr(names));
  SmallVector<Type> types(gridRanks.size(), b.getI32Type());
  SmallVector<Location> locs(gridRanks.size(), kernel.getLoc());
  Block *body = b.createBlock(&program.getBody(), {}, types, locs);
  grid = coordinatesOf(gridRanks, *body);
  buildBounds();
  buildStream();
  buildStores();
  kernel.replaceAllUsesWith(program);
  kernel.erase();
  return success();
}
