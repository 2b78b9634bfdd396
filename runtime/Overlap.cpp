//===- Overlap.cpp - do strided tensors share memory? ----------*- C++ -*-===//
// Both questions are one: is there an integer point d, low_k <= d_k <= high_k,
// with sum stride_k d_k = target? Strides descend, and what the smaller ones
// can still add bounds d_k: for nested strides, so for every view of a dense
// tensor, one or two values are left at each level. A budget bounds the search
// for the others; beyond it the answer is the safe one, yes.
//===----------------------------------------------------------------------===//
#include "Overlap.h"

#include <algorithm>

using namespace attn::rt;

namespace {

struct Term {
  Wide stride, low, high; // stride > 0
};

class Solver {
public:
  void add(Wide stride, Wide low, Wide high) {
    terms.push_back({stride, low, high});
  }

  /// `nonzero`: d = 0 is no solution.
  bool solve(Wide target, bool nonzero) {
    std::sort(terms.begin(), terms.end(),
              [](const Term &a, const Term &b) { return a.stride > b.stride; });
    if (!nonzero)
      mergeEqual();
    // rest[k]: what terms k.. can add up to.
    rest.assign(terms.size() + 1, {0, 0});
    for (size_t k = terms.size(); k-- > 0;) {
      const Term &t = terms[k];
      rest[k] = {rest[k + 1].low + t.stride * t.low,
                 rest[k + 1].high + t.stride * t.high};
    }
    return search(0, target, nonzero);
  }

private:
  struct Range {
    Wide low, high;
  };

  /// Not for self-overlap, where equal strides are a solution by themselves.
  void mergeEqual() {
    size_t kept = 0;
    for (const Term &t : terms)
      if (kept && terms[kept - 1].stride == t.stride) {
        terms[kept - 1].low += t.low;
        terms[kept - 1].high += t.high;
      } else {
        terms[kept++] = t;
      }
    terms.resize(kept);
  }

  static Wide floorDiv(Wide a, Wide b) { return a / b - (a % b != 0 && a < 0); }

  bool search(size_t level, Wide target, bool nonzero) {
    if (target < rest[level].low || target > rest[level].high)
      return false;
    if (--budget < 0)
      return true;
    if (level == terms.size())
      return target == 0 && !nonzero;
    const Term &t = terms[level];
    const Range &later = rest[level + 1];
    Wide first = -floorDiv(later.high - target, t.stride); // ceiling
    Wide last = floorDiv(target - later.low, t.stride);
    first = std::max(first, t.low);
    last = std::min(last, t.high);
    for (Wide d = first; d <= last; ++d)
      if (search(level + 1, target - d * t.stride, nonzero && d == 0))
        return true;
    return false;
  }

  std::vector<Term> terms;
  std::vector<Range> rest;
  int budget = 20000;
};

/// The first and the past-the-last bit.
struct Bits {
  Wide begin, end;
};
Bits bitsOf(const PortView &view) {
  Wide low = Wide(reinterpret_cast<uintptr_t>(view.data)) * 8;
  Wide high = low + view.bits;
  for (int32_t axis = 0; axis < view.ndim; ++axis) {
    Wide reach = Wide(view.shape[axis] - 1) * view.strides[axis] * view.bits;
    (reach < 0 ? low : high) += reach;
  }
  return {low, high};
}

/// Axes as terms in bits, indices counted from the lowest address.
void addAxes(Solver &solver, const PortView &view, int side) {
  for (int32_t axis = 0; axis < view.ndim; ++axis) {
    Wide last = view.shape[axis] - 1;
    Wide stride = Wide(view.strides[axis]) * view.bits;
    if (last > 0 && stride != 0)
      solver.add(stride < 0 ? -stride : stride, side > 0 ? 0 : -last,
                 side > 0 ? last : 0);
  }
}

} // namespace

bool attn::rt::overlapsItself(const PortView &view) {
  if (view.empty)
    return false;
  Solver solver;
  for (int32_t axis = 0; axis < view.ndim; ++axis) {
    Wide last = view.shape[axis] - 1, stride = view.strides[axis];
    if (last > 0 && stride == 0)
      return true;
    if (last > 0)
      solver.add(stride < 0 ? -stride : stride, -last, last);
  }
  return solver.solve(0, /*nonzero=*/true);
}

bool attn::rt::overlap(const PortView &a, const PortView &b) {
  if (a.empty || b.empty)
    return false;
  Bits x = bitsOf(a), y = bitsOf(b);
  if (x.end <= y.begin || y.end <= x.begin)
    return false;
  // x.begin + sum over a + bit of a = y.begin + sum over b + bit of b
  Solver solver;
  addAxes(solver, a, +1);
  addAxes(solver, b, -1);
  solver.add(1, -(Wide(b.bits) - 1), Wide(a.bits) - 1);
  return solver.solve(y.begin - x.begin, /*nonzero=*/false);
}

bool attn::rt::sameStorage(const PortView &a, const PortView &b) {
  return a.data == b.data && a.bits == b.bits && a.ndim == b.ndim &&
         std::equal(a.shape, a.shape + a.ndim, b.shape) &&
         std::equal(a.strides, a.strides + a.ndim, b.strides);
}
