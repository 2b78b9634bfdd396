//===- SemaPorts.cpp - ports ---------------------------------------------===//
//
// Turns what a cascade's signature and `with` clauses declare into stored and
// logical tensors.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"
#include "frontends/text/SemaLayout.h"

using namespace attn;
using namespace attn::text;
using llvm::Twine;

void Sema::declarePorts(const CascadeDecl &decl) {
  for (const Port &port : decl.inputs) {
    Entity entity;
    entity.kind = port.isConst ? Entity::Kind::Scalar : Entity::Kind::View;
    entity.range = port.name.range;
    if (!port.isConst) {
      // Its ranks come below; the name is taken from here on.
      entity.view.tensor = model.addTensor(port.name.name, {}, port.range);
      entity.view.tensor->declared = port.type.type;
      if (port.axes.empty())
        entity.view.tensor->input = 0;
    }
    declare(top, port.name.name, entity);
  }
  for (const Port &port : decl.outputs)
    top->outputTypes[port.name.name] = port.type.type;
  auto everyPort = llvm::concat<const Port>(decl.inputs, decl.outputs);
  for (const Port &port : everyPort)
    for (const Axis &axis : port.axes)
      declareRank(top, axis.rank);
  for (const Relation &relation : decl.relations)
    declareRelation(relation, top);
  for (const Stmt *stmt : decl.body)
    if (auto *ranks = llvm::dyn_cast<RankStmt>(stmt))
      for (const Relation &relation : ranks->relations)
        declareRelation(relation, top);
  for (const Port &port : decl.inputs)
    if (port.isConst)
      bindConst(port);
  for (const Port &port : everyPort)
    for (auto [i, axis] : llvm::enumerate(port.axes))
      if (axis.extent)
        if (const Rank *rank = resolveRank(axis.rank, top))
          stateExtent(const_cast<Rank *>(rank),
                      evalExtent(*axis.extent, top, axis.rank.name),
                      (port.name.name + " axis " + Twine(i)).str(),
                      axis.rank.range);
  for (const Relation &relation : decl.relations)
    stateRelation(relation, top);
  for (const Stmt *stmt : decl.body)
    if (auto *ranks = llvm::dyn_cast<RankStmt>(stmt))
      for (const Relation &relation : ranks->relations)
        stateRelation(relation, top);
  for (const Port &port : decl.inputs)
    if (!port.isConst)
      rankInput(port);
  for (const Port &port : decl.inputs)
    if (!port.isConst)
      addInput(port);
  solveExtents(true);
  for (const Ident &cut : decl.cuts) {
    if (!model.cut.empty())
      error(cut.range, "a cascade has one cut");
    else if (const Rank *rank = resolveRank(cut, top))
      model.cut = rank->name;
  }
}

static const Annotation *annotation(const Port &port, Annotation::Kind kind) {
  for (const Annotation &annotation : port.annotations)
    if (annotation.kind == kind)
      return &annotation;
  return nullptr;
}

void Sema::rankInput(const Port &port) {
  RankList ranks;
  for (const Axis &axis : port.axes)
    if (const Rank *rank = resolveRank(axis.rank, top)) {
      if (llvm::is_contained(ranks, rank))
        error(axis.rank.range,
              "rank " + axis.rank.name + " occurs twice in " + port.name.name,
              "give one axis a rank of its own, `with " + axis.rank.name +
                  "': |" + axis.rank.name + "|`");
      else
        ranks.push_back(rank);
    }
  View &view = top->names[port.name.name].view;
  view.own = ranks;
  view.tensor->ranks = ranks;
}

void Sema::addInput(const Port &port) {
  Tensor *logical = top->names[port.name.name].view.tensor;
  RankList ranks = logical->ranks;
  if (const Annotation *into = annotation(port, Annotation::Kind::Into))
    error(into->range, "`into` is for outputs");
  const Annotation *layout = annotation(port, Annotation::Kind::Layout);
  const Annotation *quant = annotation(port, Annotation::Kind::Quant);
  StoredPort stored;
  stored.name = port.name.name;
  stored.port = &port;
  std::optional<LayoutPlan> plan;
  if (layout) {
    plan = planLayout(port, ranks);
    if (!plan) {
      for (const Rank *rank : ranks)
        const_cast<Rank *>(rank)->onInput = true;
      return;
    }
    stored.layout = plan->kind;
    stored.tables = plan->tables;
    ranks = plan->stored;
  }
  for (const Rank *rank : ranks)
    const_cast<Rank *>(rank)->onInput = true;
  if (port.defaultValue) {
    if (!port.axes.empty())
      error(port.defaultValue->range(),
            "a default is for scalars, " + port.name.name + " has axes");
    else if (T value = eval(*port.defaultValue, {plainEnv({}), top}))
      stored.init = convertConstant(value, port, port.defaultValue->range());
  }
  if (!layout && !quant) {
    logical->input = model.inputs.size();
    stored.tensor = logical;
    model.inputs.push_back(stored);
    return;
  }
  // What is stored is not what the program reads: an einsum lies between.
  Tensor *codes =
      model.addTensor((port.name.name + ".stored").str(), ranks, port.range);
  codes->declared = quant ? quant->type->type : port.type.type;
  codes->input = model.inputs.size();
  stored.tensor = codes;
  stored.logical = logical;
  size_t index = model.inputs.size();
  model.inputs.push_back(stored);
  const Env *env = plainEnv(logical->ranks);
  T value = layout ? readStored(*plan, codes, env)
                   : terms.read(codes, identity(codes->ranks), Bounds::inside,
                                port.range);
  if (quant) {
    addScale(port, *quant, model.inputs[index]);
    Tensor *scale = model.inputs.back().tensor;
    llvm::SmallVector<T> indices;
    for (const Rank *rank : scale->ranks)
      if (T at = coordinate(rank, env, quant->range))
        indices.push_back(at);
      else
        return error(quant->range,
                     "rank " + Twine(rank->name) + " of " + scale->name +
                         " is not determined by the axes of " + port.name.name);
    value = terms.map(
        Fn::mul,
        {value, terms.read(scale, indices, Bounds::inside, quant->range)},
        quant->range);
    // What is computed in f32 is of f32: the scale may leave a sum.
    if (logical->declared == ScalarType::F32)
      logical->declared.reset();
  }
  Definition *definition =
      model.define(Definition::Kind::Map, logical, port.range);
  definition->terms = {value};
}

void Sema::addScale(const Port &port, const Annotation &quant,
                    StoredPort &stored) {
  bool bad = false;
  RankList ranks = resolveRanks(quant.ranks, top, bad);
  std::string name = (port.name.name + "_scale").str();
  Tensor *scale = model.addTensor(name, ranks, quant.range);
  scale->declared = ScalarType::F32;
  scale->input = model.inputs.size();
  for (const Rank *rank : ranks) {
    const_cast<Rank *>(rank)->onInput = true;
    stored.per.push_back(rank->name);
  }
  stored.scale = scale->name;
  stored.value = port.type.type;
  Entity entity;
  entity.kind = Entity::Kind::View;
  entity.view = {scale, {}, ranks};
  entity.range = quant.range;
  // The name outlives this function in the tensor.
  declare(top, scale->name, entity);
  StoredPort own;
  own.name = scale->name;
  own.tensor = scale;
  own.port = nullptr;
  model.inputs.push_back(own);
}

//===----------------------------------------------------------------------===//
// Outputs
//===----------------------------------------------------------------------===//

static bool maybeAbsent(const Tensor &tensor,
                        llvm::SmallPtrSetImpl<const void *> &seen);

/// Whether a point of `term` may be absent, by its form alone. What a reduction
/// hoists does not count: conditions on its ranks are most of what there is.
static bool maybeAbsent(T term, llvm::SmallPtrSetImpl<const void *> &seen) {
  if (term->is(Term::Kind::Where))
    return true;
  if (term->is(Term::Kind::Else))
    return maybeAbsent(term->operand(1), seen);
  if (term->is(Term::Kind::Read) &&
      (term->bounds() != Bounds::inside || maybeAbsent(*term->tensor(), seen)))
    return true;
  return llvm::any_of(term->operands(),
                      [&](T operand) { return maybeAbsent(operand, seen); });
}

static bool maybeAbsent(const Tensor &tensor,
                        llvm::SmallPtrSetImpl<const void *> &seen) {
  const Definition *definition = tensor.definition;
  if (!definition || !seen.insert(definition).second)
    return false;
  switch (definition->kind) {
  case Definition::Kind::Map:
    return maybeAbsent(definition->terms[0], seen);
  case Definition::Kind::Equations:
    return llvm::any_of(definition->operands, [&](const Tensor *operand) {
      return maybeAbsent(*operand, seen);
    });
  case Definition::Kind::Reduce:
    // Of no point there is no first, no last and no extreme coordinate.
    return definition->reduce >= Reduce::argmax;
  case Definition::Kind::Monoid:
    return false;
  case Definition::Kind::Order:
    return true;
  }
  llvm_unreachable("unknown definition");
}

void Sema::finishOutputs(const CascadeDecl &decl) {
  for (const Port &port : decl.outputs) {
    const Entity *entity = top->find(port.name.name);
    if (!entity)
      error(port.name.range, "output " + port.name.name + " of cascade " +
                                 decl.name().name + " has no equation");
    if (!entity || entity->kind != Entity::Kind::View ||
        entity->view.tensor->poisoned)
      continue;
    Tensor *logical = entity->view.tensor;
    StoredPort stored;
    stored.name = port.name.name;
    stored.port = &port;
    stored.tensor = logical;
    Tensor *old = nullptr;
    llvm::SmallPtrSet<const void *, 16> seen;
    if (port.type.type == ScalarType::U8 && maybeAbsent(*logical, seen))
      error(port.name.range,
            "output " + port.name.name +
                " may be absent, and u8 does not hold -1",
            "fill it, `.. else 0`");
    if (const Annotation *quant = annotation(port, Annotation::Kind::Quant))
      error(quant->range, "`quant` is for inputs");
    if (port.isConst || port.defaultValue)
      error(port.range, "an output has no default and is not const");
    if (const Annotation *into = annotation(port, Annotation::Kind::Into)) {
      for (const StoredPort &input : model.inputs)
        if (input.port && input.name == into->name.name)
          old = input.tensor;
      if (!old)
        error(into->name.range, into->name.name + " is no input",
              suggestion(into->name.name, top, false));
      stored.into = into->name.name;
    }
    if (annotation(port, Annotation::Kind::Layout)) {
      auto plan = planLayout(port, logical->ranks);
      if (!plan)
        continue;
      stored.layout = plan->kind;
      stored.tables = plan->tables;
      stored.logical = logical;
      stored.tensor = storeOutput(*plan, port, logical, old);
      if (!stored.tensor)
        continue;
    }
    if (old && (old->ranks != stored.tensor->ranks ||
                old->declared != stored.tensor->declared))
      error(annotation(port, Annotation::Kind::Into)->range,
            port.name.name + " into " + stored.into +
                ": they differ in ranks or in type");
    model.outputs.push_back(stored);
  }
}
