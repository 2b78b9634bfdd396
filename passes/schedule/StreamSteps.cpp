//===- StreamSteps.cpp - which steps of a stream run ------------*- C++ -*-===//
#include "passes/schedule/StreamSteps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;

StreamSteps::StreamSteps(TileProgram &program, int64_t partSize)
    : p(program), partSize(partSize),
      pieces{{p.ranks.laneStep, p.ranks.laneTile, p.ranks.laneSize},
             {p.ranks.stream, p.ranks.tile, p.ranks.tileSize}} {
  bool first = true;
  for (EquationsOp state : p.states) {
    auto step = state.getEquations()[1].getDefiningOp<EinsumOp>();
    for (ReadOp read : step.getMap().getOps<ReadOp>()) {
      auto part = read.getTensor().getDefiningOp<EinsumOp>();
      if (!part || !llvm::is_contained(part.getReduced(), p.ranks.tile))
        continue;
      Texts texts = p.conditions.of(part.getMapYield().getOperand(0));
      some.insert(texts.begin(), texts.end());
      if (first)
        common = texts;
      else
        std::erase_if(common, [&](auto &text) { return !texts.count(text); });
      first = false;
    }
  }
}

/// A value of an einsum's region before the stream: at the grid's coordinates,
/// and at 0 of the other ranks.
Value StreamSteps::atGrid(ExprBuilder &e, Value value, Block &region) {
  IRMapping mapping;
  for (auto &[rank, argument] : coordinatesOf(region)) {
    Value at = p.grid.lookup(rank);
    mapping.map(argument, at ? at : e.integer(0));
  }
  return cloneExpr(e.b, value, mapping);
}

StreamBounds StreamSteps::writeBounds() {
  ExprBuilder e(p.b, p.kernel.getLoc());
  Value low = e.integer(0), high = low;
  if (StringAttr lane = p.ranks.lane) {
    low = p.firstLane(e);
    Value last = e.map(Fn::add, {low, e.integer(p.ranks.laneSize - 1)});
    Value end = e.map(Fn::sub, {e.extent(lane), e.integer(1)});
    high = e.map(Fn::min, {last, end});
  }
  BoundsBuilder builder(e, p.ranks, low, high);
  for (const std::string &text : some) {
    Value condition = p.conditions.source(text);
    SmallVector<LinearClause> clauses = p.conditions.linear(condition);
    if (clauses.empty()) {
      unordered.insert(text);
      continue;
    }
    decided.insert(text);
    auto rest = [&](Value side) {
      return atGrid(e, side, *condition.getParentBlock());
    };
    for (const LinearClause &any : clauses) {
      builder.requireFull(any, rest);
      if (common.count(text))
        builder.require(any, rest);
    }
  }
  return builder.bounds;
}

//===----------------------------------------------------------------------===//
// Classification
//===----------------------------------------------------------------------===//

/// Whole tiles are classified, or parts of them, if that says more: conditions
/// that are alike for all lanes are not worth it.
void StreamSteps::choosePieces() {
  const KernelRanks &ranks = p.ranks;
  auto divides = [&](int64_t size) {
    return partSize && size > partSize && size % partSize == 0;
  };
  Classifier asked(p.conditions, ranks, pieces, p.b);
  auto isKnown = [&](const std::string &text) {
    return !asked.isUnknown(p.conditions.source(text));
  };
  auto differs = [&](const std::string &text) {
    return isKnown(text) && asked.dependsOnLanes(p.conditions.source(text));
  };
  if (!ranks.lane || !divides(ranks.laneSize) || !divides(ranks.tileSize) ||
      llvm::none_of(unordered, isKnown) || llvm::none_of(common, differs))
    return;
  CascadeOp cascade = p.cascade;
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
Coordinates StreamSteps::pieceAt(ExprBuilder &e, Value step, Value lanePart,
                                 Value pointPart) {
  const KernelRanks &ranks = p.ranks;
  Coordinates at = p.grid;
  at[ranks.stream] = step;
  at[ranks.tile] = e.integer(0);
  if (!lanePart)
    return at;
  auto number = [&](Value whole, int64_t size, Value part) {
    Value first = e.map(Fn::mul, {whole, e.integer(size / partSize)});
    return e.map(Fn::add, {first, part});
  };
  at[pieces.lanes.number] =
      number(p.grid.lookup(ranks.laneStep), ranks.laneSize, lanePart);
  at[pieces.points.number] = number(step, ranks.tileSize, pointPart);
  at[ranks.tile] = e.map(Fn::mul, {pointPart, e.integer(partSize)});
  return at;
}

SmallVector<Coordinates> StreamSteps::piecesOf(ExprBuilder &e, Value step) {
  SmallVector<Coordinates> all{pieceAt(e, step, {}, {})};
  if (!hasParts())
    return all;
  all.clear();
  for (int64_t i = 0; i < p.ranks.laneSize / partSize; ++i)
    for (int64_t j = 0; j < p.ranks.tileSize / partSize; ++j)
      all.push_back(pieceAt(e, step, e.integer(i), e.integer(j)));
  return all;
}

/// Conditions that are no bounds are asked a step at a time.
void StreamSteps::classifySteps(Classifier &classifier) {
  if (unordered.empty())
    return;
  OpBuilder &b = p.b;
  OpBuilder::InsertionGuard guard(b);
  Region &classify = p.stream.getClassify();
  Block *block = createBlock(b, classify, 1);
  ExprBuilder e(b, p.kernel.getLoc());
  SmallVector<Coordinates> all = piecesOf(e, block->getArgument(0));
  Value any = e.boolean(true), full = any;
  for (const std::string &text : unordered) {
    Value condition = p.conditions.source(text);
    std::optional<Holds> holds;
    for (const Coordinates &at : all) {
      auto piece = classifier.holds(e, condition, at);
      if (piece && holds)
        piece = {e.map(Fn::or_, {holds->some, piece->some}),
                 e.map(Fn::and_, {holds->all, piece->all})};
      holds = piece;
    }
    if (!holds)
      continue;
    if (common.count(text))
      any = e.map(Fn::and_, {any, holds->some});
    // Others stay in the code of full steps.
    if (!condition.getDefiningOp<MapOp>())
      continue;
    full = e.map(Fn::and_, {full, holds->all});
    decided.insert(text);
  }
  // Conditions that say nothing of a whole tile need not be asked.
  if (!matchPattern(any, m_One()) || !matchPattern(full, m_One()))
    tile::YieldOp::create(b, p.kernel.getLoc(), ValueRange{any, full});
  else
    classify.getBlocks().clear();
}

/// All conditions, of a part of a step.
void StreamSteps::classifyParts(Classifier &classifier) {
  if (!hasParts() || p.stream.getClassify().empty())
    return;
  OpBuilder &b = p.b;
  OpBuilder::InsertionGuard guard(b);
  Block *block = createBlock(b, p.stream.getParts(), 3);
  ExprBuilder e(b, p.kernel.getLoc());
  Coordinates at = pieceAt(e, block->getArgument(0), block->getArgument(1),
                           block->getArgument(2));
  Value any = e.boolean(true), ordered = any, classified = any;
  Texts texts = decided;
  texts.insert(common.begin(), common.end());
  for (const std::string &text : texts) {
    auto holds = classifier.holds(e, p.conditions.source(text), at);
    if (holds && common.count(text))
      any = e.map(Fn::and_, {any, holds->some});
    Value &all = unordered.count(text) ? classified : ordered;
    if (decided.count(text))
      all = e.map(Fn::and_, {all, holds ? holds->all : e.boolean(false)});
  }
  tile::YieldOp::create(b, p.kernel.getLoc(),
                        ValueRange{any, ordered, classified});
  p.stream.setPartSize(partSize);
}

void StreamSteps::writeClassification() {
  choosePieces();
  Classifier classifier(p.conditions, p.ranks, pieces, OpBuilder(p.tiled));
  classifySteps(classifier);
  classifyParts(classifier);
}
