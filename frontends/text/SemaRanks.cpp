//===- SemaRanks.cpp - ranks, extents, relations --------------------------===//

#include "frontends/text/Sema.h"
#include "llvm/ADT/StringExtras.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

//===----------------------------------------------------------------------===//
// Names
//===----------------------------------------------------------------------===//

RankList Sema::resolveRanks(ArrayRef<Ident> idents, Scope *scope,
                            bool &failed) {
  RankList ranks;
  for (const Ident &ident : idents) {
    const Entity *entity = scope->find(ident.name);
    if (entity && entity->kind == Entity::Kind::Ranks) {
      ranks.append(entity->ranks.begin(), entity->ranks.end());
      continue;
    }
    failed = true;
    if (entity && entity->clashes)
      continue;
    if (entity)
      error(at(ident.range, scope), ident.name + " is not a rank");
    else
      error(at(ident.range, scope), "rank " + ident.name + " has no extent",
            "add `with " + ident.name + ": ..`");
  }
  return ranks;
}

const Rank *Sema::resolveRank(const Ident &ident, Scope *scope) {
  bool bad = false;
  RankList ranks = resolveRanks(ident, scope, bad);
  if (bad)
    return nullptr;
  if (ranks.size() == 1)
    return ranks.front();
  error(at(ident.range, scope),
        ident.name + " stands for " + Twine(ranks.size()) + " ranks here");
  return nullptr;
}

std::string Sema::names(const Env *env) const {
  return llvm::join(
      llvm::map_range(env->coords, [](auto &c) { return c.first->name; }),
      ", ");
}

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

/// First thing in an extent that is no constant and no extent.
static T offender(T term) {
  switch (term->kind()) {
  case Term::Kind::Int:
  case Term::Kind::Extent:
    return nullptr;
  case Term::Kind::Map:
    for (T operand : term->operands())
      if (T found = offender(operand))
        return found;
    return nullptr;
  default:
    return term;
  }
}

T Sema::evalExtent(const Expr &expr, Scope *scope, StringRef rank) {
  // Names of coordinates get a message of their own.
  if (auto *name = llvm::dyn_cast<NameExpr>(&expr))
    if (const Entity *entity = scope->find(name->name);
        entity && entity->kind == Entity::Kind::Ranks) {
      error(at(expr.range(), scope),
            "extent of " + rank + " uses the coordinate " + name->name,
            "`|" + name->name + "|` is the extent");
      return nullptr;
    }
  // A tensor in an extent needs no coordinates to be refused.
  std::function<bool(const Expr &)> refused = [&](const Expr &e) {
    StringRef used;
    if (auto *name = llvm::dyn_cast<NameExpr>(&e))
      used = name->name;
    if (auto *access = llvm::dyn_cast<AccessExpr>(&e))
      used = access->tensor.name;
    const Entity *entity = used.empty() ? nullptr : scope->find(used);
    if (entity && entity->kind == Entity::Kind::View) {
      bool scalar = isRunTimeScalar(*entity->view.tensor);
      error(at(e.range(), scope),
            "extent of " + rank + " uses " + used + ", which is not const",
            scalar ? "`const " + used + ": i32`, or a bound and `where " +
                         rank + " < " + used + "`"
                   : "a bound and `where " + rank + " < " + used + "`");
      return true;
    }
    bool found = false;
    forEachChild(e, [&](const Expr &child) { found |= refused(child); });
    return found;
  };
  if (refused(expr))
    return nullptr;
  T term = eval(expr, {plainEnv({}), scope});
  if (!term)
    return nullptr;
  if (T bad = offender(term)) {
    error(at(bad->range().empty() ? expr.range() : bad->range(), scope),
          "extent of " + rank + " is no integer of extents and consts");
    return nullptr;
  }
  return term;
}

void Sema::stateExtent(Rank *rank, T term, std::string place,
                       SourceRange range) {
  if (term)
    rank->stated.push_back({term, std::move(place), range});
  else // reported
    rank->extent = terms.integer(1);
}

static bool reaches(T term, const Rank *rank, unsigned depth) {
  if (depth > 64)
    return true;
  if (term->is(Term::Kind::Extent))
    return term->rank() == rank ||
           (term->rank()->extent &&
            reaches(term->rank()->extent, rank, depth + 1));
  return llvm::any_of(term->operands(),
                      [&](T t) { return reaches(t, rank, depth); });
}

/// Chooses the extent of a rank among those stated; they must agree.
static void chooseExtent(
    Rank &rank, Terms &terms,
    llvm::function_ref<void(SourceRange, const Twine &, const Twine &)> error) {
  for (; rank.compared < rank.stated.size(); ++rank.compared) {
    const StatedExtent &stated = rank.stated[rank.compared];
    if (!rank.extent) {
      if (auto fixed = terms.staticValue(stated.term))
        rank.extent = terms.integer(std::max<int64_t>(*fixed, 0));
      else if (!reaches(stated.term, &rank, 0))
        rank.extent = stated.term;
      continue;
    }
    if (stated.term == rank.extent ||
        constantDifference(stated.term, rank.extent) == 0)
      continue;
    auto a = terms.staticValue(rank.extent), b = terms.staticValue(stated.term);
    const StatedExtent &first = rank.stated.front();
    if (a && b && *a != *b)
      error(stated.range,
            "rank " + Twine(rank.name) + " has extents " + Twine(*a) + " and " +
                Twine(*b) + ": " + first.place + ", " + stated.place,
            "");
    else if (!a || !b)
      error(stated.range,
            "rank " + Twine(rank.name) + " has two extents: " + first.place +
                ", " + stated.place,
            "state one; input axes are checked against it");
  }
}

bool Sema::solveRelation(RankRelation &relation) {
  Rank *whole = relation.whole;
  Rank *unknown = nullptr;
  unsigned unknowns = 0;
  T total = terms.integer(relation.isProduct ? 1 : 0);
  for (Rank *part : relation.parts) {
    if (!part->known()) {
      unknown = part;
      ++unknowns;
      continue;
    }
    T extent = terms.extent(part);
    if (auto fixed = terms.staticExtent(part))
      extent = terms.integer(*fixed);
    total = relation.isProduct ? terms.mul(total, extent)
                               : terms.add(total, extent);
  }
  if (unknowns == 0) {
    bool changed = false;
    if (!whole->known() || (!relation.isProduct && !whole->extent)) {
      whole->extent = total;
      changed = true;
    }
    auto wholeFixed = terms.staticExtent(whole);
    auto partsFixed = terms.staticValue(total);
    if (whole->extent == total ||
        (wholeFixed && partsFixed && *wholeFixed >= *partsFixed) ||
        (whole->extent && constantDifference(whole->extent, total) == 0))
      relation.exact = true;
    return changed;
  }
  if (unknowns != 1 || !whole->known())
    return false;
  T extent = terms.extent(whole);
  if (auto fixed = terms.staticExtent(whole))
    extent = terms.integer(*fixed);
  unknown->extent =
      relation.isProduct
          ? terms.floordiv(
                terms.add(extent, terms.sub(total, terms.integer(1))), total)
          : terms.sub(extent, total);
  return true;
}

void Sema::solveExtents(bool final) {
  for (Rank &rank : model.ranks)
    chooseExtent(rank, terms,
                 [&](SourceRange range, const Twine &text, const Twine &hint) {
                   error(range, text, hint);
                 });
  bool changed = true;
  while (changed) {
    changed = false;
    for (RankRelation &relation : model.relations)
      changed |= solveRelation(relation);
  }
  if (!final)
    return;
  for (OffsetPair &pair : model.offsets) {
    if (!pair.rows->known()) {
      // Offsets stated by their rows say what the layout says: rows + 1.
      Rank *offsets = pair.offsets;
      if (offsets->extent && reaches(offsets->extent, pair.rows, 0)) {
        if (offsets->extent != pair.offsetsExtent &&
            constantDifference(offsets->extent, pair.offsetsExtent) != 0)
          error(offsets->stated.front().range,
                "rank " + Twine(offsets->name) +
                    " has two extents: " + offsets->stated.front().place +
                    ", one more than the rows of its layout",
                "leave it out; the layout gives it");
        offsets->extent = nullptr;
      }
      pair.rows->extent = pair.rowsExtent;
    } else if (!pair.offsets->extent &&
               !reaches(pair.offsetsExtent, pair.offsets, 0))
      pair.offsets->extent = pair.offsetsExtent;
  }
  for (Rank &rank : model.ranks)
    if (!rank.known() && rank.fallback) {
      rank.extent = rank.fallback;
    } else if (!rank.known()) {
      error(rank.range, "rank " + Twine(rank.name) + " has no extent",
            "add `with " + Twine(rank.name) + ": ..`");
      rank.extent = terms.integer(1);
    }
}

void Sema::checkExtents() {
  for (RankRelation &relation : model.relations) {
    solveRelation(relation);
    T total = terms.integer(relation.isProduct ? 1 : 0);
    for (Rank *part : relation.parts)
      total = relation.isProduct ? terms.mul(total, terms.extent(part))
                                 : terms.add(total, terms.extent(part));
    auto whole = terms.staticExtent(relation.whole);
    auto parts = terms.staticValue(total);
    if (whole && parts &&
        (relation.isProduct ? *whole > *parts : *whole != *parts))
      error(relation.range, "rank " + Twine(relation.whole->name) +
                                " has extents " + Twine(*whole) + " and " +
                                Twine(*parts) + ": " +
                                (relation.whole->stated.empty()
                                     ? std::string("its axes")
                                     : relation.whole->stated.front().place) +
                                ", the relation");
  }
}

//===----------------------------------------------------------------------===//
// Relations
//===----------------------------------------------------------------------===//

void Sema::declareRelation(const Relation &relation, Scope *scope) {
  declareRank(scope, relation.rank);
  for (const RelationPart &part : relation.parts)
    declareRank(scope, part.rank);
}

static bool isPartOf(const Rank *rank, const Rank *whole) {
  if (rank == whole)
    return true;
  return whole->asWhole && llvm::any_of(whole->asWhole->parts, [&](Rank *part) {
           return isPartOf(rank, part);
         });
}

void Sema::relate(bool isProduct, Rank *whole, ArrayRef<Rank *> parts,
                  SourceRange range) {
  if (whole->asWhole) {
    if (whole->asWhole->isProduct == isProduct &&
        ArrayRef<Rank *>(whole->asWhole->parts) == parts)
      return;
    error(range,
          "rank " + Twine(whole->name) + " is the whole of two relations");
    return;
  }
  for (Rank *part : parts)
    if (isPartOf(whole, part)) {
      error(range, "rank " + Twine(whole->name) + " is a part of itself");
      return;
    }
  model.addRelation(isProduct, whole, parts, range);
}

void Sema::stateRelation(const Relation &relation, Scope *scope) {
  auto rankOf = [&](const Ident &ident) {
    return const_cast<Rank *>(resolveRank(ident, scope));
  };
  Rank *rank = rankOf(relation.rank);
  if (!rank)
    return;
  SourceRange range = at(relation.range, scope);
  if (relation.kind == Relation::Kind::Extent) {
    stateExtent(rank, evalExtent(*relation.extent, scope, relation.rank.name),
                "with", range);
    return;
  }
  llvm::SmallVector<Rank *> parts;
  for (const RelationPart &part : relation.parts) {
    Rank *partRank = rankOf(part.rank);
    if (!partRank)
      return;
    if (part.extent)
      stateExtent(partRank, evalExtent(*part.extent, scope, part.rank.name),
                  "with", at(part.rank.range, scope));
    parts.push_back(partRank);
  }
  relate(relation.kind == Relation::Kind::Product, rank, parts, range);
}
