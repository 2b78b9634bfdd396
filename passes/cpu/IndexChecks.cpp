//===- IndexChecks.cpp - indices that layouts are stored by -----*- C++ -*-===//
// One walk over each page table and each array of row offsets a call: a tensor
// far smaller than what it is the index of.
//===----------------------------------------------------------------------===//
#include "passes/cpu/IndexChecks.h"
#include "attn/abi.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

namespace {

/// What entries of a layout's tables are: places on the first stored axis.
struct IndexRange {
  llvm::StringLiteral layout;
  int64_t least; ///< -1: also no place at all
  bool isEnd;    ///< the extent itself is an entry too
};
constexpr IndexRange ranges[] = {{"paged", -1, false}, {"packed", 0, true}};

class Checker {
public:
  Checker(CodeBuilder &b, Frame &frame, unsigned table)
      : b(b), frame(frame), table(table),
        type(cast<NamedTensorType>(
            frame.cascade.getBody().getArgument(table).getType())) {}

  /// An entry is below `least` or above `most`.
  Value anyBeyond(int64_t least, Value most) {
    this->least = b.i64(least);
    this->most = most;
    return walk(0, b.i64(0), b.constant(b.getBoolAttr(false)));
  }

private:
  Value walk(unsigned axis, Value offset, Value found) {
    if (axis == type.getRanks().size()) {
      Value entry =
          b.load(type.getElementType(),
                 b.gep(type.getElementType(), frame.data(table), offset));
      entry = b.convert(entry, b.getI64Type());
      Value beyond = b.bitOr(b.compare(CmpIPredicate::slt, entry, least),
                             b.compare(CmpIPredicate::sgt, entry, most));
      return b.bitOr(found, beyond);
    }
    Value extent = frame.extent(type.getRanks()[axis]);
    Value stride = frame.stride(table, axis);
    return b.loop(b.i64(0), extent, found,
                  [&](Value i, ValueRange carried) -> SmallVector<Value> {
                    Value inner = b.add(offset, b.mul(i, stride));
                    return {walk(axis + 1, inner, carried[0])};
                  })[0];
  }

  CodeBuilder &b;
  Frame &frame;
  unsigned table;
  NamedTensorType type;
  Value least, most;
};

} // namespace

Value cpu::emitIndexChecks(CodeBuilder &b, Frame &frame) {
  CascadeOp cascade = frame.cascade;
  auto inputs = llvm::to_vector(cascade.getInputs().getAsRange<PortAttr>());
  Value status;
  llvm::DenseSet<std::pair<unsigned, StringAttr>> done;
  for (auto [i, port] : llvm::enumerate(inputs)) {
    LayoutAttr layout = port.getLayout();
    const IndexRange *range =
        layout ? llvm::find_if(ranges,
                               [&](const IndexRange &r) {
                                 return r.layout == layout.getKind();
                               })
               : std::end(ranges);
    if (range == std::end(ranges))
      continue;
    StringAttr stored =
        cast<NamedTensorType>(cascade.getBody().getArgument(i).getType())
            .getRanks()
            .front();
    for (auto [table, other] : llvm::enumerate(inputs)) {
      if (!llvm::is_contained(layout.getTables(), other.getName()) ||
          !done.insert({table, stored}).second)
        continue;
      Value most = frame.extent(stored);
      if (!range->isEnd)
        most = b.sub(most, b.i64(1));
      Value beyond = Checker(b, frame, table).anyBeyond(range->least, most);
      Value bad = b.i32(ATTN_RUN_BAD_INDEX + table);
      status = b.select(beyond, bad, status ? status : b.i32(0));
    }
  }
  return status;
}
