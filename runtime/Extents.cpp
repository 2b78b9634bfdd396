//===- Extents.cpp - the extents of one call -------------------*- C++ -*-===//
// Static extents are given, the first axis that names an extent fixes it, the
// others follow by programs; every further axis, and every check of the entry,
// must agree.
//===----------------------------------------------------------------------===//
#include "Checks.h"

#include "Status.h"

#include <cinttypes>

using namespace attn::rt;

namespace {

/// AxisSite::port of an extent that has no axis (yet).
enum : int32_t { unknown = -1, known = -2 };

int64_t floorDiv(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/// Applies one operation; false on overflow.
bool apply(int64_t op, int64_t a, int64_t b, int64_t &result) {
  // The one quotient that does not fit; its remainder is 0.
  bool overflowing = a == INT64_MIN && b == -1;
  switch (op) {
  case ATTN_EXT_ADD:
    return !__builtin_add_overflow(a, b, &result);
  case ATTN_EXT_MUL:
    return !__builtin_mul_overflow(a, b, &result);
  case ATTN_EXT_FLOORDIV:
    result = b == 0 || overflowing ? 0 : floorDiv(a, b);
    return !overflowing;
  case ATTN_EXT_CEILDIV:
    result = b == 0 || overflowing ? 0 : floorDiv(a, b) + (a % b != 0);
    return !overflowing;
  case ATTN_EXT_MOD: // never negative
    result = b == 0 || overflowing ? 0 : a % b;
    if (result < 0)
      result += b < 0 ? -b : b;
    return true;
  case ATTN_EXT_MIN:
    result = a < b ? a : b;
    return true;
  default:
    result = a > b ? a : b;
    return true;
  }
}

class Resolver {
public:
  explicit Resolver(Call &call)
      : call(call), entry(call.entry), frame(call.frame) {}

  int run() {
    frame.extents.assign(entry.num_extents, 0);
    frame.origins.assign(entry.num_extents, {unknown, 0});
    for (int32_t e = 0; e < entry.num_extents; ++e)
      if (entry.extents[e].kind == ATTN_EXTENT_STATIC)
        set(e, entry.extents[e].value);
    if (int status = matchAxes(/*derived=*/false))
      return status;
    if (int status = derive())
      return status;
    if (int status = matchAxes(/*derived=*/true))
      return status;
    return compare();
  }

private:
  void set(int32_t extent, int64_t value) {
    frame.extents[extent] = value;
    frame.origins[extent] = {known, 0};
  }

  bool isKnown(int32_t extent) const {
    return frame.origins[extent].port != unknown;
  }

  int matchAxes(bool derived) {
    for (int32_t port = 0; port < entry.num_ports; ++port)
      for (int32_t axis = 0; axis < entry.ports[port].ndim; ++axis) {
        int32_t extent = entry.ports[port].axes[axis];
        if (extent < 0 || extent >= entry.num_extents)
          return fail(ATTN_ERROR_INTERNAL, "%s: %s axis %d has no extent",
                      call.name(), call.portName(port), int(axis));
        if ((entry.extents[extent].kind == ATTN_EXTENT_DERIVED) == derived)
          if (int status = matchAxis(extent, {port, axis}))
            return status;
      }
    return ATTN_OK;
  }

  int matchAxis(int32_t extent, AxisSite site) {
    int64_t value = frame.views[site.port].shape[site.axis];
    if (!isKnown(extent)) {
      frame.extents[extent] = value;
      frame.origins[extent] = site;
      return ATTN_OK;
    }
    int64_t expected = frame.extents[extent];
    if (value == expected)
      return ATTN_OK;
    AxisSite origin = frame.origins[extent];
    if (origin.port >= 0)
      return fail(ATTN_ERROR_SHAPE,
                  "%s: rank %s has extents %" PRId64 " and %" PRId64
                  ": %s axis %d, %s axis %d",
                  call.name(), call.extentName(extent), expected, value,
                  call.portName(origin.port), int(origin.axis),
                  call.portName(site.port), int(site.axis));
    bool derived = entry.extents[extent].kind == ATTN_EXTENT_DERIVED;
    return fail(ATTN_ERROR_SHAPE,
                "%s: rank %s has extents %" PRId64 " and %" PRId64
                ": %s, %s axis %d",
                call.name(), call.extentName(extent), expected, value,
                derived ? "by its relations" : "fixed when compiled",
                call.portName(site.port), int(site.axis));
  }

  /// Evaluates programs in any order in which their operands are known.
  int derive() {
    for (bool progress = true; progress;) {
      progress = false;
      for (int32_t e = 0; e < entry.num_extents; ++e) {
        if (isKnown(e) || !isReady(entry.extents[e]))
          continue;
        if (int status = evaluate(e))
          return status;
        progress = true;
      }
    }
    for (int32_t e = 0; e < entry.num_extents; ++e)
      if (!isKnown(e))
        return fail(ATTN_ERROR_INTERNAL, "%s: extent of rank %s is not defined",
                    call.name(), call.extentName(e));
    return ATTN_OK;
  }

  bool isReady(const attn_extent_desc &desc) const {
    if (desc.kind != ATTN_EXTENT_DERIVED)
      return false;
    for (int32_t i = 0; i + 1 < desc.program_len; i += 2) {
      if (desc.program[i] != ATTN_EXT_LOAD)
        continue;
      int64_t operand = desc.program[i + 1];
      if (operand < 0 || operand >= entry.num_extents || !isKnown(operand))
        return false;
    }
    return true;
  }

  int evaluate(int32_t extent) {
    const attn_extent_desc &desc = entry.extents[extent];
    std::vector<int64_t> &stack = frame.stack;
    stack.clear();
    for (int32_t i = 0; i + 1 < desc.program_len; i += 2) {
      int64_t op = desc.program[i], operand = desc.program[i + 1];
      if (op == ATTN_EXT_CONST) {
        stack.push_back(operand);
        continue;
      }
      if (op == ATTN_EXT_LOAD) {
        stack.push_back(frame.extents[operand]);
        continue;
      }
      if (op < ATTN_EXT_ADD || op > ATTN_EXT_MAX || stack.size() < 2)
        return badProgram(extent);
      int64_t right = stack.back(), result = 0;
      stack.pop_back();
      if (!apply(op, stack.back(), right, result))
        return fail(ATTN_ERROR_SHAPE, "%s: extent of rank %s exceeds 64 bits",
                    call.name(), call.extentName(extent));
      stack.back() = result;
    }
    if (stack.size() != 1)
      return badProgram(extent);
    set(extent, stack.back() < 0 ? 0 : stack.back());
    return ATTN_OK;
  }

  int badProgram(int32_t extent) {
    return fail(ATTN_ERROR_INTERNAL, "%s: program of rank %s is malformed",
                call.name(), call.extentName(extent));
  }

  int compare() {
    for (int32_t i = 0; i < entry.num_checks; ++i) {
      const attn_extent_check &check = entry.checks[i];
      int64_t left = frame.extents[check.left];
      int64_t right = frame.extents[check.right];
      if (check.at_most ? left <= right : left == right)
        continue;
      return fail(ATTN_ERROR_SHAPE,
                  "%s: %s (%s = %" PRId64 ", %s = %" PRId64 ")", call.name(),
                  check.text ? check.text : "extents disagree",
                  call.extentName(check.left), left,
                  call.extentName(check.right), right);
    }
    return ATTN_OK;
  }

  Call &call;
  const attn_entry_desc &entry;
  Frame &frame;
};

} // namespace

int attn::rt::resolveExtents(Call &call) { return Resolver(call).run(); }
