//===- SemaChecks.cpp - checks on right sides -----------------------------===//
//
// What is lawful by each part but no sense as a whole: ranks of the left that
// the right only reduces, and indices that are outside at every point.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::Twine;

/// Ranks that reductions below `term` bind, through tensors that the front end
/// made for them.
static void collectReduced(T term, llvm::SmallPtrSetImpl<const void *> &seen,
                           llvm::SmallPtrSetImpl<const Rank *> &reduced) {
  if (!seen.insert(term).second)
    return;
  for (T operand : term->operands())
    collectReduced(operand, seen, reduced);
  if (!term->is(Term::Kind::Read))
    return;
  Definition *definition = term->tensor()->definition;
  if (!term->tensor()->helper || !definition ||
      (definition->kind != Definition::Kind::Reduce &&
       definition->kind != Definition::Kind::Monoid))
    return;
  reduced.insert(definition->reduced.begin(), definition->reduced.end());
  for (T inner : definition->terms)
    collectReduced(inner, seen, reduced);
}

void Sema::checkOnlyReduced(const Pending &pending, const Equation &equation,
                            T term) {
  if (!pending.scope->site.empty())
    return;
  llvm::SmallPtrSet<const void *, 16> seen;
  llvm::SmallPtrSet<const Rank *, 8> reduced;
  collectReduced(term, seen, reduced);
  for (const LeftIndex &index : equation.indices)
    if (index.rank && reduced.contains(index.rank) && !term->uses(index.rank))
      error(equation.lhs->range,
            "output rank " + Twine(index.rank->name) + " of " +
                equation.lhs->tensor.name + " is only reduced on the right",
            "drop it from the left, or rename the reduced rank");
}

/// Whether `index` is outside [0, |rank|) wherever it is evaluated, by the
/// bounds of coordinates alone.
static bool alwaysOutside(T index, const Rank *rank, Terms &terms) {
  // Nowhere is everywhere: an empty space asks for no index.
  bool empty = llvm::any_of(index->ranks(), [&](const Rank *r) {
    return terms.staticExtent(r) == 0;
  });
  if (empty || index->readsData())
    return false;
  // Beyond the end: index - |rank| is a sum of non-negative parts.
  Linear beyond = linearOf(terms.sub(index, terms.extent(rank)));
  bool grows = llvm::all_of(beyond.parts, [](auto &part) {
    return part.second > 0 && (part.first->is(Term::Kind::Coord) ||
                               part.first->is(Term::Kind::Extent));
  });
  if (grows && beyond.constant >= 0)
    return true;
  // Before the start: every coordinate is at most its extent - 1.
  T largest = index;
  Linear linear = linearOf(index);
  for (auto &[symbol, factor] : linear.parts)
    if (symbol->is(Term::Kind::Coord) && factor > 0)
      largest = terms.add(
          largest, terms.mul(terms.integer(factor),
                             terms.sub(terms.sub(terms.extent(symbol->rank()),
                                                 terms.integer(1)),
                                       symbol)));
  Linear bound = linearOf(largest);
  bool shrinks = llvm::all_of(bound.parts, [](auto &part) {
    return part.second < 0 && (part.first->is(Term::Kind::Coord) ||
                               part.first->is(Term::Kind::Extent));
  });
  return shrinks && bound.constant < 0;
}

void Sema::checkOutside() {
  for (const AccessRecord &access : accesses) {
    for (auto [i, index] : llvm::enumerate(access.indices)) {
      const Rank *rank = access.tensor->ranks[access.lead + i];
      if (!alwaysOutside(index, rank, terms))
        continue;
      auto points = basePoints.find(access.tensor);
      bool isBase =
          points != basePoints.end() &&
          llvm::any_of(points->second, [&](const std::vector<T> &constants) {
            return constants[i] &&
                   (constantDifference(index, constants[i]) == 0 ||
                    !index->ranks().empty());
          });
      if (isBase)
        continue;
      error(access.range,
            source(access.text) + " is outside rank " + rank->name +
                " at every point",
            "the last index is `|" + Twine(rank->name) + "|-1`");
      break;
    }
  }
}
