//===- Storage.cpp - reading and writing tensors ----------------*- C++ -*-===//
#include "passes/cpu/Storage.h"
#include "passes/cpu/Formats.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using arith::CmpIPredicate;

Value cpu::saturatingMul(CodeBuilder &b, Value x, Value y) {
  auto wide = arith::MulSIExtendedOp::create(b, x, y);
  Value limit = b.i64(int64_t{1} << 62);
  Value fits = b.both(b.compare(CmpIPredicate::eq, wide.getHigh(), b.i64(0)),
                      b.ult(wide.getLow(), limit));
  return b.select(fits, wide.getLow(), limit);
}

Value cpu::saturatingAdd(CodeBuilder &b, Value x, Value y) {
  return arith::MinUIOp::create(b, b.add(x, y), b.i64(int64_t{1} << 62));
}

namespace {
/// The box of a stored tensor: its ranks, extended by constant indices.
void emitBox(Frame &frame, NamedTensorType type, EquationsOp equations,
             SmallVectorImpl<Value> &low, SmallVectorImpl<Value> &high) {
  CodeBuilder &b = frame.prologue;
  for (auto [axis, rank] : llvm::enumerate(type.getRanks())) {
    Value from = b.i64(0), to = frame.extent(rank);
    if (equations)
      for (auto pattern : equations.getPatterns().getAsRange<ArrayAttr>())
        if (auto index = dyn_cast<ExtentAttr>(pattern[axis])) {
          Value point = frame.evaluate(index);
          from = b.min(from, point);
          to = b.max(to, b.add(point, b.i64(1)));
        }
    low.push_back(from);
    high.push_back(to);
  }
}

/// Sizes of the stored box: never 0, so that clamped reads have a place.
SmallVector<Value> emitSizes(CodeBuilder &b, ArrayRef<Value> low,
                             ArrayRef<Value> high) {
  SmallVector<Value> sizes;
  for (auto [from, to] : llvm::zip(low, high))
    sizes.push_back(b.max(b.sub(to, from), b.i64(1)));
  return sizes;
}

/// 64 bytes of zeros behind inputs without points.
Value emptyTensor(CodeBuilder &b) {
  constexpr StringLiteral name = "attn_empty_tensor";
  auto type = LLVM::LLVMArrayType::get(b.getI64Type(), 8);
  if (!b.module().lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(b.module().getBody());
    LLVM::GlobalOp::create(
        b, type, /*isConstant=*/true, LLVM::Linkage::Internal, name,
        b.getZeroAttr(RankedTensorType::get({8}, b.getI64Type())));
  }
  return LLVM::AddressOfOp::create(b, b.ptrType(), name);
}
} // namespace

Storage StorageMap::port(unsigned number, Type type, bool isOutput) {
  CodeBuilder &b = frame.prologue;
  auto tensor = cast<NamedTensorType>(type);
  Storage s;
  s.element = tensor.getElementType();
  s.isOutput = isOutput;
  s.base = frame.data(number);
  emitBox(frame, tensor, {}, s.low, s.high);
  s.extents = s.high;
  s.anchor = s.low;
  Value empty;
  for (auto [axis, rank] : llvm::enumerate(tensor.getRanks())) {
    s.strides.push_back(frame.stride(number, axis));
    auto known = frame.cascade.staticExtent(rank);
    if (!isOutput && !(known && *known > 0)) {
      Value none = b.compare(CmpIPredicate::eq, s.extents[axis], b.i64(0));
      empty = empty ? b.bitOr(empty, none) : none;
    }
  }
  if (empty) {
    s.base = b.select(empty, emptyTensor(b), s.base);
    for (Value &stride : s.strides)
      stride = b.select(empty, b.i64(0), stride);
  }
  return s;
}

Storage StorageMap::workspace(Value tensor, const Placement &placement) {
  CodeBuilder &b = frame.prologue;
  auto type = cast<NamedTensorType>(tensor.getType());
  Storage s;
  s.element = placement.element;
  s.exact = plan.facts.isExact(tensor);
  SmallVector<Value> sizes;
  box(frame, tensor, placement, s.low, s.high, sizes);
  s.anchor = s.low;
  for (StringAttr rank : type.getRanks())
    s.extents.push_back(frame.extent(rank));
  s.strides.resize(sizes.size());
  Value stride = b.i64(1), first = b.i64(0);
  for (size_t axis = sizes.size(); axis-- > 0;) {
    s.strides[axis] = stride;
    first = b.sub(first, b.mul(s.low[axis], stride));
    if (axis)
      stride = b.mul(stride, sizes[axis]);
  }
  s.base = frame.slot(placement.slot);
  if (placement.presenceSlot >= 0)
    s.presence = frame.slot(placement.presenceSlot);
  if (placement.equations) {
    s.base = b.gep(rawType(b.target, s.element), s.base, first);
    if (s.presence)
      s.presence = b.gep(b.getI8Type(), s.presence, first);
  }
  return s;
}

void StorageMap::box(Frame &frame, Value tensor, const Placement &placement,
                     SmallVectorImpl<Value> &low, SmallVectorImpl<Value> &high,
                     SmallVectorImpl<Value> &sizes) {
  emitBox(frame, cast<NamedTensorType>(tensor.getType()), placement.equations,
          low, high);
  sizes = emitSizes(frame.prologue, low, high);
}

void StorageMap::bind(Value tensor, Storage storage) {
  storages[plan.storedTensor(tensor).getAsOpaquePointer()] = std::move(storage);
}

const Storage &StorageMap::of(Value tensor) {
  Value stored = plan.storedTensor(tensor);
  if (auto it = storages.find(stored.getAsOpaquePointer());
      it != storages.end())
    return it->second;
  const Placement &p = plan.placement(stored);
  assert(p.kind != Placement::Rows && "not bound yet");
  Storage s;
  if (p.kind == Placement::Input)
    s = port(p.port, stored.getType(), false);
  else if (p.kind == Placement::Output)
    s = output(p.port);
  else
    s = workspace(stored, p);
  return storages.try_emplace(stored.getAsOpaquePointer(), std::move(s))
      .first->second;
}

const Storage &StorageMap::output(unsigned number) {
  auto it = outputs.find(number);
  if (it == outputs.end()) {
    CascadeOp cascade = frame.cascade;
    Type type = cascade.getReturn().getOperand(number).getType();
    it = outputs
             .emplace(number,
                      port(cascade.getInputs().size() + number, type, true))
             .first;
  }
  return it->second;
}

Value StorageMap::bytes(Frame &frame, const Plan &plan, const Slot &slot) {
  CodeBuilder &b = frame.prologue;
  if (slot.bytes)
    return slot.bytes(b, frame);
  SmallVector<Value> low, high;
  emitBox(frame, cast<NamedTensorType>(slot.tensor.getType()),
          plan.placement(slot.tensor).equations, low, high);
  Value bytes = b.i64(slot.elementBytes);
  for (Value size : emitSizes(b, low, high))
    bytes = saturatingMul(b, bytes, size);
  return bytes;
}

Value StorageMap::offset(CodeBuilder &b, const Storage &s,
                         ArrayRef<Value> indices) {
  Value offset;
  for (auto [index, stride] : llvm::zip(indices, s.strides)) {
    // No address wraps: the tensor is in memory.
    auto flags = arith::IntegerOverflowFlagsAttr::get(
        b.getContext(), arith::IntegerOverflowFlags::nsw);
    Value term = arith::MulIOp::create(b, index, stride, flags);
    offset =
        offset ? Value(arith::AddIOp::create(b, offset, term, flags)) : term;
  }
  return offset ? offset : b.i64(0);
}

namespace {
/// Address of the byte that holds nibble `offset`, and the bits to shift.
std::pair<Value, Value> nibble(CodeBuilder &b, const Storage &s, Value offset) {
  Value byte = arith::ShRSIOp::create(b, offset, b.i64(1));
  Value bits =
      b.convert(arith::ShLIOp::create(b, b.bitAnd(offset, b.i64(1)), b.i64(2)),
                b.getI8Type());
  return {b.gep(b.getI8Type(), s.base, byte), bits};
}
} // namespace

Scalar StorageMap::load(CodeBuilder &b, const Storage &s,
                        ArrayRef<Value> indices, Type real) {
  Value at = offset(b, s, indices);
  Scalar result;
  result.exact = s.exact;
  Type type = scalarTypeOf(s.element);
  if (isa<FloatType>(type) && !s.exact)
    type = real;
  Type rawElement = rawType(b.target, s.element);
  Value raw;
  if (storedBits(s.element) == 4) {
    auto [pointer, bits] = nibble(b, s, at);
    Value byte =
        arith::ShRUIOp::create(b, b.load(b.getI8Type(), pointer), bits);
    raw = b.convert(b.convert(byte, b.getIntegerType(4)), b.getI8Type());
  } else {
    raw = b.load(rawElement, b.gep(rawElement, s.base, at));
  }
  result.value = decode(b, s.element, raw, type);
  if (s.presence)
    result.present =
        b.compare(CmpIPredicate::ne,
                  b.load(b.getI8Type(), b.gep(b.getI8Type(), s.presence, at)),
                  b.integer(b.getI8Type(), 0));
  return result;
}

Scalar StorageMap::read(CodeBuilder &b, ReadOp op, ArrayRef<Scalar> indices,
                        Type real) {
  const Storage &s = of(op.getTensor());
  bool data = op.getBounds() == Bounds::data;
  SmallVector<Value> at;
  Value present;
  for (auto [axis, index] : llvm::enumerate(indices)) {
    Value i = index.wide ? index.wide : b.convert(index.value, b.getI64Type());
    present = b.both(present, index.present);
    if (!plan.facts.isInside(op, axis)) {
      // The declared extent for data, the whole box otherwise; what is outside
      // reads a point that is in memory.
      Value low = data ? b.i64(0) : s.low[axis];
      Value high = data ? s.extents[axis] : s.high[axis];
      Value inside = b.both(b.compare(CmpIPredicate::sge, i, low),
                            b.compare(CmpIPredicate::slt, i, high));
      i = b.select(inside, i, s.anchor[axis]);
      if (op.getBounds() != Bounds::inside)
        present = b.both(present, inside);
    }
    at.push_back(i);
  }
  Scalar result = load(b, s, at, real);
  result.present = b.both(present, result.present);
  return result;
}

void StorageMap::store(CodeBuilder &b, const Storage &s,
                       ArrayRef<Value> indices, const Scalar &value) {
  Value at = offset(b, s, indices);
  Value raw = encode(b, s.element, value.value);
  if (s.isOutput && value.present)
    raw = b.select(value.present, raw, absentFill(b, s.element));
  if (storedBits(s.element) == 4) {
    auto [pointer, bits] = nibble(b, s, at);
    Type i8 = b.getI8Type();
    Value mask = arith::ShLIOp::create(b, b.integer(i8, 15), bits);
    Value code =
        arith::ShLIOp::create(b, b.bitAnd(raw, b.integer(i8, 15)), bits);
    Value kept = b.bitAnd(b.load(i8, pointer), b.bitNot(mask));
    return b.store(b.bitOr(kept, code), pointer);
  }
  b.store(raw, b.gep(raw.getType(), s.base, at));
  if (s.presence) {
    Value byte =
        value.present
            ? Value(arith::ExtUIOp::create(b, b.getI8Type(), value.present))
            : b.integer(b.getI8Type(), 1);
    b.store(byte, b.gep(b.getI8Type(), s.presence, at));
  }
}
