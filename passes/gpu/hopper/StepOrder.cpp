//===- StepOrder.cpp - what overlaps, and in which registers ----*- C++ -*-===//
#include "passes/cpu/tile/Index.h"
#include "passes/gpu/hopper/Roles.h"

using namespace mlir;
using namespace attn;
using namespace attn::gpu;

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
