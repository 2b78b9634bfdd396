//===- StreamBounds.cpp - loop bounds from presence -------------*- C++ -*-===//
#include "passes/schedule/StreamBounds.h"

using namespace mlir;
using namespace attn;

/// rest + lane * m at the row that makes it largest (best) or smallest.
Value BoundsBuilder::value(const LinearCondition &c, Rest rest, bool best) {
  Value left = rest(c.left), right = rest(c.right);
  Value result = e.map(c.mirrored ? Fn::add : Fn::sub, {right, left});
  if (c.strict)
    result = e.map(Fn::sub, {result, e.integer(1)});
  if (c.lane != 0) {
    Value row = (c.lane > 0) == best ? laneHigh : laneLow;
    result = e.map(Fn::add, {result, e.map(Fn::mul, {row, e.integer(c.lane)})});
  }
  return result;
}

void BoundsBuilder::clamp(Value &bound, Fn fn, Value limit) {
  bound = e.map(fn, {bound, limit});
}

static Value ceilDiv(ExprBuilder &e, Value x, int64_t by) {
  Value up = e.map(Fn::add, {x, e.integer(by - 1)});
  return e.map(Fn::floordiv, {up, e.integer(by)});
}

void BoundsBuilder::require(const LinearCondition &c, Rest rest) {
  Value r = value(c, rest, /*best=*/true);
  int64_t t = ranks.tileSize;
  if (c.stream < 0) {
    // n <= floor(r / -stream): the last step that starts at or before it.
    Value last = e.map(Fn::floordiv, {r, e.integer(-c.stream)});
    Value end = e.map(
        Fn::add, {e.map(Fn::floordiv, {last, e.integer(t)}), e.integer(1)});
    clamp(bounds.upper, Fn::min, end);
    clamp(bounds.to, Fn::min, e.map(Fn::add, {last, e.integer(1)}));
  } else if (c.stream > 0) {
    // n >= ceil(-r / stream): the step that contains it.
    Value first = ceilDiv(e, e.map(Fn::neg, {r}), c.stream);
    clamp(bounds.lower, Fn::max, e.map(Fn::floordiv, {first, e.integer(t)}));
    clamp(bounds.from, Fn::max, first);
  } else {
    // All steps or none: an end of 0 where r < 0.
    Value sign = e.map(
        Fn::max,
        {e.map(Fn::min, {e.map(Fn::add, {r, e.integer(1)}), e.integer(1)}),
         e.integer(0)});
    clamp(bounds.upper, Fn::min,
          e.map(Fn::mul, {sign, e.extent(ranks.stream)}));
  }
}

void BoundsBuilder::requireFull(const LinearCondition &c, Rest rest) {
  Value r = value(c, rest, /*best=*/false);
  int64_t t = ranks.tileSize;
  if (c.stream < 0) {
    Value last = e.map(Fn::floordiv, {r, e.integer(-c.stream)});
    Value count = e.map(Fn::add, {last, e.integer(1)});
    clamp(bounds.fullUpper, Fn::min,
          e.map(Fn::floordiv, {count, e.integer(t)}));
  } else if (c.stream > 0) {
    Value first = ceilDiv(e, e.map(Fn::neg, {r}), c.stream);
    clamp(bounds.fullLower, Fn::max, ceilDiv(e, first, t));
  } else {
    Value sign = e.map(
        Fn::max,
        {e.map(Fn::min, {e.map(Fn::add, {r, e.integer(1)}), e.integer(1)}),
         e.integer(0)});
    clamp(bounds.fullUpper, Fn::min,
          e.map(Fn::mul, {sign, e.extent(ranks.stream)}));
  }
}
