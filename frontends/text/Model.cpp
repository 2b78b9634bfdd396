//===- Model.cpp - ranks, tensors and scopes of one cascade ---------------===//

#include "frontends/text/Model.h"

using namespace attn;
using namespace attn::text;

bool attn::text::isRunTimeScalar(const Tensor &tensor) {
  return tensor.input >= 0 && tensor.ranks.empty();
}

std::string Model::uniqueName(llvm::StringSet<> &taken, llvm::StringRef name) {
  std::string unique = name.str();
  for (unsigned i = 1; !taken.insert(unique).second; ++i)
    unique = (name + "." + llvm::Twine(i)).str();
  return unique;
}

Rank *Model::addRank(llvm::StringRef name, SourceRange range) {
  Rank &rank = ranks.emplace_back();
  rank.name = uniqueName(rankNames, name);
  rank.id = ranks.size();
  rank.range = range;
  return &rank;
}

Tensor *Model::addTensor(llvm::StringRef name,
                         llvm::ArrayRef<const Rank *> ranks,
                         SourceRange range) {
  Tensor &tensor = tensors.emplace_back();
  tensor.name = uniqueName(tensorNames, name);
  tensor.range = range;
  tensor.ranks.assign(ranks.begin(), ranks.end());
  return &tensor;
}

Definition *Model::define(Definition::Kind kind,
                          llvm::ArrayRef<Tensor *> results, SourceRange range) {
  Definition &definition = definitions.emplace_back();
  definition.kind = kind;
  definition.range = range;
  definition.space = results.front()->ranks;
  definition.results.assign(results.begin(), results.end());
  for (Tensor *result : results)
    result->definition = &definition;
  return &definition;
}

RankRelation *Model::addRelation(bool isProduct, Rank *whole,
                                 llvm::ArrayRef<Rank *> parts,
                                 SourceRange range) {
  RankRelation &relation = relations.emplace_back();
  relation.isProduct = isProduct;
  relation.whole = whole;
  relation.parts.assign(parts.begin(), parts.end());
  relation.range = range;
  whole->asWhole = &relation;
  for (Rank *part : parts)
    part->asPart.push_back(&relation);
  return &relation;
}

//===----------------------------------------------------------------------===//
// Order
//===----------------------------------------------------------------------===//

static void collectReads(T term, llvm::SmallPtrSetImpl<const void *> &seen,
                         llvm::SetVector<Tensor *> &reads) {
  if (!seen.insert(term).second)
    return;
  for (T operand : term->operands())
    collectReads(operand, seen, reads);
  if (term->is(Term::Kind::Read))
    reads.insert(term->tensor());
}

llvm::SmallVector<Tensor *> attn::text::readsOf(const Definition &definition) {
  llvm::SetVector<Tensor *> reads;
  llvm::SmallPtrSet<const void *, 16> seen;
  for (T term : definition.terms)
    collectReads(term, seen, reads);
  reads.insert(definition.operands.begin(), definition.operands.end());
  return llvm::SmallVector<Tensor *>(reads.begin(), reads.end());
}

std::vector<Definition *> Model::inOrder(llvm::ArrayRef<Definition *> roots) {
  // Without recursion: chains of definitions may be long.
  struct Visit {
    Definition *definition;
    llvm::SmallVector<Tensor *> reads;
    size_t next = 0;
  };
  std::vector<Definition *> order;
  std::vector<Visit> stack;
  llvm::DenseSet<const Definition *> seen;
  auto enter = [&](Definition *definition) {
    if (definition && seen.insert(definition).second)
      stack.push_back({definition, readsOf(*definition)});
  };
  for (Definition *root : roots) {
    enter(root);
    while (!stack.empty()) {
      Visit &top = stack.back();
      if (top.next < top.reads.size()) {
        enter(top.reads[top.next++]->definition);
        continue;
      }
      order.push_back(top.definition);
      stack.pop_back();
    }
  }
  return order;
}
