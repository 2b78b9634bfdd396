//===- Classifier.cpp - which steps of a stream have points -----*- C++ -*-===//
// Where data decide that, a warp classifies 64 steps at a time, and sends a
// word for each that has points to the warpgroups and to the thread that
// copies. It runs ahead of both, or each point's first boxes would come as late
// as its classification takes.
//===----------------------------------------------------------------------===//
#include "mlir/Analysis/SliceAnalysis.h"
#include "passes/gpu/hopper/Warpgroups.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;
using arith::CmpIPredicate;

void WarpgroupLowering::sayStep(Value word) {
  waitEmpty(layout.message, messages);
  storeWord(b, messageAt(messages), word);
  barrierArrive(b, fullBarrier(layout.message, messages), b.boolean(true));
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

void WarpgroupLowering::emitClassifier() {
  forPoints([&] { classifySteps(); });
}
