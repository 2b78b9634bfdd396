//===- CutWriter.cpp - the cascades that a cut makes ------------*- C++ -*-===//
// A piece of the cut rank has coordinates of its own. Tensors are read at
// those; elsewhere a coordinate is that of the whole, which the caller gives by
// the scalar `<rank>_begin`, and so is an extent that is not the piece's
// (`<rank>_extent`).
#include "passes/derive/CutWriter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace attn;

CutWriter::CutWriter(CascadeOp original, CascadeOp source, StringAttr rank,
                     StringRef suffix, const Twine &doc)
    : original(original), source(source), rank(rank) {
  OpBuilder b(original.getContext());
  b.setInsertionPoint(source);
  IRMapping none;
  cascade = cast<CascadeOp>(b.cloneWithoutRegions(*original, none));
  cascade.setSymName((original.getSymName() + suffix).str());
  cascade.removeCutAttr();
  cascade.setDocAttr(
      b.getStringAttr("Of " + original.getSymName() + ", " + doc + "."));
  cascade->setAttr("attn.cut_of", original.getSymNameAttr());
  cascade.getBody().emplaceBlock();
  for (auto [argument, port] :
       llvm::zip(source.getBody().getArguments(),
                 source.getInputs().getAsRange<PortAttr>())) {
    inputs[argument] =
        body()->addArgument(argument.getType(), argument.getLoc());
    ports.push_back(port);
  }
}

LogicalResult CutWriter::fail(const Twine &why) {
  return original.emitError() << "cut " << rank.getValue() << ": " << why;
}

Value CutWriter::input(BlockArgument argument) { return inputs[argument]; }

Value CutWriter::addInput(StringRef name, RankRef ranks, Type element,
                          TypedAttr init) {
  MLIRContext *ctx = original.getContext();
  ports.push_back(PortAttr::get(ctx, StringAttr::get(ctx, name), LayoutAttr(),
                                QuantAttr(), StringAttr(), init));
  return body()->addArgument(NamedTensorType::get(ctx, ranks, element),
                             original.getLoc());
}

//===----------------------------------------------------------------------===//
// Coordinates
//===----------------------------------------------------------------------===//

/// Is the rank made of others, or part of one? A piece is then made of pieces.
bool CutWriter::isRelated() const {
  return llvm::any_of(CascadeOp(original).getRelations(), [&](Attribute r) {
    auto [whole, parts] = partsOf(r);
    return whole == rank || llvm::is_contained(parts, rank);
  });
}

/// The rank, what it is made of and what it makes.
bool CutWriter::isOfPiece(StringAttr name) const {
  return name == rank ||
         llvm::any_of(CascadeOp(original).getRelations(), [&](Attribute r) {
           auto [whole, parts] = partsOf(r);
           auto has = [&](StringAttr one) {
             return whole == one || llvm::is_contained(parts, one);
           };
           return has(rank) && has(name);
         });
}

LogicalResult CutWriter::placeBlock(Block &block, RankRef ranks, OpBuilder &b) {
  auto position = llvm::find(ranks, rank) - ranks.begin();
  bool isOfRank = position < static_cast<int64_t>(ranks.size());
  Value own = isOfRank ? block.getArgument(position) : Value();
  for (Operation &op : block)
    if (auto read = dyn_cast<ReadOp>(op))
      for (auto [axis, index] :
           llvm::zip(read.getTensor().getType().getRanks(), read.getIndices()))
        if (axis == rank && index != own)
          return fail("a tensor is read along it at another point");
  if (!isOfRank)
    return success();
  // Where it indexes its own axis it is the piece's.
  SmallVector<OpOperand *> elsewhere;
  for (OpOperand &use : own.getUses()) {
    auto read = dyn_cast<ReadOp>(use.getOwner());
    bool isOwn =
        read && use.getOperandNumber() > 0 &&
        read.getTensor().getType().getRanks()[use.getOperandNumber() - 1] ==
            rank;
    if (!isOwn)
      elsewhere.push_back(&use);
  }
  if (elsewhere.empty())
    return success();
  b.setInsertionPointToStart(&block);
  ExprBuilder e(b, original.getLoc());
  Value whole = e.map(Fn::add, {own, begin(rank, e)});
  for (OpOperand *use : elsewhere)
    use->set(whole);
  distrust(block, position);
  return success();
}

/// The coordinate of the piece's first point.
Value CutWriter::begin(StringAttr name, ExprBuilder &e) {
  Value &scalar = begins[name];
  if (!scalar)
    scalar = addInput((name.getValue() + "_begin").str(), {}, e.b.getI32Type(),
                      e.b.getI32IntegerAttr(0));
  return e.read(scalar, ValueRange());
}

/// A caller's number proves nothing.
void CutWriter::distrust(Block &block, unsigned position) {
  Dependence dependence(block);
  for (auto read : block.getOps<ReadOp>())
    for (Value index : read.getIndices())
      if (index != block.getArgument(position) &&
          dependence.of(index).test(position) &&
          read.getBounds() == Bounds::inside)
        read.setBounds(Bounds::absent);
}

/// An expression of extents alone.
static bool isOfExtents(Value value) {
  Operation *op = value.getDefiningOp();
  return op &&
         (isa<ExtentOp>(op) ||
          (isa<MapOp>(op) && llvm::all_of(op->getOperands(), isOfExtents)));
}

static bool isComparison(MapOp map) {
  return map.getFn() >= Fn::lt && map.getFn() <= Fn::ne;
}

/// A piece of a sum rank is a piece of each part: which part a point belongs
/// to is a matter of the piece's own extents, where it stands in its part is
/// not.
LogicalResult CutWriter::placeParts(Block &block, RankRef ranks, SumAttr sum,
                                    OpBuilder &b) {
  auto position = llvm::find(ranks, rank) - ranks.begin();
  if (position == static_cast<int64_t>(ranks.size()))
    return success();
  BlockArgument own = block.getArgument(position);
  constexpr int whole = -1;
  SmallVector<std::pair<Value, int>> places = {{own, whole}};
  SmallVector<std::pair<OpOperand *, int>> elsewhere;
  for (size_t i = 0; i < places.size(); ++i) {
    auto [place, part] = places[i];
    for (OpOperand &use : place.getUses()) {
      Operation *user = use.getOwner();
      auto map = dyn_cast<MapOp>(user);
      if (isa<WhereOp>(user) && use.getOperandNumber() == 0) {
        places.emplace_back(user->getResult(0), std::max(part, 0));
        continue;
      }
      Value other = map && map.getNumOperands() == 2
                        ? map.getOperand(1 - use.getOperandNumber())
                        : Value();
      if (other && isComparison(map) && isOfExtents(other))
        continue;
      if (other && map.getFn() == Fn::sub && part == whole &&
          use.getOperandNumber() == 0 && isOfExtents(other)) {
        // Beyond the first k parts it is the coordinate of part k.
        int before = 0;
        SmallVector<Value> terms{other};
        while (!terms.empty()) {
          Value term = terms.pop_back_val();
          before += bool(term.getDefiningOp<ExtentOp>());
          llvm::append_range(terms, term.getDefiningOp()->getOperands());
        }
        places.emplace_back(map.getResult(), before);
        continue;
      }
      if (auto read = dyn_cast<ReadOp>(user)) {
        StringAttr axis =
            read.getTensor().getType().getRanks()[use.getOperandNumber() - 1];
        if (axis == (part == whole ? rank : sum.getParts()[part]))
          continue;
      }
      elsewhere.emplace_back(&use, part);
    }
  }
  for (auto [use, part] : elsewhere) {
    if (part == whole)
      return fail("where a point of it stands is used, and the rank has parts");
    b.setInsertionPoint(use->getOwner());
    ExprBuilder e(b, original.getLoc());
    use->set(e.map(Fn::add, {use->get(), begin(sum.getParts()[part], e)}));
  }
  if (!elsewhere.empty())
    distrust(block, position);
  for (auto extent : block.getOps<ExtentOp>())
    if (isOfPiece(extent.getRankAttr()))
      for (Operation *user : extent->getUsers()) {
        bool isPlace = llvm::any_of(user->getOperands(), [&](Value v) {
          return llvm::any_of(places,
                              [&](auto &place) { return place.first == v; });
        });
        if (!isPlace && !isOfExtents(user->getResult(0)))
          return fail("its extent is used, and the rank has parts");
      }
  return success();
}

LogicalResult CutWriter::placeCoordinates() {
  OpBuilder b(original.getContext());
  SumAttr sum;
  for (Attribute relation : original.getRelations()) {
    auto [whole, parts] = partsOf(relation);
    if (whole == rank && isa<SumAttr>(relation))
      sum = cast<SumAttr>(relation);
    else if (whole == rank || llvm::is_contained(parts, rank))
      return fail("pieces of a rank of a product are not derived");
  }
  for (auto einsum : body()->getOps<EinsumOp>()) {
    auto place = [&](Block &block, RankRef ranks) {
      return sum ? placeParts(block, ranks, sum, b)
                 : placeBlock(block, ranks, b);
    };
    if (!einsum.getGuard().empty() &&
        failed(place(einsum.getGuard().front(), strings(einsum.getSpace()))))
      return failure();
    if (failed(place(einsum.getMap().front(), einsum.mapRanks())))
      return failure();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Ports, ranks, extents
//===----------------------------------------------------------------------===//

void CutWriter::dropInputs() {
  for (unsigned i = body()->getNumArguments(); i-- > 0;)
    if (body()->getArgument(i).use_empty()) {
      body()->eraseArgument(i);
      ports.erase(ports.begin() + i);
    }
}

bool CutWriter::isOnInput(StringAttr name) {
  return llvm::any_of(body()->getArgumentTypes(), [&](Type type) {
    return cast<NamedTensorType>(type).rankIndex(name) >= 0;
  });
}

/// Can the extent be found, and is it the same as of the whole?
bool CutWriter::isKnown(StringAttr name) {
  if (name == rank && !isRelated())
    return false;
  RankAttr declared = original.findRank(name);
  if (isOnInput(name))
    return true;
  return declared && declared.getExtent() &&
         llvm::all_of(declared.getExtent().getRanks(),
                      [&](StringAttr other) { return isKnown(other); });
}

/// An extent that is nobody's any more is given.
void CutWriter::giveExtents() {
  OpBuilder b(original.getContext());
  llvm::DenseMap<StringAttr, Value> given;
  SmallVector<ExtentOp> extents;
  cascade.walk([&](ExtentOp op) { extents.push_back(op); });
  for (ExtentOp op : extents) {
    StringAttr name = op.getRankAttr();
    if (isKnown(name))
      continue;
    Value &scalar = given[name];
    if (!scalar)
      scalar =
          addInput((name.getValue() + "_extent").str(), {}, b.getI32Type());
    b.setInsertionPoint(op);
    op.replaceAllUsesWith(
        ReadOp::create(b, op.getLoc(), scalar, ValueRange(), Bounds::inside)
            .getResult());
    op.erase();
  }
}

/// Ranks that the cascade's definitions name.
llvm::SetVector<StringAttr> CutWriter::usedRanks() {
  llvm::SetVector<StringAttr> used;
  auto useType = [&](Type type) {
    if (auto tensor = dyn_cast<NamedTensorType>(type))
      used.insert_range(tensor.getRanks());
  };
  for (Type type : body()->getArgumentTypes())
    useType(type);
  cascade.walk([&](Operation *op) {
    llvm::for_each(op->getResultTypes(), useType);
    if (auto extent = dyn_cast<ExtentOp>(op))
      used.insert(extent.getRankAttr());
    if (auto einsum = dyn_cast<EinsumOp>(op))
      used.insert_range(strings(einsum.getReduced()));
    if (auto order = dyn_cast<OrderOp>(op))
      used.insert(order.getFromAttr());
    if (auto equations = dyn_cast<EquationsOp>(op))
      for (Attribute pattern : equations.getPatterns())
        for (Attribute index : cast<ArrayAttr>(pattern))
          if (auto extent = dyn_cast<ExtentAttr>(index))
            used.insert_range(extent.getRanks());
  });
  return used;
}

/// What depends on the cut rank differs in a piece: inputs say it.
bool CutWriter::isFreed(RankAttr declared) {
  if (!isOnInput(declared.getName()) || !declared.getExtent())
    return false;
  bool isPiece = declared.getName() == rank && !isRelated();
  return isPiece ||
         llvm::any_of(declared.getExtent().getRanks(),
                      [&](StringAttr other) { return !isKnown(other); });
}

/// Declares the ranks that are used, and those that their extents are made of.
LogicalResult CutWriter::settleRanks() {
  MLIRContext *ctx = original.getContext();
  giveExtents();
  llvm::SetVector<StringAttr> used = usedRanks();
  for (size_t i = 0; i < used.size(); ++i) {
    RankAttr declared = original.findRank(used[i]);
    if (!declared)
      declared = source.findRank(used[i]);
    if (!declared.getExtent() || isFreed(declared))
      continue;
    bool isOfWhole = declared.getName() != rank &&
                     !isOfPiece(declared.getName()) &&
                     llvm::is_contained(declared.getExtent().getRanks(), rank);
    if (isOfWhole)
      return fail("a piece does not know the extent of " +
                  declared.getName().getValue() + ", and no input has it");
    used.insert_range(declared.getExtent().getRanks());
  }
  SmallVector<Attribute> ranks, relations;
  for (auto declared : source.getRanks().getAsRange<RankAttr>()) {
    if (!used.contains(declared.getName()))
      continue;
    bool freed = isFreed(declared);
    if (!freed && !declared.getExtent() && !isOnInput(declared.getName()))
      return fail("the extent of " + declared.getName().getValue() +
                  " is no input of " + cascade.getSymName());
    ranks.push_back(freed ? RankAttr::get(ctx, declared.getName(), ExtentAttr())
                          : declared);
  }
  for (Attribute relation : original.getRelations()) {
    auto [whole, parts] = partsOf(relation);
    if (used.contains(whole) &&
        llvm::all_of(parts, [&](StringAttr p) { return used.contains(p); }))
      relations.push_back(relation);
  }
  cascade.setRanksAttr(ArrayAttr::get(ctx, ranks));
  cascade.setRelationsAttr(ArrayAttr::get(ctx, relations));
  return success();
}

LogicalResult
CutWriter::finish(ArrayRef<std::pair<std::string, Value>> outputs) {
  MLIRContext *ctx = original.getContext();
  OpBuilder b(ctx);
  SmallVector<Value> values;
  SmallVector<Attribute> names;
  for (auto &[name, value] : outputs) {
    names.push_back(PortAttr::get(ctx, b.getStringAttr(name), LayoutAttr(),
                                  QuantAttr(), StringAttr(), TypedAttr()));
    values.push_back(value);
  }
  b.setInsertionPointToEnd(body());
  ReturnOp::create(b, original.getLoc(), values);
  eraseDead(cascade);
  if (failed(placeCoordinates()))
    return failure();
  dropInputs();
  if (failed(settleRanks()))
    return failure();
  cascade.setInputsAttr(
      b.getArrayAttr(SmallVector<Attribute>(ports.begin(), ports.end())));
  cascade.setOutputsAttr(b.getArrayAttr(names));
  return success();
}
