//===- SemaSpaces.cpp - spaces and their determined coordinates -----------===//
//
// Which coordinates a space determines, and where a space of parts reaches
// beyond its whole.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::Twine;

//===----------------------------------------------------------------------===//
// Spaces
//===----------------------------------------------------------------------===//

const Env *Sema::intern(ArrayRef<std::pair<const Rank *, T>> coords) {
  std::vector<const void *> key;
  bool plain = true;
  for (auto &[rank, term] : coords) {
    key.push_back(rank);
    key.push_back(term);
    plain &= term->is(Term::Kind::Coord) && term->rank() == rank;
  }
  std::unique_ptr<Env> &slot = envs[key];
  if (!slot) {
    slot = std::make_unique<Env>();
    Env *env = slot.get();
    env->coords.assign(coords.begin(), coords.end());
    if (plain) {
      env->canonical = env;
    } else {
      RankList ranks;
      for (auto &coord : coords)
        ranks.push_back(coord.first);
      env->canonical = plainEnv(ranks);
    }
    return env;
  }
  return slot.get();
}

llvm::SmallVector<T> Sema::identity(ArrayRef<const Rank *> ranks) {
  return llvm::map_to_vector(
      ranks, [&](const Rank *rank) { return terms.coord(rank); });
}

const Env *Sema::plainEnv(ArrayRef<const Rank *> ranks) {
  llvm::SmallVector<std::pair<const Rank *, T>> coords;
  for (const Rank *rank : ranks)
    coords.push_back({rank, terms.coord(rank)});
  return intern(coords);
}

/// Wholes above `rank` and parts below it.
static void addRelatives(const Rank *rank, bool up, bool down,
                         llvm::SmallPtrSetImpl<const Rank *> &set) {
  if (up)
    for (const RankRelation *relation : rank->asPart)
      if (set.insert(relation->whole).second)
        addRelatives(relation->whole, true, false, set);
  if (down && rank->asWhole)
    for (const Rank *part : rank->asWhole->parts)
      if (set.insert(part).second)
        addRelatives(part, false, true, set);
}

const Env *Sema::bind(const Env *env, ArrayRef<const Rank *> ranks,
                      ArrayRef<T> bound) {
  llvm::SmallPtrSet<const Rank *, 8> gone;
  for (const Rank *rank : ranks) {
    gone.insert(rank);
    addRelatives(rank, true, true, gone);
  }
  llvm::SmallVector<std::pair<const Rank *, T>> coords;
  for (auto &coord : env->coords)
    if (!gone.contains(coord.first))
      coords.push_back(coord);
  for (auto [rank, value] : llvm::zip(ranks, bound))
    coords.push_back({rank, value});
  return intern(coords);
}

void Sema::checkSpace(const Env *env, SourceRange range) {
  llvm::DenseMap<const Rank *, const Rank *> determinedBy;
  for (const RankRelation &relation : model.relations) {
    const Rank *whole = relation.whole;
    if (!env->has(whole))
      continue;
    for (const Rank *part : relation.parts) {
      if (env->has(part))
        continue;
      auto [it, isNew] = determinedBy.try_emplace(part, whole);
      if (!isNew && ambiguous.insert(part).second)
        error(range,
              "rank " + Twine(part->name) + " is determined by " +
                  it->second->name + " and by " + whole->name,
              "give " + Twine(whole->name) + " its own part");
    }
  }
}

//===----------------------------------------------------------------------===//
// Determined coordinates
//===----------------------------------------------------------------------===//

T Sema::wholeOf(const RankRelation &relation, ArrayRef<T> parts) {
  T whole = parts.front();
  for (size_t i = 1; i < parts.size(); ++i)
    whole =
        terms.add(terms.mul(whole, terms.extent(relation.parts[i])), parts[i]);
  return whole;
}

T Sema::partOf(const RankRelation &relation, unsigned part, T whole) {
  const Rank *rank = relation.parts[part];
  if (relation.isProduct) {
    T inner = terms.integer(1);
    for (size_t i = part + 1; i < relation.parts.size(); ++i)
      inner = terms.mul(inner, terms.extent(relation.parts[i]));
    T value = terms.floordiv(whole, inner);
    if (part == 0)
      return value;
    return terms.map(Fn::mod, {value, terms.extent(rank)});
  }
  T offset = terms.integer(0);
  for (unsigned i = 0; i < part; ++i)
    offset = terms.add(offset, terms.extent(relation.parts[i]));
  // The outer bounds of the first and the last piece are those of the whole.
  bool own = whole->is(Term::Kind::Coord) && whole->rank() == relation.whole;
  bool first = own && part == 0;
  bool last = own && part + 1 == relation.parts.size();
  T condition = first ? nullptr : terms.le(offset, whole);
  T value = terms.sub(whole, offset);
  if (!last)
    condition = terms.conj(
        condition, terms.lt(whole, terms.add(offset, terms.extent(rank))));
  return condition ? terms.where(value, condition) : value;
}

T Sema::determine(const Rank *rank, const Env *env,
                  llvm::SmallPtrSetImpl<const RankRelation *> &visited,
                  SourceRange range) {
  if (T known = env->find(rank))
    return known;
  llvm::SmallVector<std::pair<T, const Rank *>, 2> routes;
  auto through = [&](const RankRelation *relation, auto &&take) {
    if (!visited.insert(relation).second)
      return;
    take();
    visited.erase(relation);
  };
  if (const RankRelation *relation = rank->asWhole)
    through(relation, [&] {
      llvm::SmallVector<T> parts;
      for (auto [i, part] : llvm::enumerate(relation->parts)) {
        T value = determine(part, env, visited, range);
        if (value && !relation->isProduct) {
          T offset = terms.integer(0);
          for (size_t j = 0; j < i; ++j)
            offset = terms.add(offset, terms.extent(relation->parts[j]));
          routes.push_back({terms.add(offset, value), part});
        }
        if (value)
          parts.push_back(value);
      }
      if (relation->isProduct && parts.size() == relation->parts.size())
        routes.push_back({wholeOf(*relation, parts), relation->parts.front()});
    });
  for (const RankRelation *relation : rank->asPart)
    through(relation, [&] {
      if (T whole = determine(relation->whole, env, visited, range))
        routes.push_back(
            {partOf(*relation,
                    llvm::find(relation->parts, rank) - relation->parts.begin(),
                    whole),
             relation->whole});
    });
  if (routes.empty())
    return nullptr;
  if (routes.size() > 1 && routes[0].first != routes[1].first &&
      ambiguous.insert(rank).second)
    error(range,
          "rank " + Twine(rank->name) + " is determined by " +
              routes[0].second->name + " and by " + routes[1].second->name,
          "give " + Twine(routes[1].second->name) + " its own part");
  return routes.front().first;
}

T Sema::coordinate(const Rank *rank, const Env *env, SourceRange range) {
  auto key = std::make_pair(env, rank);
  auto it = coordinates.find(key);
  if (it != coordinates.end())
    return it->second;
  llvm::SmallPtrSet<const RankRelation *, 4> visited;
  T value = determine(rank, env, visited, range);
  coordinates[key] = value;
  return value;
}

T Sema::ragged(const Env *env,
               llvm::function_ref<bool(const RankRelation &, T)> relevant) {
  T result = nullptr;
  llvm::SaveAndRestore quiet(silent, silent + 1);
  for (const RankRelation &relation : model.relations) {
    if (!relation.isProduct || relation.exact || env->has(relation.whole))
      continue;
    llvm::SmallPtrSet<const RankRelation *, 4> visited = {&relation};
    llvm::SmallVector<T> parts;
    for (const Rank *part : relation.parts)
      if (T value = determine(part, env, visited, {}))
        parts.push_back(value);
    if (parts.size() != relation.parts.size())
      continue;
    T whole = wholeOf(relation, parts);
    T inside = terms.lt(whole, terms.extent(relation.whole));
    // Where a part is in another piece of a sum there is no whole to be beyond.
    if (whole->mayBeAbsent())
      inside = terms.orElse(inside, terms.boolean(true));
    if (relevant(relation, inside))
      result = terms.conj(result, inside);
  }
  return result;
}
