//===- SemaLayout.cpp - how ports are stored ------------------------------===//
//
// A layout is an einsum between what is stored and what the program reads (or
// the other way for an output): it changes loads and never the mathematics.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/SemaLayout.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;

static const Annotation *layoutOf(const Port &port) {
  for (const Annotation &annotation : port.annotations)
    if (annotation.kind == Annotation::Kind::Layout)
      return &annotation;
  return nullptr;
}

/// Value of `key=..`, or null.
static const Expr *keyed(const Annotation &layout, StringRef key) {
  for (const LayoutArg &arg : layout.args)
    if (arg.key && arg.key.name == key)
      return arg.value;
  return nullptr;
}

const View *Sema::tableArgument(const Port &port, const Annotation &layout,
                                unsigned index) {
  for (const LayoutArg &arg : layout.args) {
    if (arg.key || index-- > 0)
      continue;
    auto *name = llvm::dyn_cast<NameExpr>(arg.value);
    const Entity *entity = name ? top->find(name->name) : nullptr;
    if (entity && entity->kind == Entity::Kind::View &&
        entity->view.tensor->declared &&
        isInteger(typeOf(*entity->view.tensor->declared)) &&
        !entity->view.own.empty())
      return &entity->view;
    error(arg.value->range(), source(arg.value->range()) +
                                  " is no integer tensor among the inputs");
    return nullptr;
  }
  error(layout.range, "layout " + layout.name.name + " takes an index tensor",
        layout.name.name == "csr" ? "`layout csr(ptr, col)`"
                                  : "name the input that holds the indices");
  return nullptr;
}

std::optional<Sema::LayoutPlan>
Sema::planLayout(const Port &port, ArrayRef<const Rank *> logical) {
  const Annotation &layout = *layoutOf(port);
  LayoutPlan plan;
  plan.kind = layout.name.name.str();
  plan.logical.assign(logical.begin(), logical.end());
  plan.range = layout.range;
  using Planner = bool (Sema::*)(LayoutPlan &, const Port &);
  auto planner = llvm::StringSwitch<Planner>(layout.name.name)
                     .Case("paged", &Sema::planPaged)
                     .Case("packed", &Sema::planPacked)
                     .Case("csr", &Sema::planSparse)
                     .Case("block_sparse", &Sema::planSparse)
                     .Default(nullptr);
  if (!planner) {
    error(layout.name.range, "unknown layout " + layout.name.name,
          "paged, packed, csr or block_sparse");
    return std::nullopt;
  }
  plan.table = tableArgument(port, layout, 0);
  if (!plan.table)
    return std::nullopt;
  plan.tables.push_back(plan.table->tensor->name);
  if (!(this->*planner)(plan, port))
    return std::nullopt;
  return plan;
}

//===----------------------------------------------------------------------===//
// The three families
//===----------------------------------------------------------------------===//

bool Sema::planPaged(LayoutPlan &plan, const Port &port) {
  const Rank *page = plan.table->own.back();
  for (const RankRelation *relation : page->asPart)
    if (relation->isProduct && relation->parts.size() == 2 &&
        relation->parts.front() == page &&
        llvm::is_contained(plan.logical, relation->whole)) {
      plan.whole = relation->whole;
      plan.inner = relation->parts.back();
    }
  if (!plan.whole) {
    error(plan.range,
          "layout paged of " + port.name.name + " needs a relation on " +
              page->name,
          "`with n = (" + Twine(page->name) +
              ", i: ..)`, where n is the paged axis");
    return false;
  }
  if (const Expr *size = keyed(*layoutOf(port), "page")) {
    T value = eval(*size, {plainEnv({}), top});
    if (!value)
      return false;
    stateExtent(const_cast<Rank *>(plan.inner), value,
                ("page of " + port.name.name).str(), size->range());
  }
  // A paged output is stored into the pool of its input.
  for (const Annotation &annotation : port.annotations)
    if (annotation.kind == Annotation::Kind::Into)
      for (const StoredPort &input : model.inputs)
        if (input.name == annotation.name.name && input.layout == "paged")
          plan.fresh = input.tensor->ranks.front();
  if (!plan.fresh)
    plan.fresh = model.addRank((port.name.name + ".page").str(), plan.range);
  plan.stored.push_back(plan.fresh);
  ArrayRef<const Rank *> batch = ArrayRef(plan.table->own).drop_back();
  for (const Rank *rank : plan.logical)
    if (!llvm::is_contained(batch, rank))
      plan.stored.push_back(rank == plan.whole ? plan.inner : rank);
  return true;
}

bool Sema::planPacked(LayoutPlan &plan, const Port &port) {
  if (plan.logical.size() < 2 || plan.table->own.size() != 1) {
    error(plan.range, "layout packed is for two axes or more, and offsets of "
                      "one axis");
    return false;
  }
  const Rank *offsets = plan.table->own.front();
  std::string name = plan.table->tensor->name + ".rows";
  for (Rank &rank : model.ranks)
    if (rank.name == name)
      plan.fresh = &rank;
  if (!plan.fresh)
    plan.fresh = model.addRank(name, plan.range);
  plan.stored.push_back(plan.fresh);
  plan.stored.append(plan.logical.begin() + 2, plan.logical.end());
  auto *b = const_cast<Rank *>(plan.logical[0]);
  auto *m = const_cast<Rank *>(plan.logical[1]);
  T one = terms.integer(1);
  model.offsets.push_back({const_cast<Rank *>(offsets), b,
                           terms.add(terms.extent(b), one),
                           terms.sub(terms.extent(offsets), one)});
  if (!m->fallback)
    m->fallback = terms.extent(plan.fresh);
  return true;
}

bool Sema::planSparse(LayoutPlan &plan, const Port &port) {
  const Annotation &layout = *layoutOf(port);
  plan.columns = tableArgument(port, layout, 1);
  if (!plan.columns)
    return false;
  plan.tables.push_back(plan.columns->tensor->name);
  if (plan.logical.size() < 2) {
    error(plan.range, "layout " + Twine(plan.kind) + " is for two axes");
    return false;
  }
  plan.first = plan.logical.size() - 2;
  plan.stored.append(plan.logical.begin(), plan.logical.begin() + plan.first);
  plan.fresh = plan.columns->own.back();
  plan.stored.push_back(plan.fresh);
  auto *rows = const_cast<Rank *>(plan.logical[plan.first]);
  auto *offsets = const_cast<Rank *>(plan.table->own.back());
  T one = terms.integer(1), tile = one;
  if (plan.kind == "block_sparse") {
    static constexpr StringRef keys[] = {"bm", "bn"};
    for (unsigned i : {0u, 1u}) {
      const Expr *size = keyed(layout, keys[i]);
      T value = size ? eval(*size, {plainEnv({}), top}) : nullptr;
      if (!value) {
        if (!size)
          error(plan.range, "layout block_sparse needs " + keys[i] + "=");
        return false;
      }
      Rank *inner =
          model.addRank((port.name.name + "." + keys[i]).str(), plan.range);
      inner->extent = value;
      plan.tile[i] = inner;
      plan.stored.push_back(inner);
    }
    tile = plan.tile[0]->extent;
  }
  T blocks =
      terms.floordiv(terms.add(terms.extent(rows), terms.sub(tile, one)), tile);
  model.offsets.push_back(
      {offsets, rows, terms.add(blocks, one),
       terms.mul(terms.sub(terms.extent(offsets), one), tile)});
  return true;
}

//===----------------------------------------------------------------------===//
// Reading what is stored
//===----------------------------------------------------------------------===//

/// `table[.., last]`; the other indices are coordinates of `env`.
T Sema::readTable(const View &table, T last, const Env *env) {
  llvm::SmallVector<T> indices;
  for (const Rank *rank : ArrayRef(table.own).drop_back()) {
    T index = coordinate(rank, env, {});
    indices.push_back(index ? index : terms.coord(rank));
  }
  indices.push_back(last);
  return terms.read(table.tensor, indices, Bounds::inside, table.tensor->range);
}

T Sema::readStored(const LayoutPlan &plan, Tensor *stored, const Env *env) {
  llvm::SmallVector<T> indices;
  T one = terms.integer(1);
  if (plan.kind == "paged") {
    T page = coordinate(plan.table->own.back(), env, plan.range);
    indices.push_back(readTable(*plan.table, page, env));
    for (const Rank *rank : ArrayRef(plan.stored).drop_front())
      indices.push_back(coordinate(rank, env, plan.range));
    return terms.where(terms.read(stored, indices, Bounds::inside, plan.range),
                       terms.le(terms.integer(0), indices.front()));
  }
  if (plan.kind == "packed") {
    T b = terms.coord(plan.logical[0]), m = terms.coord(plan.logical[1]);
    T begin = readTable(*plan.table, b, env);
    T end = readTable(*plan.table, terms.add(b, one), env);
    indices.push_back(terms.add(begin, m));
    for (const Rank *rank : ArrayRef(plan.stored).drop_front())
      indices.push_back(terms.coord(rank));
    return terms.where(terms.read(stored, indices, Bounds::inside, plan.range),
                       terms.lt(m, terms.sub(end, begin)));
  }
  // Sparse: the first stored entry of this row and column.
  T row = terms.coord(plan.logical[plan.first]);
  T column = terms.coord(plan.logical[plan.first + 1]);
  const Env *inner = bind(env, plan.fresh, terms.coord(plan.fresh));
  for (unsigned i = 0; i < plan.first; ++i)
    indices.push_back(terms.coord(plan.logical[i]));
  indices.push_back(terms.coord(plan.fresh));
  T *coordinates[] = {&row, &column};
  for (unsigned i : {0u, 1u})
    if (const Rank *tile = plan.tile[i]) {
      indices.push_back(
          terms.map(Fn::mod, {*coordinates[i], terms.extent(tile)}));
      *coordinates[i] = terms.floordiv(*coordinates[i], terms.extent(tile));
    }
  T entry = terms.coord(plan.fresh);
  T begin = readTable(*plan.table, row, inner);
  T end = readTable(*plan.table, terms.add(row, one), inner);
  T found = terms.conj(
      terms.conj(terms.le(begin, entry), terms.lt(entry, end)),
      terms.map(Fn::eq, {readTable(*plan.columns, entry, inner), column}));
  T value = terms.where(terms.read(stored, indices, Bounds::inside, plan.range),
                        found);
  Definition *definition = helper("first", Reduce::first, nullptr, {plan.fresh},
                                  value, inner, plan.range);
  return readHelper(definition, env, plan.range).front();
}

//===----------------------------------------------------------------------===//
// Storing an output
//===----------------------------------------------------------------------===//

/// The last coordinate of `rank` at which `condition` holds, as a tensor.
T Sema::lastWhere(const Rank *rank, T condition, StringRef name,
                  SourceRange range) {
  RankList all(condition->ranks().begin(), condition->ranks().end());
  const Env *inner = plainEnv(all);
  llvm::erase(all, rank);
  Definition *definition =
      helper(name, Reduce::last, nullptr, {rank},
             terms.where(terms.coord(rank), condition), inner, range);
  return readHelper(definition, plainEnv(all), range).front();
}

Tensor *Sema::storeOutput(const LayoutPlan &plan, const Port &port,
                          Tensor *logical, Tensor *old) {
  current = port.name.name.str();
  if (!plan.fresh->known() || plan.columns) {
    error(plan.range,
          plan.columns ? "layout " + Twine(plan.kind) + " is for inputs"
                       : "no input is stored like " + port.name.name,
          plan.columns ? "" : "a stored output shares the extent of an input");
    return nullptr;
  }
  T row = terms.coord(plan.fresh), one = terms.integer(1);
  llvm::SmallVector<T> indices;
  T condition = nullptr, owned = nullptr;
  if (plan.kind == "packed") {
    const Rank *b = plan.logical[0];
    T begin = readTable(*plan.table, terms.coord(b), plainEnv({}));
    T owner = lastWhere(b, terms.le(begin, row), "owner", plan.range);
    auto offset = [&](T index) {
      return terms.read(plan.table->tensor, index, Bounds::data, plan.range);
    };
    indices = {owner, terms.sub(row, offset(owner))};
    condition = terms.lt(row, offset(terms.add(owner, one)));
    for (const Rank *rank : ArrayRef(plan.stored).drop_front())
      indices.push_back(terms.coord(rank));
  } else {
    ArrayRef<const Rank *> batch = ArrayRef(plan.table->own).drop_back();
    const Rank *page = plan.table->own.back();
    if (batch.size() > 1) {
      error(plan.range, "a paged output needs a table of at most one batch "
                        "axis");
      return nullptr;
    }
    RankList table = plan.table->own;
    llvm::SmallVector<T> at;
    for (const Rank *rank : table)
      at.push_back(terms.coord(rank));
    auto holds = [&] {
      return terms.map(
          Fn::eq,
          {terms.read(plan.table->tensor, at, Bounds::data, plan.range), row});
    };
    T owner = nullptr;
    if (!batch.empty()) {
      RankList all = {plan.fresh, batch.front(), page};
      Definition *any = helper("any", Reduce::any, nullptr, {page}, holds(),
                               plainEnv(all), plan.range);
      all.pop_back();
      owner = lastWhere(batch.front(),
                        readHelper(any, plainEnv(all), plan.range).front(),
                        "owner", plan.range);
      at.front() = owner;
    }
    T slot = lastWhere(page, holds(), "slot", plan.range);
    owned =
        terms.orElse(terms.le(terms.integer(0), slot), terms.boolean(false));
    for (const Rank *rank : plan.logical) {
      if (owner && rank == batch.front())
        indices.push_back(owner);
      else if (rank == plan.whole)
        indices.push_back(terms.add(terms.mul(slot, terms.extent(plan.inner)),
                                    terms.coord(plan.inner)));
      else
        indices.push_back(terms.coord(rank));
    }
  }
  T value = terms.read(logical, indices, Bounds::data, plan.range);
  if (condition)
    value = terms.where(value, condition);
  // Pages that the table does not list keep what they hold.
  if (old && owned && ArrayRef(old->ranks) == ArrayRef(plan.stored))
    value =
        terms.orElse(value, terms.where(terms.read(old, identity(plan.stored),
                                                   Bounds::inside, plan.range),
                                        terms.map(Fn::not_, owned)));
  Tensor *stored = model.addTensor((port.name.name + ".stored").str(),
                                   plan.stored, port.range);
  stored->declared = port.type.type;
  model.define(Definition::Kind::Map, stored, port.range)->terms = {value};
  return stored;
}
