//===- Read.cpp - what a read of a tensor finds -----------------*- C++ -*-===//
// A value, nothing, or a point that has yet to be computed; and what is wrong
// with a read that may find none of them.
#include "dialect/interpreter/Machine.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;
using namespace attn::interpreter;
using llvm::formatv;

std::string Machine::describe(const Frame &frame) const {
  const Definition &def = *frame.definition;
  std::string text = frame.mode == Mode::Value ? "" : "the presence of ";
  text += def.name;
  size_t count = def.ranks.size() - (def.kind == Definition::Order);
  if (count == 0)
    return text;
  for (size_t k = 0; k < count; ++k) {
    text += (k ? "," : "[") + def.ranks[k].str() + "=";
    bool known = !(frame.unknown >> k & 1);
    text +=
        known ? std::to_string(registers[frame.base + k].value.integer) : "?";
  }
  return text + "]";
}

/// The frames from `first` up need each other.
Machine::Outcome Machine::cyclic(size_t first) {
  constexpr size_t shown = 8;
  std::string text = "cyclic definition: ";
  for (size_t i = first; i < frames.size(); ++i) {
    size_t position = i - first, left = frames.size() - i;
    if (position < shown || left <= shown)
      text += describe(frames[i]) + " needs ";
    else if (position == shown)
      text += "... needs ";
  }
  return fail(text + describe(frames[first]));
}

Machine::Outcome Machine::inProgress(const Definition &def, int64_t point) {
  if (def.kind == Definition::Order)
    point -= point % def.extents.back();
  for (size_t i = frames.size(); i-- > 0;)
    if (frames[i].definition == &def && frames[i].point == point &&
        frames[i].mode == Mode::Value)
      return cyclic(i);
  llvm_unreachable("what is in progress has a frame");
}

Machine::Outcome Machine::outside(const Tensor &tensor,
                                  ArrayRef<int64_t> point) {
  std::string where;
  std::string why;
  for (auto [rank, extent, index] :
       llvm::zip(tensor.ranks, tensor.extents, point)) {
    where +=
        (where.empty() ? "" : ",") + rank.str() + "=" + std::to_string(index);
    if (why.empty() && (index < 0 || index >= extent))
      why = formatv("{0} = {1} is outside the extent {2}{3}", rank.getValue(),
                    index, extent,
                    tensor.definition ? "" : " and has no equation");
  }
  return fail(formatv("{0} reads {1}[{2}]: {3}", describe(frames.back()),
                      tensor.name, where, why));
}

/// Yes, or No: absent.
Machine::Outcome Machine::locate(uint32_t id, ArrayRef<int64_t> point,
                                 Bounds bounds, Place &place) {
  const Tensor &tensor = plan.tensors[id];
  bool inBox = true;
  int64_t linear = 0;
  if (const Definition *def = tensor.definition) {
    for (size_t k = 0; k < point.size(); ++k) {
      inBox &= uint64_t(point[k]) < uint64_t(def->extents[k]);
      linear += point[k] * def->strides[k];
    }
    if (inBox) {
      place = {tensor.definition, tensor.column, linear};
      return Outcome::Yes;
    }
    return bounds == Bounds::inside ? outside(tensor, point) : Outcome::No;
  }

  for (auto [index, extent] : llvm::zip(point, tensor.extents))
    inBox &= index >= 0 && index < extent;
  if (!inBox && bounds == Bounds::data)
    return Outcome::No; // base points are no data
  const Equation *best = nullptr;
  bool twice = false;
  for (const Equation &equation : tensor.equations) {
    bool matches = true;
    for (size_t k = 0; k < point.size(); ++k)
      matches &= equation.constants[k]
                     ? point[k] == *equation.constants[k]
                     : point[k] >= 0 && point[k] < tensor.extents[k];
    if (!matches || (best && equation.numConstants < best->numConstants))
      continue;
    twice = best && equation.numConstants == best->numConstants;
    best = &equation;
  }
  if (twice) {
    std::string text;
    for (int64_t index : point)
      text += (text.empty() ? "" : ",") + std::to_string(index);
    return fail(
        formatv("two equations define {0} at [{1}]", tensor.name, text));
  }
  if (best) {
    SmallVector<int64_t, 8> plain;
    for (size_t k = 0; k < point.size(); ++k)
      if (!best->constants[k])
        plain.push_back(point[k]);
    return locate(best->tensor, plain, Bounds::inside, place);
  }
  return inBox || bounds != Bounds::inside ? Outcome::No
                                           : outside(tensor, point);
}

/// Yes: `place` has a value. No: absent.
Machine::Outcome Machine::read(uint32_t tensor, ArrayRef<int64_t> point,
                               Bounds bounds, Place &place) {
  Outcome found = locate(tensor, point, bounds, place);
  if (found != Outcome::Yes)
    return found;
  switch (place.definition->states[place.point]) {
  case State::Present:
    return Outcome::Yes;
  case State::Absent:
    return Outcome::No;
  case State::InProgress:
    return inProgress(*place.definition, place.point);
  case State::Unknown:
    pushValue(*place.definition, place.point);
    return Outcome::Pending;
  }
  llvm_unreachable("unknown state");
}

Machine::Outcome Machine::read(const Site &site, const Register *r,
                               Register &result) {
  // Nearly all reads find a value; this path costs no more than it must.
  if (const Definition *def = plan.tensors[site.tensor].definition) {
    const int64_t *extents = def->extents.data();
    const int64_t *strides = def->strides.data();
    uint64_t linear = 0; // unsigned: an absent index is any number
    bool inside = true;
    for (uint32_t index : site.indices) {
      uint64_t i = r[index].value.integer;
      inside &= r[index].present && i < uint64_t(*extents++);
      linear += i * uint64_t(*strides++);
    }
    if (inside && def->states[linear] == State::Present) {
      result = {def->columns[plan.tensors[site.tensor].column].values[linear],
                true};
      return Outcome::Yes;
    }
  }
  SmallVector<int64_t, 8> point;
  for (uint32_t index : site.indices) {
    if (!r[index].present) {
      result = Register::absent();
      return Outcome::No;
    }
    point.push_back(r[index].value.integer);
  }
  Place place;
  Outcome found = read(site.tensor, point, site.bounds, place);
  if (found == Outcome::Yes)
    result = {place.definition->columns[place.column].values[place.point],
              true};
  else if (found == Outcome::No)
    result = Register::absent();
  return found;
}
