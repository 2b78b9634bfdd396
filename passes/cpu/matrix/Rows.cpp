//===- Rows.cpp - one phase of a step, two rows at a time -------*- C++ -*-===//
#include "passes/cpu/matrix/Rows.h"
#include "mlir/IR/Matchers.h"
#include "passes/cpu/matrix/Pieces.h"
#include "passes/cpu/matrix/Powers.h"
#include "passes/cpu/matrix/RowRegion.h"
#include "passes/cpu/tile/Absence.h"
#include <cmath>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

RowPhase::RowPhase(TileLowering &t, const MatrixRoles &roles,
                   const MatrixRoles::Phase &phase, Value full, bool fused,
                   Place factor)
    : t(t), b(t.b), roles(roles), phase(phase), full(full), fused(fused),
      factor(std::move(factor)) {}

//===----------------------------------------------------------------------===//
// Elements
//===----------------------------------------------------------------------===//

bool RowPhase::has(Value tile, StringAttr rank) const {
  return cast<tile::TileType>(tile.getType()).rankIndex(rank.getValue()) >= 0;
}

RowPhase::Key RowPhase::keyOf(Value tile, int64_t row, int64_t vector) const {
  return {tile, has(tile, roles.row) ? row : -1,
          has(tile, roles.lane) ? vector : -1};
}

/// `x == -inf ? c : x` with a finite c.
static bool avoidsMinusInfinity(Value tile) {
  auto op = tile.getDefiningOp<tile::EinsumOp>();
  if (!op || op.getMonoid())
    return false;
  auto other = op.getMap().front().back().getOperand(0).getDefiningOp<ElseOp>();
  auto where = other ? other.getValue().getDefiningOp<WhereOp>() : WhereOp();
  auto test = where ? where.getCondition().getDefiningOp<MapOp>() : MapOp();
  FloatAttr value;
  return test && test.getFn() == Fn::eq &&
         test.getOperand(0) == other.getOtherwise() &&
         isMinusInfinity(test.getOperand(1)) &&
         matchPattern(where.getValue(), m_Constant(&value)) &&
         std::isfinite(value.getValueAsDouble());
}

Scalar RowPhase::load(Value name, int64_t row, int64_t vector) {
  const Tile &tile = t.tile(name);
  Values at;
  bool isVector = false;
  for (StringAttr rank : tile.type.getRanks()) {
    if (rank == roles.lane) {
      at.push_back(b.i64(vector * t.lanes()));
      isVector = true;
    } else {
      at.push_back(rowAt[row]);
    }
  }
  Value offset = TileLowering::offset(b, at, tile.strides);
  auto typed = [&](Type type) {
    return isVector ? Type(t.vectorOf(type)) : type;
  };
  Scalar scalar;
  scalar.value = t.load(typed(tile.element), tile.base, offset);
  if (tile.type.getElementType().isInteger(1))
    scalar.value = b.convert(scalar.value, b.getI1Type());
  if (tile.isMasked()) {
    Value bytes = t.load(typed(b.getI8Type()), tile.mask, offset);
    Value flag = b.convert(bytes, b.getI1Type());
    scalar.present = b.bitOr(flag, b.splat(tile.whole, flag.getType()));
  }
  return scalar;
}

/// With `exponent` as RowRegion::emitExponent.
Scalar RowPhase::evaluate(tile::EinsumOp op, int64_t row, int64_t vector,
                          bool exponent) {
  RowRegion region(b, t.outside, full, roles.isCoarse, fused);
  region.capture(t.scalars, op.getMap());
  SmallVector<StringAttr> space = tile::spaceOf(op);
  Block &block = op.getMap().front();
  for (auto [number, argument] : llvm::enumerate(block.getArguments())) {
    if (argument.use_empty())
      continue;
    if (number >= space.size()) {
      region.bind(argument,
                  element(op.getTiles()[number - space.size()], row, vector));
    } else if (space[number] == roles.lane) {
      Value first = b.i32(vector * t.lanes());
      region.bind(argument,
                  {b.add(first, t.iota(b.getI32Type())), {}, {}, true});
    } else {
      region.bind(
          argument,
          {b.convert(rowAt[row], b.getI32Type()), {}, rowAt[row], true});
    }
  }
  return region.settled(exponent ? region.emitExponent(block)
                                 : region.emit(block).front());
}

Scalar RowPhase::element(Value tile, int64_t row, int64_t vector) {
  Key key = keyOf(tile, row, vector);
  if (auto it = shared.find(key); it != shared.end())
    return it->second;
  if (auto it = known.find(key); it != known.end())
    return it->second;
  Scalar scalar =
      roles.isRowMap(tile)
          ? evaluate(tile.getDefiningOp<tile::EinsumOp>(), row, vector)
          : load(tile, row, vector);
  return known[key] = scalar;
}

/// Loads what does not move with the rows, of all that `tile` is made of.
void RowPhase::share(Value tile) {
  if (roles.isRowMap(tile)) {
    for (Value operand : tile.getDefiningOp<tile::EinsumOp>().getTiles())
      share(operand);
    return;
  }
  if (has(tile, roles.row))
    return;
  for (int64_t vector = 0; vector < vectors; ++vector) {
    Key key = keyOf(tile, 0, vector);
    if (shared.count(key))
      continue;
    shared[key] = load(tile, 0, vector);
    if (avoidsMinusInfinity(tile))
      above.insert(shared[key].value);
  }
}

int64_t RowPhase::onTrial(function_ref<void()> emit) {
  auto trial = scf::IfOp::create(b, b.boolean(true), false);
  known.clear();
  {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(trial.thenBlock());
    emit();
  }
  int64_t size = 0;
  trial.walk([&](Operation *) { ++size; });
  known.clear();
  trial.erase();
  return size;
}

RowPhase::Values RowPhase::begin() {
  shared.clear();
  for (tile::EinsumOp op : phase.reductions)
    for (Value operand : op.getTiles())
      share(operand);
  factorAt.clear();
  for (const MatrixProduct *product : phase.factors) {
    share(product->right);
    factorAt.push_back(factor(*product));
  }
  forms.clear();
  bool hasPowers = false;
  onTrial([&] {
    rowAt[0] = b.i64(0);
    for (tile::EinsumOp op : phase.reductions)
      forms.push_back(formOf(op));
    hasPowers = arePowers();
  });
  if (hasPowers)
    powers.emplace(b);
  Values sums = startOfSums();
  if (powers)
    sums.append(vectors, startOfSeen(b, t.vectorOf(b.getI32Type())));
  return sums;
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

/// A zero of its own says that a point is absent.
constexpr double absentFactor = -0.0;

void RowPhase::storeWords(const MatrixProduct &p, ArrayRef<Value> pieces,
                          Value place, Value pair, int64_t vector) {
  Value at = b.add(b.mul(pair, b.i64(roles.lanes)), b.i64(vector * t.lanes()));
  for (Value words : pieces) {
    t.store(words, place, at);
    at = b.add(at, b.i64(roles.rightPieceBytes(p) / 4));
  }
}

/// On trial: are all factors 2^x, the same, and their sums looked at?
bool RowPhase::arePowers() {
  if (!fused || !roles.isCoarse || phase.factors.empty())
    return false;
  Value right = phase.factors[0]->right;
  return exponentAt(right, 0, 0).value &&
         llvm::all_of(phase.factors, [&](const MatrixProduct *p) {
           return p->pieces == 1 && p->right == right;
         });
}

Scalar RowPhase::exponentAt(Value factor, int64_t row, int64_t vector) {
  if (!roles.isRowMap(factor))
    return {};
  return evaluate(factor.getDefiningOp<tile::EinsumOp>(), row, vector,
                  /*exponent=*/true);
}

/// The rows' factors, and what they are for others.
void RowPhase::emitPowers(Value pair, int64_t vector, Value &seen) {
  Value right = phase.factors[0]->right;
  PowerPoint points[2];
  for (int64_t row = 0; row < 2; ++row) {
    Scalar x = exponentAt(right, row, vector);
    points[row] = {x.value, presenceOf(x, x.value)};
  }
  PowerPair made = emitPowerPair(b, *powers, points[0], points[1], seen);
  for (auto [place, product] : llvm::zip(factorAt, phase.factors))
    storeWords(*product, made.words, place, pair, vector);
  Value values[2] = {made.even, made.odd};
  for (int64_t row = 0; row < 2; ++row)
    known[keyOf(right, row, vector)].value = values[row];
}

RowPhase::Values RowPhase::pair(Value pair, Values sums) {
  enter(pair);
  for (int64_t vector = 0; vector < vectors; ++vector)
    emit(pair, vector, sums);
  known.clear();
  return sums;
}

RowPhase::Values RowPhase::pair(Value pair, int64_t vector, Values sums) {
  enter(pair);
  emit(pair, vector, sums);
  known.clear();
  return sums;
}

void RowPhase::enter(Value pair) {
  known.clear();
  rowAt[0] = b.mul(pair, b.i64(2));
  rowAt[1] = b.add(rowAt[0], b.i64(1));
}

/// Null where the value of a factor 2^exponent says as much.
Value RowPhase::presenceOf(const Scalar &point, Value exponent) {
  auto isAbove = [&](Value value) { return above.contains(value); };
  Value present = simplifiedFlag(b.both(point.present, {}));
  bool free = present && full && fallsWhenAbsent(exponent, present, isAbove);
  return free ? Value() : present;
}

void RowPhase::emitFactors(Value pair, int64_t vector) {
  for (auto [place, product] : llvm::zip(factorAt, phase.factors)) {
    Value values[2];
    for (int64_t row = 0; row < 2; ++row) {
      Scalar point = element(product->right, row, vector);
      Value x = b.splat(point.value, t.vectorOf(b.getF32Type()));
      Value present = presenceOf(point, exponentOf(point.value));
      values[row] =
          present ? b.select(present, x, b.real(x.getType(), absentFactor)) : x;
    }
    storeWords(*product, packPair(b, values[0], values[1], product->pieces),
               place, pair, vector);
  }
}

void RowPhase::emit(Value pair, int64_t vector, MutableArrayRef<Value> sums) {
  if (powers)
    emitPowers(pair, vector, sums[sums.size() - vectors + vector]);
  else
    emitFactors(pair, vector);
  for (auto [number, op] : llvm::enumerate(phase.reductions)) {
    Value &sum = sums[number * vectors + vector];
    sum = combinePair(op, forms[number], sum, vector);
  }
}

void RowPhase::absentPair(Value pair) {
  Value none = b.real(t.vectorOf(b.getF32Type()), absentFactor);
  for (auto [place, product] : llvm::zip(factorAt, phase.factors))
    for (int64_t vector = 0; vector < vectors; ++vector)
      storeWords(*product, packPair(b, none, none, product->pieces), place,
                 pair, vector);
}

int64_t RowPhase::sizeOfPair(Values sums) {
  return onTrial([&] { pair(b.i64(0), std::move(sums)); });
}

RowPhase::Values RowPhase::pairs(Value low, Value high, Values sums,
                                 function_ref<void(Value)> before) {
  return t.loop(low, high, 1, sums, [&](Value at, ValueRange in) {
    before(at);
    return pair(at, Values(in));
  });
}
