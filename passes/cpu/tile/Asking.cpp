//===- Asking.cpp - what the next step of a stream reads --------*- C++ -*-===//
// Codes on a matrix unit are read in a burst. The next ones are asked for by
// the other loops of a step, a few rows of all tiles at a time: what is under
// way is little, so that loads need not wait for it, and never nothing.
//===----------------------------------------------------------------------===//
#include "mlir/Transforms/RegionUtils.h"
#include "passes/cpu/tile/Lowering.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

bool TileLowering::isAskedFor(const Tile &tile) const {
  return llvm::any_of(asking.tiles,
                      [&](const Tile &o) { return o.base == tile.base; });
}

void TileLowering::askForRow(Value row) {
  auto perLine = [](const Tile &tile) -> int64_t {
    return 512 / tile.element.getIntOrFloatBitWidth();
  };
  int64_t lines = 0;
  for (const Tile &tile : asking.tiles)
    lines = std::max<int64_t>(
        lines, llvm::divideCeil(tile.fixedSize(1), perLine(tile)));
  for (int64_t line = 0; line < lines; ++line)
    for (const Tile &tile : asking.tiles) {
      int64_t column = line * perLine(tile);
      if (column >= tile.fixedSize(1))
        continue;
      Value at = b.add(b.mul(row, tile.strides[0]), b.i64(column));
      b.prefetch(b.gep(tile.element, tile.base, b.add(tile.ahead, at)));
    }
}

void TileLowering::ask(Value turn, int64_t turns, int64_t each) {
  each = std::min(each, unasked() / std::max<int64_t>(turns, 1));
  for (int64_t i = 0; i < each; ++i)
    askForRow(b.add(b.mul(turn, b.i64(each)), b.i64(asking.asked + i)));
  asking.asked += each * turns;
}

void TileLowering::askMeanwhile(llvm::function_ref<void()> emit) {
  askedMeanwhile = asking.asked;
  asksMeanwhile = !asking.tiles.empty();
  emit();
  asksMeanwhile = false;
  asking.asked = askedMeanwhile;
}

/// Before others, so that all loops may ask for its tile?
static bool comesFirst(tile::LoadOp load) {
  Type element = load.getTensor().getType().getElementType();
  llvm::SetVector<Value> used;
  getUsedValuesDefinedAbove(load.getIndices(), used);
  return element.isInteger(8) && !element.isUnsignedInteger() &&
         llvm::none_of(used, [&](Value x) {
           return x.getDefiningOp() && x.getParentBlock() == load->getBlock();
         });
}

void TileLowering::emitStep(Block &body) {
  Asking outer = std::exchange(asking, {});
  llvm::SmallPtrSet<Operation *, 4> first;
  if (b.target.amx)
    for (auto load : body.getOps<tile::LoadOp>()) {
      if (!comesFirst(load))
        continue;
      emit(*load);
      first.insert(load);
      const Tile &t = tile(load.getResult());
      if (!t.ahead || !t.codes || t.rows || t.sizes.size() != 2 ||
          t.fixedSize(0) < 0 || t.fixedSize(1) < 0)
        continue;
      asking.rows = asking.tiles.empty()
                        ? t.fixedSize(0)
                        : std::min(asking.rows, t.fixedSize(0));
      asking.tiles.push_back(t);
    }
  for (Operation &op : body)
    if (!first.contains(&op))
      emit(op);
  if (unasked() > 0)
    loop(b.i64(asking.asked), b.i64(asking.rows), 1,
         [&](Value row) { askForRow(row); });
  asking = std::move(outer);
}
