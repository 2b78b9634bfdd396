//===- Types.h - type inference ---------------------------------*- C++ -*-===//
#ifndef ATTN_FRONTENDS_TEXT_TYPES_H
#define ATTN_FRONTENDS_TEXT_TYPES_H

#include "frontends/text/Model.h"

namespace attn::text {

/// Types of terms under the current types of tensors; `monoid` types states.
class TypeInference {
public:
  explicit TypeInference(const MonoidUse *monoid = nullptr) : monoid(monoid) {}
  Ty of(T term);

private:
  Ty joined(T term);
  Ty ofMap(T term);
  Ty compute(T term);

  const MonoidUse *monoid;
  llvm::DenseMap<T, Ty> known;
};

/// Types of the components from identities and combination alone.
bool raiseStates(MonoidUse &use);

/// Types of all tensors and monoids of `model`, by fixpoint.
void inferTypes(Model &model);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_TYPES_H
