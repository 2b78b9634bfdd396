//===- Query.cpp - evaluates presence formulas ------------------*- C++ -*-===//
// The rules are those at the head of Presence.cpp. Formulas are memoised by
// the coordinates that are known. One that is asked while it is being evaluated
// is assumed to be true (the greatest solution); what was concluded from that
// is forgotten should it turn out false. Formulas are monotone in each other,
// so a false one is false under any assumption. A value never rests on an
// assumption: where one would, the definition is cyclic.
//===----------------------------------------------------------------------===//
#include "dialect/interpreter/Machine.h"

using namespace mlir;
using namespace attn;
using namespace attn::interpreter;

/// `unknown` masks the region's arguments here.
Machine::Outcome Machine::query(const Site &site, Mode mode, const Register *r,
                                uint64_t unknown) {
  SmallVector<int64_t, 8> point;
  uint64_t mask = 0;
  for (auto [k, index] : llvm::enumerate(site.indices)) {
    if (site.depends[k] & unknown) {
      mask |= uint64_t{1} << k;
      point.push_back(0);
      continue;
    }
    if (!r[index].present)
      return Outcome::No;
    point.push_back(r[index].value.integer);
  }
  return query(site.tensor, mode, point, site.bounds, mask);
}

Machine::Outcome Machine::query(uint32_t id, Mode mode, ArrayRef<int64_t> point,
                                Bounds bounds, uint64_t unknown) {
  const Tensor &tensor = plan.tensors[id];
  if (!tensor.definition)
    return queryEquations(tensor, mode, point, bounds, unknown);
  Place place{tensor.definition, tensor.column, 0};
  for (size_t k = 0; k < point.size(); ++k) {
    if (unknown >> k & 1)
      continue;
    if (point[k] < 0 || point[k] >= tensor.extents[k])
      return Outcome::No;
    place.point += point[k] * tensor.definition->strides[k];
  }
  return query(place, mode, point, unknown);
}

/// Some equation that may define the point holds. One whose constants all match
/// for sure wins over those with fewer.
Machine::Outcome Machine::queryEquations(const Tensor &tensor, Mode mode,
                                         ArrayRef<int64_t> point, Bounds bounds,
                                         uint64_t unknown) {
  SmallVector<const Equation *> candidates;
  unsigned certain = 0;
  for (const Equation &equation : tensor.equations) {
    bool matches = true, isCertain = true;
    for (size_t k = 0; k < point.size(); ++k) {
      if (unknown >> k & 1) {
        isCertain &= !equation.constants[k];
        continue;
      }
      bool inBox = point[k] >= 0 && point[k] < tensor.extents[k];
      matches &= equation.constants[k] ? point[k] == *equation.constants[k] &&
                                             (inBox || bounds != Bounds::data)
                                       : inBox;
    }
    if (!matches)
      continue;
    candidates.push_back(&equation);
    if (isCertain)
      certain = std::max(certain, equation.numConstants);
  }
  for (const Equation *equation : candidates) {
    if (equation->numConstants < certain)
      continue;
    SmallVector<int64_t, 8> plain;
    uint64_t mask = 0;
    for (size_t k = 0; k < point.size(); ++k) {
      if (equation->constants[k])
        continue;
      mask |= (unknown >> k & 1) << plain.size();
      plain.push_back(point[k]);
    }
    Outcome found = query(equation->tensor, mode, plain, Bounds::inside, mask);
    if (found != Outcome::No)
      return found;
  }
  return Outcome::No;
}

Machine::Outcome Machine::query(const Place &place, Mode mode,
                                ArrayRef<int64_t> point, uint64_t unknown) {
  Definition &def = *place.definition;
  bool isAtom = def.isAtom || !def.formulas[unsigned(mode)];
  if (def.kind == Definition::Input)
    isAtom = mode != Mode::Present;
  if (unknown && isAtom)
    return Outcome::Yes;
  if (!unknown) {
    switch (def.states[place.point]) {
    case State::Absent:
      return Outcome::No;
    case State::Present:
      return holds(mode == Mode::Present ||
                   (def.columns[place.column].values[place.point].integer !=
                    0) == (mode == Mode::True));
    case State::InProgress:
      if (isAtom || mode != Mode::Present)
        return inProgress(def, place.point);
      break;
    case State::Unknown:
      if (isAtom || mode != Mode::Present) {
        pushValue(def, place.point);
        return Outcome::Pending;
      }
    }
  }
  if (def.kind == Definition::Input)
    return Outcome::Yes;
  return queryFormula(def, mode, point, unknown);
}

Formulas *Machine::formulasOf(Definition &def, Mode mode, uint64_t unknown) {
  for (auto &answers : def.answers)
    if (answers->mode == mode && answers->unknown == unknown)
      return answers.get();
  auto answers = std::make_unique<Formulas>();
  answers->mode = mode;
  answers->unknown = unknown;
  answers->strides.resize(def.extents.size());
  int64_t size = 1;
  for (size_t k = def.extents.size(); k-- > 0;)
    if (!(unknown >> k & 1)) {
      answers->strides[k] = size;
      size *= def.extents[k];
    }
  if (!answers->verdicts.allocate(size))
    return nullptr;
  return def.answers.emplace_back(std::move(answers)).get();
}

Machine::Outcome Machine::queryFormula(Definition &def, Mode mode,
                                       ArrayRef<int64_t> point,
                                       uint64_t unknown) {
  Formulas *answers = formulasOf(def, mode, unknown);
  if (!answers)
    return fail("out of memory");
  int64_t linear = 0;
  for (size_t k = 0; k < point.size(); ++k)
    linear += point[k] * answers->strides[k];
  Verdict &verdict = answers->verdicts[linear];
  switch (verdict) {
  case Verdict::True:
    return Outcome::Yes;
  case Verdict::False:
    return Outcome::No;
  case Verdict::Assumed:
    return assume(assumptions.lookup(&verdict));
  case Verdict::InProgress:
    for (size_t i = frames.size(); i-- > 0;)
      if (frames[i].verdict == &verdict)
        return assume(i);
    llvm_unreachable("what is in progress has a frame");
  case Verdict::Unknown:
    break;
  }
  verdict = Verdict::InProgress;
  Frame frame(def, *def.formulas[unsigned(mode)], mode);
  frame.unknown = unknown;
  if (def.kind == Definition::Reduction)
    for (size_t k = 0; k < def.inner.size(); ++k)
      frame.unknown |= uint64_t{1} << (def.ranks.size() + k);
  frame.verdict = &verdict;
  frame.firstAssumed = assumed.size();
  push(std::move(frame), point);
  return Outcome::Pending;
}

/// Takes the formula of `frame` to be true, for the one on top.
Machine::Outcome Machine::assume(size_t frame) {
  Frame &user = frames.back();
  if (user.valueFrames > frame)
    return cyclic(frame);
  user.assumes = std::min(user.assumes, frame);
  return Outcome::Yes;
}

void Machine::finishFormula(bool holds) {
  size_t self = frames.size() - 1;
  Verdict *verdict = frames[self].verdict;
  size_t first = frames[self].firstAssumed, assumes = frames[self].assumes;
  pop();
  if (holds && assumes < self) { // as true as a formula further down
    *verdict = Verdict::Assumed;
    assumed.push_back(verdict);
    assumptions[verdict] = assumes;
    frames.back().assumes = std::min(frames.back().assumes, assumes);
    return;
  }
  for (size_t i = first; i < assumed.size(); ++i) {
    *assumed[i] = holds ? Verdict::True : Verdict::Unknown;
    assumptions.erase(assumed[i]);
  }
  assumed.resize(first);
  *verdict = holds ? Verdict::True : Verdict::False;
}
