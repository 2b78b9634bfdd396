//===- EmitDefinitions.cpp - einsums, selections, equations ---------------===//

#include "frontends/text/Emit.h"
#include "mlir/IR/OperationSupport.h"
#include "llvm/Support/SaveAndRestore.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;

//===----------------------------------------------------------------------===//
// One einsum where a tensor only copies a reduction
//===----------------------------------------------------------------------===//

static void countUses(T term, llvm::SmallPtrSetImpl<const void *> &seen,
                      llvm::DenseMap<const Tensor *, unsigned> &uses) {
  if (!seen.insert(term).second)
    return;
  if (term->is(Term::Kind::Read))
    ++uses[term->tensor()];
  for (T operand : term->operands())
    countUses(operand, seen, uses);
}

/// Whether a value of type `from` can be stored in `tensor` as it is.
static bool fits(const Tensor &tensor, Ty from) {
  Ty to = tensor.declared ? text::typeOf(*tensor.declared) : tensor.type;
  return isReal(to) ? isReal(from) : to == from;
}

/// Takes over the definition that `copy` only copies, if nothing else reads it.
static bool absorb(Definition &copy,
                   const llvm::DenseMap<const Tensor *, unsigned> &uses) {
  if (copy.absorbed || copy.kind != Definition::Kind::Map ||
      !copy.terms[0]->is(Term::Kind::Read))
    return false;
  T read = copy.terms[0];
  Tensor *source = read->tensor(), *target = copy.results[0];
  Definition *from = source->definition;
  if (!from || !source->helper || from == &copy || uses.lookup(source) != 1 ||
      from->results.size() != 1 || from->space.size() != copy.space.size() ||
      from->kind == Definition::Kind::Equations)
    return false;
  Ty type = source->declared ? text::typeOf(*source->declared) : source->type;
  if (!fits(*target, type) || (source->declared && target->declared &&
                               source->declared != target->declared))
    return false;
  for (auto [index, rank] : llvm::zip(read->operands(), from->space))
    if (!index->is(Term::Kind::Coord) || index->rank() != rank)
      return false;
  if (from->kind == Definition::Kind::Order && copy.space.back() != from->to)
    return false;
  copy.kind = from->kind;
  copy.valueRange = from->valueRange;
  copy.terms = from->terms;
  copy.reduced = from->reduced;
  copy.reduce = from->reduce;
  copy.monoid = from->monoid;
  copy.from = from->from;
  copy.to = from->to;
  if (source->declared)
    target->declared = source->declared;
  from->absorbed = true;
  source->definition = nullptr;
  return true;
}

void Emitter::absorbCopies() {
  // A term is shared by the definitions that hold it: count per definition.
  llvm::DenseMap<const Tensor *, unsigned> uses;
  for (Definition &definition : model.definitions) {
    llvm::SmallPtrSet<const void *, 16> seen;
    for (T term : definition.terms)
      countUses(term, seen, uses);
    for (Tensor *operand : definition.operands)
      ++uses[operand];
  }
  for (const StoredPort &output : model.outputs)
    ++uses[output.tensor];
  for (Definition &definition : model.definitions)
    while (absorb(definition, uses))
      ;
}

//===----------------------------------------------------------------------===//
// Order of emission
//===----------------------------------------------------------------------===//

mlir::Value Emitter::valueOf(Tensor *tensor) {
  if (mlir::Value known = values.lookup(tensor))
    return known;
  // A recurrence: stands for the value until it is defined.
  auto placeholder = mlir::UnrealizedConversionCastOp::create(
      builder, here, mlir::TypeRange(tensorType(*tensor)), mlir::ValueRange());
  placeholders[tensor] = placeholder;
  return values[tensor] = placeholder.getResult(0);
}

void Emitter::define(Definition &definition) {
  here = locate(definition.range);
  for (Tensor *read : readsOf(definition))
    valueOf(read);
  switch (definition.kind) {
  case Definition::Kind::Map:
    return emitMap(definition);
  case Definition::Kind::Reduce:
  case Definition::Kind::Monoid:
    return emitReduce(definition);
  case Definition::Kind::Order:
    return emitOrder(definition);
  case Definition::Kind::Equations:
    return emitEquations(definition);
  }
}

/// Records results, in place of what stood for them.
static void
settle(Definition &definition, mlir::ValueRange results,
       llvm::DenseMap<const Tensor *, mlir::Value> &values,
       llvm::DenseMap<const Tensor *, mlir::Operation *> &placeholders) {
  for (auto [tensor, value] : llvm::zip(definition.results, results)) {
    if (mlir::Operation *placeholder = placeholders.lookup(tensor)) {
      placeholder->getResult(0).replaceAllUsesWith(value);
      placeholder->erase();
      placeholders.erase(tensor);
    }
    values[tensor] = value;
  }
}

void Emitter::openRegion(mlir::Region &region, ArrayRef<const Rank *> ranks) {
  mlir::Block &block = region.emplaceBlock();
  builder.setInsertionPointToEnd(&block);
  emitted.clear();
  converted.clear();
  coordinates.clear();
  for (const Rank *rank : ranks)
    coordinates[rank] = block.addArgument(builder.getI32Type(), here);
}

static RankList joined(const RankList &a, const RankList &b) {
  RankList all = a;
  all.append(b);
  return all;
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

void Emitter::emitMap(Definition &definition) {
  Tensor &tensor = *definition.results[0];
  auto einsum =
      EinsumOp::create(builder, here, mlir::TypeRange(tensorType(tensor)),
                       builder.getStrArrayAttr({StringRef(tensor.name)}),
                       rankNames(definition.space), builder.getArrayAttr({}),
                       mlir::Attribute(), tensor.declared.has_value());
  mlir::OpBuilder::InsertionGuard guard(builder);
  openRegion(einsum.getMap(), definition.space);
  Ty type = tensor.declared ? text::typeOf(*tensor.declared) : tensor.type;
  mlir::Value value =
      emitAs(definition.terms[0], type == Ty::None ? Ty::F32 : type,
             definition.valueRange, Use::Integer);
  YieldOp::create(builder, here, value);
  settle(definition, einsum.getResults(), values, placeholders);
}

void Emitter::emitReduce(Definition &definition) {
  llvm::SmallVector<mlir::Type> resultTypes;
  llvm::SmallVector<StringRef> names;
  for (Tensor *result : definition.results) {
    resultTypes.push_back(tensorType(*result));
    names.push_back(result->name);
  }
  mlir::Attribute combine =
      definition.monoid
          ? mlir::Attribute(monoidSymbol(*definition.monoid))
          : ReduceAttr::get(builder.getContext(), definition.reduce);
  auto einsum = EinsumOp::create(
      builder, here, resultTypes, builder.getStrArrayAttr(names),
      rankNames(definition.space), rankNames(definition.reduced), combine,
      definition.results[0]->declared.has_value());
  mlir::OpBuilder::InsertionGuard guard(builder);
  openRegion(einsum.getMap(), joined(definition.space, definition.reduced));
  llvm::SmallVector<mlir::Value> yielded;
  Reduce op = definition.reduce;
  for (auto [i, term] : llvm::enumerate(definition.terms)) {
    Ty type = typeOf(term);
    if (definition.monoid) {
      yielded.push_back(
          emitAs(term, definition.monoid->types[i], definition.valueRange));
      continue;
    }
    if (op == Reduce::any || op == Reduce::all) {
      if (type != Ty::Bool) {
        StringRef name = stringifyReduce(op);
        error(definition.valueRange, name + " takes bool operands",
              "parenthesise the comparison inside: `" + name + "[k](J == h)`");
        term = model.terms.boolean(true);
      }
      yielded.push_back(emitAs(term, Ty::Bool, definition.valueRange));
      continue;
    }
    bool arithmetic = op == Reduce::sum || op == Reduce::prod ||
                      op == Reduce::max || op == Reduce::min;
    // Numbers for arithmetic; any present value counts.
    if (arithmetic && type == Ty::Bool)
      type = Ty::I32;
    yielded.push_back(emitAs(term, type, definition.valueRange));
  }
  YieldOp::create(builder, here, yielded);
  settle(definition, einsum.getResults(), values, placeholders);
}

void Emitter::emitOrder(Definition &definition) {
  Tensor &tensor = *definition.results[0];
  auto order = OrderOp::create(
      builder, here, tensorType(tensor), builder.getStringAttr(tensor.name),
      rankNames(definition.space), rankName(definition.from),
      rankName(definition.to));
  mlir::OpBuilder::InsertionGuard guard(builder);
  RankList ranks = definition.space;
  ranks.back() = definition.from;
  openRegion(order.getKeys(), ranks);
  llvm::SmallVector<mlir::Value> keys;
  for (T term : definition.terms)
    keys.push_back(emitAs(term, typeOf(term), definition.valueRange));
  YieldOp::create(builder, here, keys);
  settle(definition, order->getResults(), values, placeholders);
}

void Emitter::emitEquations(Definition &definition) {
  Tensor &tensor = *definition.results[0];
  llvm::SmallVector<mlir::Value> operands;
  llvm::SmallVector<mlir::Attribute> patterns;
  for (auto [operand, pattern] :
       llvm::zip(definition.operands, definition.patterns)) {
    operands.push_back(valueOf(operand));
    llvm::SmallVector<mlir::Attribute> indices;
    for (auto [constant, rank] : llvm::zip(pattern, tensor.ranks))
      indices.push_back(
          constant ? mlir::Attribute(extentAttr(constant, operand->range))
                   : rankName(rank));
    patterns.push_back(builder.getArrayAttr(indices));
  }
  auto equations = EquationsOp::create(
      builder, here, tensorType(tensor), builder.getStringAttr(tensor.name),
      operands, builder.getArrayAttr(patterns));
  settle(definition, equations->getResults(), values, placeholders);
}

mlir::FlatSymbolRefAttr Emitter::monoidSymbol(MonoidUse &use) {
  std::string &symbol =
      symbols[{use.decl, {use.types.begin(), use.types.end()}}];
  if (symbol.empty()) {
    mlir::OpBuilder::InsertionGuard guard(builder);
    symbol = declareMonoid(use);
  }
  return mlir::FlatSymbolRefAttr::get(builder.getContext(), symbol);
}

std::string Emitter::declareMonoid(MonoidUse &use) {
  llvm::SaveAndRestore location(here, locate(use.decl->name().range));
  builder.setInsertionPointToStart(module.getBody());
  std::string symbol = use.decl->name().name.str();
  llvm::SmallVector<StringRef> names;
  llvm::SmallVector<mlir::Attribute> identity;
  size_t count = use.types.size();
  for (size_t i = 0; i < count; ++i) {
    names.push_back(use.decl->states[i].name.name);
    T value = use.identity[i];
    mlir::Type type = scalar(use.types[i]);
    if (isReal(use.types[i]))
      identity.push_back(builder.getFloatAttr(
          type, value->is(Term::Kind::Real) ? value->real()
                                            : double(value->integer())));
    else
      identity.push_back(builder.getIntegerAttr(type, value->integer()));
  }
  auto op = MonoidOp::create(builder, here, builder.getStringAttr(symbol),
                             builder.getStrArrayAttr(names),
                             builder.getArrayAttr(identity), use.decl->ordered);
  mlir::Block &block = op.getCombine().emplaceBlock();
  builder.setInsertionPointToEnd(&block);
  llvm::SaveAndRestore inner(monoid, const_cast<const MonoidUse *>(&use));
  TypeInference outerTypes = std::move(types);
  types = TypeInference(&use);
  emitted.clear();
  converted.clear();
  states.clear();
  for (size_t i = 0; i < 2 * count; ++i)
    states.push_back(block.addArgument(scalar(use.types[i % count]), here));
  llvm::SmallVector<mlir::Value> yielded;
  for (auto [term, type] : llvm::zip(use.combination, use.types))
    yielded.push_back(emitAs(term, type, use.decl->range()));
  YieldOp::create(builder, here, yielded);
  types = std::move(outerTypes);
  emitted.clear();
  converted.clear();
  // Equal monoids of several cascades share one symbol.
  for (MonoidOp other : module.getOps<MonoidOp>()) {
    if (other == op || !other.getSymName().starts_with(symbol))
      continue;
    if (mlir::OperationEquivalence::isRegionEquivalentTo(
            &other.getCombine(), &op.getCombine(),
            mlir::OperationEquivalence::IgnoreLocations) &&
        other.getIdentity() == op.getIdentity() &&
        other.getOrdered() == op.getOrdered()) {
      op.erase();
      return other.getSymName().str();
    }
  }
  unsigned suffix = 0;
  std::string unique = symbol;
  auto isTaken = [&](StringRef name) {
    return llvm::any_of(module.getOps<mlir::SymbolOpInterface>(),
                        [&](mlir::SymbolOpInterface other) {
                          return other != op && other.getName() == name;
                        });
  };
  while (isTaken(unique))
    unique = symbol + "." + std::to_string(++suffix);
  op.setSymName(unique);
  return unique;
}
