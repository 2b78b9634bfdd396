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

/// What entries of a layout's table are places of.
enum class Places {
  first,   ///< the first axis of what is stored
  entries, ///< the axis that stands for the two last ones of the program's
  columns  ///< the program's last axis, in tiles if tiles are stored
};

/// What entries of table `number` of a layout may be.
struct IndexRange {
  llvm::StringLiteral layout;
  unsigned number;
  Places places;
  int64_t least; ///< -1: also no place at all
  bool isEnd;    ///< the extent itself is an entry too
};
constexpr IndexRange ranges[] = {
    {"paged", 0, Places::first, -1, false},
    {"packed", 0, Places::first, 0, true},
    {"csr", 0, Places::entries, 0, true},
    {"csr", 1, Places::columns, -1, false},
    {"block_sparse", 0, Places::entries, 0, true},
    {"block_sparse", 1, Places::columns, -1, false},
};

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

/// How many places there are: the extent of a rank, in tiles of another one.
using PlaceCount = std::pair<StringAttr, StringAttr>;

static PlaceCount placesOf(CascadeOp cascade, unsigned port, Places places) {
  auto stored =
      cast<NamedTensorType>(cascade.getBody().getArgument(port).getType())
          .getRanks();
  auto logical = cast<PortAttr>(cascade.getInputs()[port])
                     .getLayout()
                     .getLogical()
                     .getRanks();
  if (places == Places::first)
    return {stored.front(), {}};
  size_t axis = logical.size() - 2;
  if (places == Places::entries)
    return {stored[axis], {}};
  bool isTiled = stored.size() > axis + 1;
  return {logical.back(), isTiled ? stored.back() : StringAttr()};
}

Value cpu::emitIndexChecks(CodeBuilder &b, Frame &frame) {
  CascadeOp cascade = frame.cascade;
  auto inputs = llvm::to_vector(cascade.getInputs().getAsRange<PortAttr>());
  Value status;
  llvm::DenseSet<std::pair<unsigned, PlaceCount>> done;
  for (auto [i, port] : llvm::enumerate(inputs)) {
    LayoutAttr layout = port.getLayout();
    for (const IndexRange &range : ranges) {
      if (!layout || layout.getKind() != range.layout)
        continue;
      StringAttr name = layout.getTables()[range.number];
      unsigned table =
          llvm::find_if(
              inputs, [&](PortAttr other) { return other.getName() == name; }) -
          inputs.begin();
      auto [rank, tile] = placesOf(cascade, i, range.places);
      if (!done.insert({table, {rank, tile}}).second)
        continue;
      Value most = frame.extent(rank);
      if (tile)
        most = arith::CeilDivSIOp::create(b, most, frame.extent(tile));
      if (!range.isEnd)
        most = b.sub(most, b.i64(1));
      Value beyond = Checker(b, frame, table).anyBeyond(range.least, most);
      Value bad = b.i32(ATTN_RUN_BAD_INDEX + table);
      status = b.select(beyond, bad, status ? status : b.i32(0));
    }
  }
  return status;
}
