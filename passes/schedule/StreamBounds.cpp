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

Value BoundsBuilder::limit(const LinearClause &any, Rest rest, bool best) {
  Value limit;
  for (const LinearCondition &c : any) {
    Value r = value(c, rest, best);
    // n <= floor(r / -stream), or n >= ceil(-r / stream).
    Value x = c.stream < 0 ? e.map(Fn::floordiv, {r, e.integer(-c.stream)})
                           : ceilDiv(e, e.map(Fn::neg, {r}), c.stream);
    limit = limit ? e.map(c.stream < 0 ? Fn::max : Fn::min, {limit, x}) : x;
  }
  return limit;
}

/// Of a condition that does not move with n: 1 where it holds, else 0.
Value BoundsBuilder::sign(const LinearClause &any, Rest rest, bool best) {
  Value r = value(any.front(), rest, best), one = e.integer(1);
  return e.map(Fn::max,
               {e.map(Fn::min, {e.map(Fn::add, {r, one}), one}), e.integer(0)});
}

void BoundsBuilder::require(const LinearClause &any, Rest rest) {
  Value t = e.integer(ranks.tileSize), one = e.integer(1);
  int64_t stream = any.front().stream;
  if (stream < 0) {
    // The last step is the one that has it.
    Value last = limit(any, rest, /*best=*/true);
    clamp(bounds.upper, Fn::min,
          e.map(Fn::add, {e.map(Fn::floordiv, {last, t}), one}));
    clamp(bounds.to, Fn::min, e.map(Fn::add, {last, one}));
  } else if (stream > 0) {
    Value first = limit(any, rest, /*best=*/true);
    clamp(bounds.lower, Fn::max, e.map(Fn::floordiv, {first, t}));
    clamp(bounds.from, Fn::max, first);
  } else {
    // All steps or none.
    clamp(bounds.upper, Fn::min,
          e.map(Fn::mul, {sign(any, rest, true), e.extent(ranks.stream)}));
  }
}

void BoundsBuilder::requireFull(const LinearClause &any, Rest rest) {
  int64_t t = ranks.tileSize, stream = any.front().stream;
  if (stream < 0) {
    Value last = limit(any, rest, /*best=*/false);
    Value count = e.map(Fn::add, {last, e.integer(1)});
    clamp(bounds.fullUpper, Fn::min,
          e.map(Fn::floordiv, {count, e.integer(t)}));
  } else if (stream > 0) {
    Value first = limit(any, rest, /*best=*/false);
    clamp(bounds.fullLower, Fn::max, ceilDiv(e, first, t));
  } else {
    clamp(bounds.fullUpper, Fn::min,
          e.map(Fn::mul, {sign(any, rest, false), e.extent(ranks.stream)}));
  }
}
