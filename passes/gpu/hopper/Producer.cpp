//===- Producer.cpp - what brings tiles into shared memory ------*- C++ -*-===//
// A thread takes grid points one by one, tells the warpgroups which, and brings
// what they multiply. Where steps are classified a warp does all but the last:
// it classifies 64 at a time, and sends a word for each that has points to the
// warpgroups and to a thread that copies and is told what they are told. It
// runs ahead of both, or each point's first boxes would come as late as its
// classification takes.
//===----------------------------------------------------------------------===//
#include "mlir/Analysis/SliceAnalysis.h"
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

/// Coordinates of a box (i32, from the last axis): of the first column, and of
/// `row`. What is not there lies outside.
gpu::Values WarpgroupLowering::boxCoordinates(Region &indices, unsigned rowRank,
                                              Value row) {
  FastRegion code(b, outside, b.getF32Type(), {});
  code.capture(*scalars, indices);
  Block &block = indices.front();
  for (BlockArgument argument : block.getArguments())
    code.bind(
        argument,
        {argument.getArgNumber() == rowRank ? row : b.i32(0), {}, {}, true});
  SmallVector<Scalar> found = code.emit(block);
  Values result;
  for (const Scalar &index : llvm::reverse(found)) {
    Value i = b.convert(index.value, b.getI32Type());
    result.push_back(index.present ? b.select(index.present, i, b.i32(-1 << 30))
                                   : i);
  }
  return result;
}

void WarpgroupLowering::emitCopies(const SharedLoad &load, Value to,
                                   Value barrier, Value halves) {
  tile::LoadOp op = load.op;
  Value map =
      LLVM::PtrToIntOp::create(b, b.getI64Type(), work.maps[numberOf(load)]);
  int64_t panels = load.columns / 64, rows = roles.boxRows(load);
  auto copy = [&](int64_t row, int64_t first, int64_t end) {
    Values at = boxCoordinates(op.getIndices(), load.rowRank, b.i32(row));
    for (int64_t panel = first; panel < end; ++panel) {
      at[0] = b.i32(panel * 64);
      copyBox(b, b.add(to, b.i32((panel * load.rows + row) * 128)), map, at,
              barrier);
    }
  };
  if (!halves)
    return copy(0, 0, panels);
  for (int64_t half : {0, 1})
    b.ifThen(b.compare(CmpIPredicate::ne, b.bitAnd(halves, b.i32(1 << half)),
                       b.i32(0)),
             [&] {
               if (rows < load.rows)
                 copy(half * rows, 0, panels);
               else
                 copy(0, half * panels / 2, (half + 1) * panels / 2);
             });
}

void WarpgroupLowering::emitStepCopies(Value step, Value halves) {
  tile::StreamOp stream = roles.stream;
  Block &body = stream.getBody().front();
  scalars->bindCoordinate(body.getArgument(0), b.convert(step, b.getI64Type()));
  for (Operation &op : body)
    if (!isa<tile::LoadOp, tile::EinsumOp, tile::YieldOp>(op))
      scalars->emit(&op);
  for (auto [load, ring] : llvm::zip(roles.loads, layout.loads)) {
    if (!load.inStream)
      continue;
    waitEmpty(ring, steps);
    Value barrier = fullBarrier(ring, steps);
    Value bytes = b.i32(load.bytes());
    if (halves)
      bytes = b.select(b.compare(CmpIPredicate::eq, halves, b.i32(3)), bytes,
                       b.i32(load.bytes() / 2));
    barrierExpect(b, barrier, bytes);
    emitCopies(load, boxes(load, steps), barrier, halves);
  }
}

/// Words of a grid point's line: -1 behind the last point, the stream's bounds,
/// its coordinates.
void WarpgroupLowering::sayPoint(ValueRange coordinates) {
  waitEmpty(layout.line, points);
  Values words{b.i32(0), lower, fullLower, fullUpper, upper};
  llvm::append_range(words, coordinates);
  for (auto [i, word] : llvm::enumerate(words))
    storeWord(b, b.add(lineOf(points), b.i32(4 * i)), word);
  if (roles.isClassified())
    barrierArrive(b, fullBarrier(layout.line, points), b.boolean(true));
}

void WarpgroupLowering::copyPoint() {
  if (roles.isClassified())
    waitEmpty(layout.point, points);
  Value barrier = fullBarrier(layout.point, points);
  barrierExpect(b, barrier, b.i32(layout.pointBytes));
  for (const SharedLoad &load : roles.loads)
    if (!load.inStream)
      emitCopies(load, boxes(load, points), barrier);
}

void WarpgroupLowering::sayStep(Value word) {
  waitEmpty(layout.message, messages);
  storeWord(b, messageAt(messages), word);
  barrierArrive(b, fullBarrier(layout.message, messages), b.boolean(true));
}

void WarpgroupLowering::emitSteps() {
  Value base = steps;
  forLoop(b, lower, upper, 1, {}, [&](Value step, ValueRange) {
    steps = b.add(base, b.sub(step, lower));
    emitStepCopies(step);
    return Values();
  });
  steps = b.add(base, b.sub(upper, lower));
}

/// What a region of the stream yields of a step. Values that are the same for
/// all steps are there once.
class WarpgroupLowering::StepQuestion {
public:
  StepQuestion(WarpgroupLowering &to, Region &region, ValueRange others)
      : to(to), block(region.front()), others(others) {
    getForwardSlice(block.getArgument(0), &moving);
    bindOthers();
    for (Operation &op : block.without_terminator())
      if (!moving.contains(&op)) {
        to.scalars->emit(&op);
        for (Value result : op.getResults())
          known.emplace_back(result, to.scalars->lookup(result));
      }
  }

  /// i1, null: true.
  Values ask(Value step) {
    bindOthers();
    for (auto &[value, scalar] : known)
      to.scalars->bind(value, scalar);
    CodeBuilder &b = to.b;
    to.scalars->bindCoordinate(block.getArgument(0),
                               b.convert(step, b.getI64Type()));
    for (Operation &op : block.without_terminator())
      if (moving.contains(&op))
        to.scalars->emit(&op);
    return llvm::map_to_vector(block.back().getOperands(), [&](Value operand) {
      Scalar s = to.scalars->lookup(operand);
      return b.both(s.present, s.value);
    });
  }

private:
  void bindOthers() {
    for (auto [argument, value] :
         llvm::zip(block.getArguments().drop_front(), others))
      to.scalars->bindCoordinate(argument,
                                 to.b.convert(value, to.b.getI64Type()));
  }

  WarpgroupLowering &to;
  Block &block;
  Values others;
  llvm::SetVector<Operation *> moving;
  SmallVector<std::pair<Value, Scalar>> known;
};

void WarpgroupLowering::classifySteps() {
  tile::StreamOp stream = roles.stream;
  Type i32 = b.getI32Type(), i64 = b.getI64Type();
  auto range = [&](Value step, Value low, Value high) {
    return b.bitAnd(b.compare(CmpIPredicate::sge, step, low),
                    b.compare(CmpIPredicate::slt, step, high));
  };
  std::vector<StepQuestion> questions;
  int64_t groups = roles.lanes / 64;
  if (!roles.halved)
    questions.emplace_back(*this, stream.getClassify(), ValueRange());
  for (int64_t group = 0; roles.halved && group < groups; ++group)
    for (int64_t half : {0, 1})
      questions.emplace_back(*this, stream.getParts(),
                             Values{b.i32(group), b.i32(half)});
  // The bits of a step's word; 0: it has no points.
  auto bitsOf = [&](Value step) {
    Value result = b.i32(0);
    auto add = [&](Value flag, int64_t bits) {
      flag = b.both(flag, b.boolean(true));
      result = b.bitOr(result, b.select(flag, b.i32(bits), b.i32(0)));
    };
    auto isNot = [&](Value flag) {
      return flag ? b.bitNot(flag) : b.boolean(false);
    };
    int64_t one = 0; // of all warpgroups
    for (int64_t group = 0; group < groups; ++group)
      one |= int64_t(1) << (group * groupBits);
    for (auto [i, question] : llvm::enumerate(questions)) {
      Values holds = question.ask(step);
      if (!roles.halved) {
        add(holds[0], one * halfBits);
        add(isNot(b.both(holds[1], range(step, fullLower, fullUpper))),
            one * (asksOrdered | asksOthers));
        continue;
      }
      int64_t first = i / 2 * groupBits;
      add(holds[0], int64_t(1) << (first + i % 2));
      add(b.both(holds[0], isNot(holds[1])), int64_t(asksOrdered) << first);
      add(b.both(holds[0], isNot(holds[2])), int64_t(asksOthers) << first);
    }
    Value none = b.compare(CmpIPredicate::eq,
                           b.bitAnd(result, b.i32(one * halfBits)), b.i32(0));
    return b.select(none, b.i32(0), result);
  };
  messages =
      forLoop(b, lower, upper, 64, messages, [&](Value base, ValueRange in) {
        // A thread has two of the steps, so that their reads overlap.
        Value some, bits;
        for (int64_t half : {0, 1}) {
          Value step = b.add(base, b.add(laneOfWarp, b.i32(32 * half)));
          Value known = b.min(step, b.sub(upper, b.i32(1)));
          Value own =
              b.select(range(step, lower, upper), bitsOf(known), b.i32(0));
          Value has = b.compare(CmpIPredicate::ne, own, b.i32(0));
          Value word =
              arith::ExtUIOp::create(b, i64,
                                     intrinsic(b, "llvm.nvvm.vote.ballot.sync",
                                               i32, {b.i32(-1), has}));
          auto join = [&](Value &all, Value part, Value shift) {
            all = half ? b.bitOr(all, arith::ShLIOp::create(b, part, shift))
                       : part;
          };
          join(some, word, b.i64(32));
          join(bits, own, b.i32(16));
        }
        Value count =
            b.convert(intrinsic(b, "llvm.ctpop.i64", i64, {some}), i32);
        Values last = forLoop(
            b, b.i32(0), count, 1, {in[0], some}, [&](Value, ValueRange state) {
              messages = state[0];
              Value rest = state[1];
              Value bit = b.convert(
                  intrinsic(b, "llvm.cttz.i64", i64, {rest, b.boolean(false)}),
                  i32);
              Value word = broadcast(b, bits, b.bitAnd(bit, b.i32(31)));
              Value shift =
                  arith::ShRUIOp::create(b, b.bitAnd(bit, b.i32(32)), b.i32(1));
              word = b.bitAnd(arith::ShRUIOp::create(b, word, shift),
                              b.i32((int64_t(1) << allGroupsBits()) - 1));
              Value step = b.add(base, bit);
              asLead([&] {
                sayStep(b.bitOr(
                    arith::ShLIOp::create(b, step, b.i32(allGroupsBits())),
                    word));
              });
              return Values{b.add(messages, b.i32(1)),
                            b.bitAnd(rest, b.sub(rest, b.i64(1)))};
            });
        return Values{last[0]};
      })[0];
  asLead([&] { sayStep(b.i32(-1)); });
  messages = b.add(messages, b.i32(1));
}

void WarpgroupLowering::forPoints(llvm::function_ref<void()> body) {
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
        SmallVector<Value> coordinates = order.coordinates(in[0]);
        bindPoint(coordinates);
        emitBounds();
        asLead([&] { sayPoint(coordinates); });
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
  asLead([&] {
    waitEmpty(layout.line, points);
    storeWord(b, lineOf(points), b.i32(-1));
    barrierArrive(b, fullBarrier(layout.line, points), b.boolean(true));
  });
}

void WarpgroupLowering::emitProducer() {
  forPoints([&] {
    copyPoint();
    emitSteps();
  });
}

void WarpgroupLowering::emitClassifier() {
  forPoints([&] { classifySteps(); });
}

/// Reads the words as the warpgroups do.
void WarpgroupLowering::emitCopier() {
  auto release = [&](const Ring &ring, Value count) {
    barrierArrive(b, emptyBarrier(ring, count), b.boolean(true));
  };
  unsigned axes = kernel.getBody().getNumArguments();
  whileLoop(
      b, {b.i32(0), b.i32(0), b.i32(0)},
      [&](ValueRange in, Values &) {
        waitFull(layout.line, in[0]);
        return b.compare(CmpIPredicate::sge, loadWord(b, lineOf(in[0])),
                         b.i32(0));
      },
      [&](ValueRange in, ValueRange) {
        points = in[0];
        Values coordinates;
        for (unsigned axis = 0; axis < axes; ++axis)
          coordinates.push_back(loadWord(
              b, b.add(lineOf(points), b.i32(4 * (firstCoordinate + axis)))));
        release(layout.line, points);
        bindPoint(coordinates);
        emitScalars();
        copyPoint();
        Values counts = whileLoop(
            b, {in[1], in[2]},
            [&](ValueRange in, Values &found) {
              waitFull(layout.message, in[1]);
              found.push_back(loadWord(b, messageAt(in[1])));
              release(layout.message, in[1]);
              return b.compare(CmpIPredicate::sge, found[0], b.i32(0));
            },
            [&](ValueRange in, ValueRange found) {
              steps = in[0];
              // What any of the warpgroups needs.
              Value halves;
              for (int64_t i = 0; roles.halved && i < roles.lanes / 64; ++i) {
                Value own =
                    arith::ShRUIOp::create(b, found[0], b.i32(i * groupBits));
                halves = halves ? b.bitOr(halves, own) : own;
              }
              if (halves)
                halves = b.bitAnd(halves, b.i32(halfBits));
              emitStepCopies(stepOf(found[0]), halves);
              return Values{b.add(steps, b.i32(1)), b.add(in[1], b.i32(1))};
            });
        // The test that fails has read a message, too.
        return Values{b.add(points, b.i32(1)), counts[0],
                      b.add(counts[1], b.i32(1))};
      });
}
