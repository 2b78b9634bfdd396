//===- Presence.cpp - the presence formula, the spec of hoisting -*- C++
//-*-===//
// LANGUAGE section 3 says where a reduction is present: where the presence
// formula P of its map holds, every atom of it that involves a reduced rank
// taken as true. This file compiles that formula; Query.cpp evaluates it.
//
// A formula is asked at a point of which some coordinates are *unknown*: the
// reduced ranks, and whatever depends on them. Which arguments of a region a
// value depends on is known when it is compiled, which of them are unknown only
// when it is asked, so one program serves all cases: JumpIfUnknown skips the
// evaluation of an atom that involves an unknown argument and takes it as true.
//
//   P(argument, constant, extent)  true
//   P(f(x, y))       P(x) and P(y); a divisor of // or % is not 0 (an atom)
//   P(a and b)       F(a) or F(b) or (P(a) and P(b)); `or` with T
//   P(x where p)     T(p) and P(x)
//   P(x else y)      P(x) or P(y)
//   P(T[i, ..])      per index: its value is present where it is known, else
//                    P(i); every known index is inside; and T's own formula at
//                    these coordinates, those of unknown indices unknown:
//     an input         true
//     a map            P of its region, and T of its guard
//     a reduction      T of its guard, or (no guard) P of its region with its
//                      reduced ranks unknown as well: this is H
//     argmax, argmin,  an atom: some point is present. For `order` the atom is
//     first, last,     that this entry of the list is there, so it involves the
//     order            list's rank
//     equations        some equation matches the known coordinates, and P of
//                      its right side
//     in its own cycle true (the greatest solution)
//
//   T(a and b)       T(a) and T(b); T(a or b) = T(a) or T(b); T(not a) = F(a),
//                    where F is "present and false", with F(a and b) =
//                    F(a) or F(b) and so on
//   T(B[i, ..])      a bool tensor that is a map is unfolded if an index is
//                    unknown; known everywhere, its value is as good
//   T(anything else) an atom: evaluated, present and true; true if it involves
//                    an unknown argument
//===----------------------------------------------------------------------===//
#include "dialect/interpreter/Emitter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace attn;
using namespace attn::interpreter;

/// dst = all parts hold; the first that does not ends it.
void Emitter::emitAll(ArrayRef<Part> parts, uint32_t dst) {
  SmallVector<size_t> no;
  {
    Scope scope(*this);
    for (const Part &part : parts)
      no.push_back(jump(Opcode::JumpIfNotTrue, part()));
  }
  append({Opcode::Set, 0, dst, 0, 0, 0, 1});
  size_t end = jump(Opcode::Jump);
  land(no);
  append({Opcode::Set, 0, dst, 0, 0, 0, 0});
  land(end);
}

/// dst = some part holds; the first that does ends it.
void Emitter::emitAny(ArrayRef<Part> parts, uint32_t dst) {
  SmallVector<size_t> yes;
  {
    Scope scope(*this);
    for (const Part &part : parts)
      yes.push_back(jump(Opcode::JumpIfTrue, part()));
  }
  append({Opcode::Set, 0, dst, 0, 0, 0, 0});
  size_t end = jump(Opcode::Jump);
  land(yes);
  append({Opcode::Set, 0, dst, 0, 0, 0, 1});
  land(end);
}

/// dst = `test` of the value, true if it involves an unknown argument.
void Emitter::emitAtom(Value value, Instruction test, uint32_t dst) {
  size_t unknown = jump(Opcode::JumpIfUnknown, 0, depends(value));
  {
    Scope scope(*this);
    test.dst = dst;
    test.a = demand(value);
    append(test);
  }
  size_t end = jump(Opcode::Jump);
  land(unknown);
  append({Opcode::Set, 0, dst, 0, 0, 0, 1});
  land(end);
}

/// dst = the tensor's own formula, or truth, at the indices of a read.
void Emitter::emitQuery(ReadOp op, Mode mode, uint32_t dst) {
  SmallVector<size_t> no;
  {
    Scope scope(*this);
    for (Value index : op.getIndices()) {
      size_t unknown = jump(Opcode::JumpIfUnknown, 0, depends(index));
      {
        Scope known(*this);
        no.push_back(jump(Opcode::JumpIfAbsent, demand(index)));
      }
      size_t next = jump(Opcode::Jump);
      land(unknown);
      {
        Scope present(*this);
        no.push_back(jump(Opcode::JumpIfNotTrue, demand(index, Mode::Present)));
      }
      land(next);
    }
    append({Opcode::Query, uint8_t(mode), dst, makeSite(op)});
  }
  size_t end = jump(Opcode::Jump);
  land(no);
  append({Opcode::Set, 0, dst, 0, 0, 0, 0});
  land(end);
}

void Emitter::emitPresence(Value value, uint32_t dst) {
  if (!value.getDefiningOp()) // an argument
    return append({Opcode::Set, 0, dst, 0, 0, 0, 1});
  llvm::TypeSwitch<Operation *>(value.getDefiningOp())
      .Case<arith::ConstantOp, ExtentOp>(
          [&](Operation *) { append({Opcode::Set, 0, dst, 0, 0, 0, 1}); })
      .Case([&](WhereOp op) {
        emitAll({part(op.getCondition(), Mode::True),
                 part(op.getValue(), Mode::Present)},
                dst);
      })
      .Case([&](ElseOp op) {
        emitAny({part(op.getValue(), Mode::Present),
                 part(op.getOtherwise(), Mode::Present)},
                dst);
      })
      .Case([&](ReadOp op) { emitQuery(op, Mode::Present, dst); })
      .Case(
          [&](CastOp op) { move(dst, demand(op.getOperand(), Mode::Present)); })
      .Case([&](MapOp op) {
        SmallVector<Part> operands;
        for (Value operand : op.getOperands())
          operands.push_back(part(operand, Mode::Present));
        Fn fn = op.getFn();
        if (fn == Fn::and_ || fn == Fn::or_) {
          Mode decides = fn == Fn::and_ ? Mode::False : Mode::True;
          uint32_t both = newRegister();
          emitAny({part(op.getOperand(0), decides),
                   part(op.getOperand(1), decides),
                   [&] {
                     emitAll(operands, both);
                     return both;
                   }},
                  dst);
          return;
        }
        if (fn == Fn::floordiv || fn == Fn::mod) {
          uint32_t nonZero = newRegister();
          operands.push_back([=, this] {
            emitAtom(op->getOperand(1), {Opcode::NonZero}, nonZero);
            return nonZero;
          });
        }
        emitAll(operands, dst);
      })
      .Default([&](Operation *op) { fail(op); });
}

void Emitter::emitTruth(Value value, bool wanted, uint32_t dst) {
  Mode same = wanted ? Mode::True : Mode::False;
  Mode other = wanted ? Mode::False : Mode::True;
  if (auto map = value.getDefiningOp<MapOp>()) {
    Fn fn = map.getFn();
    if (fn == Fn::not_)
      return move(dst, demand(map.getOperand(0), other));
    if (fn == Fn::and_ || fn == Fn::or_) {
      Part parts[] = {part(map.getOperand(0), same),
                      part(map.getOperand(1), same)};
      return (fn == Fn::and_) == wanted ? emitAll(parts, dst)
                                        : emitAny(parts, dst);
    }
  }
  if (auto read = value.getDefiningOp<ReadOp>())
    return emitQuery(read, same, dst);
  emitAtom(value, {Opcode::Truth, 0, 0, 0, 0, 0, wanted}, dst);
}
