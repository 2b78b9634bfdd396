//===- Points.cpp - the grid points that a block takes ----------*- C++ -*-===//
// A thread (or a warp that classifies) takes grid points one by one until none
// is left, and tells the warpgroups which.
//===----------------------------------------------------------------------===//
#include "passes/gpu/hopper/PointOrder.h"
#include "passes/gpu/hopper/Warpgroups.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

void WarpgroupLowering::asLead(llvm::function_ref<void()> body) {
  b.ifThen(lead, body);
}

/// The number of the next point for this block is that many points after the
/// first ones, of which each block has one.
Value WarpgroupLowering::takeTicket() {
  auto take = [&] {
    return Values{LLVM::AtomicRMWOp::create(
        b, LLVM::AtomicBinOp::add, work.tickets, b.i32(1),
        LLVM::AtomicOrdering::monotonic, "device")};
  };
  return lead ? b.ifElse(lead, take, [&] { return Values{b.i32(0)}; })[0]
              : take()[0];
}

/// A point takes one ticket, so that there are as many as points; who has the
/// last one of the launch sets the counter back.
void WarpgroupLowering::returnTicket(Value ticket) {
  Value last =
      b.compare(CmpIPredicate::eq, ticket, b.sub(work.items, b.i32(1)));
  asLead([&] { b.ifThen(last, [&] { b.store(b.i32(0), work.tickets); }); });
}

Value WarpgroupLowering::bound(Value name) {
  Scalar scalar = scalars->lookup(name);
  Value value = b.convert(scalar.value, b.getI32Type());
  return scalar.present ? b.select(scalar.present, value, b.i32(0)) : value;
}

void WarpgroupLowering::emitScalars() {
  for (Operation &op : kernel.getBody().front())
    if (!isa<tile::LoadOp, tile::StoreOp, tile::EinsumOp, tile::StreamOp>(op))
      scalars->emit(&op);
}

void WarpgroupLowering::emitBounds() {
  emitScalars();
  tile::StreamOp stream = roles.stream;
  lower = bound(stream.getLower());
  upper = b.max(bound(stream.getUpper()), lower);
  fullLower = b.min(b.max(bound(stream.getFullLower()), lower), upper);
  fullUpper = b.min(b.max(bound(stream.getFullUpper()), fullLower), upper);
}

/// Words of a grid point's line: -1 behind the last point, the stream's bounds,
/// its coordinates.
void WarpgroupLowering::sayPoint(Value first, ValueRange coordinates) {
  waitEmpty(layout.line, points);
  Values words{first, lower, fullLower, fullUpper, upper};
  llvm::append_range(words, coordinates);
  for (auto [i, word] : llvm::enumerate(words))
    storeWord(b, b.add(lineOf(points), b.i32(4 * i)), word);
  if (roles.isClassified())
    barrierArrive(b, fullBarrier(layout.line, points), b.boolean(true));
}

/// Point number `item`, to the warpgroups.
void WarpgroupLowering::startPoint(PointOrder &order, Value item,
                                   Value isAgain) {
  SmallVector<Value> coordinates = order.coordinates(item);
  bindPoint(coordinates);
  emitBounds();
  Value first = b.i32(0);
  if (isAgain)
    first = b.select(isAgain, b.i32(1), first);
  asLead([&] { sayPoint(first, coordinates); });
}

void WarpgroupLowering::endPoints() {
  asLead([&] {
    waitEmpty(layout.line, points);
    storeWord(b, lineOf(points), b.i32(-1));
    barrierArrive(b, fullBarrier(layout.line, points), b.boolean(true));
  });
}

void WarpgroupLowering::forPoints(llvm::function_ref<void()> body) {
  if (repeats)
    return forRepeatedPoints(body);
  PointOrder order(b, outside, kernel, roles);
  work.items = b.convert(work.items, b.getI32Type());
  Value blocks = specialRegister(b, "nctaid.x");
  Values start{specialRegister(b, "ctaid.x"), b.i32(0), b.i32(0), b.i32(0)};
  Values last = whileLoop(
      b, start,
      [&](ValueRange in, Values &) {
        return b.compare(CmpIPredicate::slt, in[0], work.items);
      },
      [&](ValueRange in, ValueRange) {
        points = in[1];
        steps = in[2];
        messages = in[3];
        // It takes long to come, and is not asked for before the end.
        Value ticket = lead ? Value() : takeTicket();
        startPoint(order, in[0]);
        body();
        if (lead) {
          // Points that are taken early are not left to others.
          asLead([&] { waitEmpty(layout.line, b.add(points, b.i32(1))); });
          ticket = takeTicket();
        }
        returnTicket(ticket);
        if (lead)
          ticket = broadcast(b, ticket);
        return Values{b.add(ticket, blocks), b.add(points, b.i32(1)), steps,
                      messages};
      });
  points = last[1];
  endPoints();
}

/// Before a stage of points is used again, its last point is asked whether it
/// is wanted again; behind the last point, all stages. (A tile kernel
/// overwrites nothing that it reads, so that a point may come twice.) Carried:
/// the next point, uses of the ring and of the steps' rings, stages that were
/// asked, and the points of the stages, the one to be asked next first (-1:
/// there is none, or it came twice).
void WarpgroupLowering::forRepeatedPoints(llvm::function_ref<void()> body) {
  assert(!lead && !roles.isClassified());
  PointOrder order(b, outside, kernel, roles);
  work.items = b.convert(work.items, b.getI32Type());
  Value blocks = specialRegister(b, "nctaid.x");
  Value none = b.i32(-1), zero = b.i32(0);
  Values start{specialRegister(b, "ctaid.x"), zero, zero, zero};
  start.append(layout.point.stages, none);
  auto isPoint = [&](Value item) {
    return b.compare(CmpIPredicate::sge, item, zero);
  };
  auto isLeft = [&](Value item) {
    return b.compare(CmpIPredicate::slt, item, work.items);
  };
  Values last = whileLoop(
      b, start,
      [&](ValueRange in, Values &) {
        Value any = isLeft(in[0]);
        for (Value item : in.drop_front(4))
          any = b.bitOr(any, isPoint(item));
        return any;
      },
      [&](ValueRange in, ValueRange) {
        Value next = in[0], asked = in[3], before = in[4];
        points = in[1];
        steps = in[2];
        waitEmpty(layout.point, asked);
        Value word = againAt(asked);
        Value again =
            b.bitAnd(isPoint(before),
                     b.compare(CmpIPredicate::ne, loadWord(b, word), zero));
        storeWord(b, word, zero);
        Values result = b.ifElse(
            b.bitOr(again, isLeft(next)),
            [&] {
              Value following = b.ifElse(
                  again, [&] { return Values{next}; },
                  [&] {
                    Value ticket = takeTicket();
                    returnTicket(ticket);
                    return Values{b.add(ticket, blocks)};
                  })[0];
              startPoint(order, b.select(again, before, next), again);
              body();
              return Values{following, b.add(points, b.i32(1)), steps,
                            b.select(again, none, next)};
            },
            [&] { return Values{next, in[1], in[2], none}; });
        Value newest = result.pop_back_val();
        result.push_back(b.add(asked, b.i32(1)));
        llvm::append_range(result, in.drop_front(5));
        result.push_back(newest);
        return result;
      });
  points = last[1];
  endPoints();
}
