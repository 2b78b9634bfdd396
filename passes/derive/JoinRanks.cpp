//===- JoinRanks.cpp - reductions over several ranks as one -----*- C++ -*-===//
// FUBINI: reductions over v and u that need each other are reductions over the
// joint rank c = (v, u), which one stream can walk:
//
//   sum[v,u](f(v, u)) = sum[c](f(c // |u|, c % |u|))
//
// What has both ranks on the way to them is computed at points of c. Done on a
// copy, and kept if some stream then holds more than one of the reductions.
#include "dialect/PrintExpr.h"
#include "passes/derive/Laws.h"
#include "passes/derive/Streams.h"

using namespace mlir;
using namespace attn;

namespace {

class Joiner {
public:
  Joiner(CascadeOp cascade, RankRef parts)
      : cascade(cascade), parts(parts), b(cascade.getContext()) {}

  /// Replaces the reductions; returns the joint rank.
  StringAttr run(ArrayRef<EinsumOp> reductions);

private:
  bool isPart(StringAttr rank) { return llvm::is_contained(parts, rank); }
  bool hasAllParts(ArrayAttr ranks) {
    return llvm::all_of(parts, [&](StringAttr part) {
      return llvm::is_contained(ranks, part);
    });
  }
  void declare();
  Ranks joined(ArrayAttr ranks);
  void split(ExprBuilder &e, Coordinates &at);
  bool isJoined(ReadOp read, const Coordinates &own);
  Value joint(EinsumOp op);
  Value clone(ExprBuilder &e, Value root, const Coordinates &own,
              Coordinates &at);

  CascadeOp cascade;
  Ranks parts;
  StringAttr whole;
  OpBuilder b;
  DenseMap<Value, Value> known;
};

} // namespace

/// c with |c| the product of the extents of its parts.
void Joiner::declare() {
  MLIRContext *ctx = cascade.getContext();
  std::string name;
  for (StringAttr part : parts)
    name += part.getValue();
  whole = freshRank(cascade, name);
  AffineExpr extent = getAffineConstantExpr(1, ctx);
  std::optional<int64_t> size = 1;
  for (auto [i, part] : llvm::enumerate(parts)) {
    extent =
        i ? extent * getAffineSymbolExpr(i, ctx) : getAffineSymbolExpr(i, ctx);
    auto known = cascade.staticExtent(part);
    size = size && known ? std::optional(*size * *known) : std::nullopt;
  }
  declareRank(cascade, whole,
              size ? ExtentAttr::constant(ctx, *size)
                   : ExtentAttr::get(
                         ctx, AffineMap::get(0, parts.size(), extent), parts));
  SmallVector<Attribute> relations(cascade.getRelations().begin(),
                                   cascade.getRelations().end());
  relations.push_back(ProductAttr::get(ctx, whole, parts));
  cascade.setRelationsAttr(b.getArrayAttr(relations));
}

/// The ranks with c in place of the first part.
Ranks Joiner::joined(ArrayAttr ranks) {
  Ranks result;
  bool isThere = false;
  for (StringAttr rank : strings(ranks)) {
    if (!isPart(rank))
      result.push_back(rank);
    else if (!std::exchange(isThere, true))
      result.push_back(whole);
  }
  return result;
}

/// Coordinates of the parts from c, row major.
void Joiner::split(ExprBuilder &e, Coordinates &at) {
  Value rest = at.lookup(whole);
  for (StringAttr part : llvm::reverse(ArrayRef(parts).drop_front())) {
    at[part] = e.map(Fn::mod, {rest, e.extent(part)});
    rest = e.map(Fn::floordiv, {rest, e.extent(part)});
  }
  at[parts.front()] = rest;
}

/// A tensor with all parts, read at the reader's own coordinates of them.
bool Joiner::isJoined(ReadOp read, const Coordinates &own) {
  auto def = read.getTensor().getDefiningOp<EinsumOp>();
  if (!def || def.getNumResults() != 1 || !hasAllParts(def.getSpace()) ||
      read.getBounds() != Bounds::inside || def->hasAttr("attn.scc") ||
      llvm::any_of(def->getUsers(), llvm::IsaPred<EquationsOp>))
    return false;
  return llvm::all_of(llvm::zip(read.getIndices(), strings(def.getSpace())),
                      [&](auto pair) {
                        auto [index, rank] = pair;
                        return !isPart(rank) || own.lookup(rank) == index;
                      });
}

Value Joiner::clone(ExprBuilder &e, Value root, const Coordinates &own,
                    Coordinates &at) {
  IRMapping mapping = substitution(own, at);
  return cloneExpr(e.b, root, mapping, [&](Operation *def) -> Value {
    auto read = dyn_cast<ReadOp>(def);
    if (!read || !isJoined(read, own))
      return {};
    auto source = read.getTensor().getDefiningOp<EinsumOp>();
    Coordinates there = at;
    for (auto [index, rank] :
         llvm::zip(read.getIndices(), strings(source.getSpace())))
      if (!isPart(rank))
        there[rank] = cloneExpr(e.b, index, mapping);
    return e.read(joint(source), there);
  });
}

/// The einsum at points of c.
Value Joiner::joint(EinsumOp op) {
  if (Value tensor = known.lookup(op.getResult(0)))
    return tensor;
  OpBuilder::InsertionGuard insertion(b);
  b.setInsertionPoint(op);
  std::string name = tensorName(op.getResult(0)).str();
  EinsumSpec spec{
      name,
      joined(op.getSpace()),
      joined(op.getReduced()),
      op.getMonoidAttr(),
      cast<NamedTensorType>(op.getResultTypes()[0]).getElementType(),
      op.getRounded()};
  auto copy = [&](ExprBuilder &e, Coordinates &at, Block &block,
                  RankRef ranks) {
    if (at.count(whole))
      split(e, at);
    return clone(e, cast<YieldOp>(block.back()).getOperand(0),
                 coordinatesOf(ranks, block), at);
  };
  auto map = [&](ExprBuilder &e, Coordinates &at) {
    return copy(e, at, op.getMap().front(), op.mapRanks());
  };
  auto guard = [&](ExprBuilder &e, Coordinates &at) {
    return copy(e, at, op.getGuard().front(), strings(op.getSpace()));
  };
  return known[op.getResult(0)] =
             buildEinsum(b, op.getLoc(), spec, map,
                         op.getGuard().empty() ? ExprFn() : ExprFn(guard))
                 .getResult(0);
}

StringAttr Joiner::run(ArrayRef<EinsumOp> reductions) {
  declare();
  for (EinsumOp op : reductions)
    joint(op);
  // Copies read the originals of each other until here.
  for (EinsumOp op : reductions)
    op.getResult(0).replaceAllUsesWith(known.lookup(op.getResult(0)));
  renormalise(cascade);
  return whole;
}

/// True if `op` needs `other`, through maps alone or other reductions.
static bool needs(EinsumOp op, EinsumOp other) {
  SmallVector<Operation *> work{op};
  DenseSet<Operation *> seen;
  while (!work.empty()) {
    Operation *current = work.pop_back_val();
    current->walk([&](ReadOp read) {
      if (Operation *def = read.getTensor().getDefiningOp();
          def && seen.insert(def).second)
        work.push_back(def);
    });
  }
  return seen.contains(other);
}

/// By set of reduced ranks, the reductions over it that need, or are needed by,
/// another one.
static SmallVector<SmallVector<unsigned>> candidates(CascadeOp cascade) {
  SmallVector<EinsumOp> all(cascade.getBody().front().getOps<EinsumOp>());
  llvm::MapVector<Attribute, SmallVector<unsigned>> groups;
  for (auto [i, op] : llvm::enumerate(all)) {
    auto kind = op.builtinReduce();
    if (op.getNumResults() != 1 || op.getReduced().size() < 2 ||
        op.getSpace().empty() || !kind || !combinerOf(*kind) ||
        op->hasAttr("attn.scc"))
      continue;
    Ranks reduced = strings(op.getReduced());
    llvm::sort(reduced, [](StringAttr x, StringAttr y) {
      return x.getValue() < y.getValue();
    });
    SmallVector<Attribute> key(reduced.begin(), reduced.end());
    groups[ArrayAttr::get(cascade.getContext(), key)].push_back(i);
  }
  SmallVector<SmallVector<unsigned>> result;
  for (auto &[key, members] : groups) {
    SmallVector<unsigned> chained;
    for (unsigned i : members)
      if (llvm::any_of(members, [&](unsigned j) {
            return i != j && (needs(all[i], all[j]) || needs(all[j], all[i]));
          }))
        chained.push_back(i);
    if (!chained.empty())
      result.push_back(std::move(chained));
  }
  return result;
}

/// True if the reductions, by their place in the body, were joined.
static bool tryJoin(CascadeOp cascade, ArrayRef<unsigned> members) {
  OwningOpRef<CascadeOp> trial(cascade.clone());
  SmallVector<EinsumOp> all(trial->getBody().front().getOps<EinsumOp>());
  SmallVector<EinsumOp> reductions;
  std::string names;
  for (unsigned i : members) {
    reductions.push_back(all[i]);
    names +=
        (names.empty() ? "" : ", ") + tensorName(all[i].getResult(0)).str();
  }
  Ranks parts = strings(reductions.front().getReduced());
  StringAttr whole = Joiner(*trial, parts).run(reductions);
  bool isOnePass = llvm::any_of(findStreams(*trial), [&](const Stream &stream) {
    return stream.rank == whole && stream.reductions.size() > 1;
  });
  if (!isOnePass) {
    noteRefusal(cascade, Law::Fubini, names,
                "no two of them stream over " + whole.str());
    return false;
  }
  cascade.getBody().takeBody(trial->getBody());
  cascade.setRanksAttr(trial->getRanksAttr());
  cascade.setRelationsAttr(trial->getRelationsAttr());
  noteLaw(cascade, Law::Fubini, names);
  return true;
}

void attn::joinRanks(CascadeOp cascade) {
  // What is joined has one rank and is no candidate again.
  for (bool changed = true; changed;) {
    changed = false;
    for (const SmallVector<unsigned> &members : candidates(cascade))
      if (tryJoin(cascade, members)) {
        changed = true;
        break;
      }
  }
}
