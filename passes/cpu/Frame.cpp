//===- Frame.cpp - what a function loads from its invocation ----*- C++ -*-===//
#include "passes/cpu/Frame.h"
#include "attn/abi.h"
#include <cstddef>

using namespace mlir;
using namespace attn;
using namespace attn::cpu;

// Fields are read as 8-byte words.
enum InvocationField : unsigned {
  dataField = offsetof(attn_invocation, data) / 8,
  stridesField = offsetof(attn_invocation, strides) / 8,
  extentsField = offsetof(attn_invocation, extents) / 8,
  workspaceField = offsetof(attn_invocation, workspace) / 8,
  scratchField = offsetof(attn_invocation, scratch) / 8,
  workersField = offsetof(attn_invocation, workers) / 8,
  parallelForField = offsetof(attn_invocation, parallel_for) / 8
};
static_assert(sizeof(void *) == 8 && alignof(attn_invocation) == 8);

Frame::Frame(CodeBuilder &b, CascadeOp cascade)
    : cascade(cascade), prologue(b.getLoc(), b.getContext(), b.target) {
  // Everything else is emitted behind this mark.
  Operation *mark = b.i64(0).getDefiningOp();
  prologue.setInsertionPoint(mark);
}

Frame Frame::ofInvocation(CodeBuilder &b, CascadeOp cascade, Value invocation) {
  Frame frame(b, cascade);
  frame.invocationArg = invocation;
  return frame;
}

Frame Frame::ofExtents(CodeBuilder &b, CascadeOp cascade, Value extents) {
  Frame frame(b, cascade);
  frame.extentsArg = extents;
  return frame;
}

//===----------------------------------------------------------------------===//
// Parameters of kernels, in the order of abi.h
//===----------------------------------------------------------------------===//

namespace {
struct ParameterLayout {
  unsigned ports = 0, axes = 0, extents = 0;
  SmallVector<unsigned> firstAxis;

  explicit ParameterLayout(CascadeOp cascade) {
    auto add = [&](ValueRange tensors) {
      for (Value tensor : tensors) {
        firstAxis.push_back(axes);
        axes += cast<NamedTensorType>(tensor.getType()).getRanks().size();
        ++ports;
      }
    };
    add(cascade.getBody().getArguments());
    add(cascade.getReturn().getOperands());
    // A product has an extent beside those of its ranks.
    extents = cascade.getRanks().size() +
              llvm::count_if(cascade.getRelations(),
                             [](Attribute a) { return isa<ProductAttr>(a); });
  }
  unsigned address(unsigned port) const {
    return ATTN_CUDA_HEADER_WORDS + port;
  }
  unsigned value(unsigned port) const { return address(ports + port); }
  unsigned stride(unsigned port, unsigned axis) const {
    return address(2 * ports + firstAxis[port] + axis);
  }
  unsigned extent(unsigned number) const {
    return address(2 * ports + axes + number);
  }
  unsigned end() const { return extent(extents); }
};
} // namespace

Frame Frame::ofParameters(CodeBuilder &b, CascadeOp cascade, Value parameters) {
  Frame frame(b, cascade);
  frame.parametersArg = parameters;
  return frame;
}

unsigned Frame::parameterWords(CascadeOp cascade) {
  return ParameterLayout(cascade).end();
}

Value Frame::parameter(CodeBuilder &b, unsigned word) {
  return b.load(b.getI64Type(), b.gep(b.getI64Type(), parametersArg, word));
}

Value Frame::globalPointer(CodeBuilder &b, unsigned word) {
  constexpr unsigned globalSpace = 1;
  Type global = LLVM::LLVMPointerType::get(b.getContext(), globalSpace);
  Value pointer = LLVM::IntToPtrOp::create(b, global, parameter(b, word));
  return LLVM::AddrSpaceCastOp::create(b, b.ptrType(), pointer);
}

Value Frame::once(const std::string &key,
                  llvm::function_ref<Value(CodeBuilder &)> emit) {
  if (auto it = values.find(key); it != values.end())
    return it->second;
  Value value = emit(prologue);
  values[key] = value;
  return value;
}

Value Frame::field(unsigned index, StringRef name) {
  return once("field " + name.str(), [&](CodeBuilder &b) {
    Type type = index == workersField ? Type(b.getI64Type()) : b.ptrType();
    return b.load(type, b.gep(b.getI64Type(), invocationArg, index));
  });
}

Value Frame::extent(StringAttr rank) {
  return once("extent " + rank.str(), [&](CodeBuilder &b) -> Value {
    if (auto known = cascade.staticExtent(rank))
      return b.i64(*known);
    unsigned number = 0;
    for (auto other : cascade.getRanks().getAsRange<RankAttr>()) {
      if (other.getName() == rank)
        break;
      ++number;
    }
    if (parametersArg)
      return parameter(b, ParameterLayout(cascade).extent(number));
    Value extents = extentsArg ? extentsArg : field(extentsField, "extents");
    return b.load(b.getI64Type(), b.gep(b.getI64Type(), extents, number));
  });
}

/// Flooring division by a positive constant or extent; by 0 it gives 0, as the
/// runtime's programs do.
static Value divide(CodeBuilder &b, AffineExprKind kind, Value x, Value y) {
  Value zero = b.compare(arith::CmpIPredicate::eq, y, b.i64(0));
  Value safe = b.select(zero, b.i64(1), y);
  Value result;
  if (kind == AffineExprKind::CeilDiv)
    result = arith::CeilDivSIOp::create(b, x, safe);
  else if (kind == AffineExprKind::FloorDiv)
    result = arith::FloorDivSIOp::create(b, x, safe);
  else
    result = b.sub(x, b.mul(arith::FloorDivSIOp::create(b, x, safe), safe));
  return b.select(zero, b.i64(0), result);
}

static Value emitAffine(CodeBuilder &b, AffineExpr expr,
                        llvm::ArrayRef<Value> symbols) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return b.i64(constant.getValue());
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return symbols[symbol.getPosition()];
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value x = emitAffine(b, binary.getLHS(), symbols);
  Value y = emitAffine(b, binary.getRHS(), symbols);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return b.add(x, y);
  case AffineExprKind::Mul:
    return b.mul(x, y);
  default:
    return divide(b, expr.getKind(), x, y);
  }
}

Value Frame::evaluate(ExtentAttr expression) {
  std::string key = "expression ";
  llvm::raw_string_ostream(key) << expression;
  return once(key, [&](CodeBuilder &b) {
    SmallVector<Value> symbols;
    for (StringAttr rank : expression.getRanks())
      symbols.push_back(extent(rank));
    Value value;
    for (AffineExpr result : expression.getMap().getResults()) {
      Value next = emitAffine(b, result, symbols);
      value = value ? b.min(value, next) : next;
    }
    return value;
  });
}

Value Frame::data(unsigned port) {
  return once("data " + std::to_string(port), [&](CodeBuilder &b) -> Value {
    if (parametersArg) {
      ParameterLayout layout(cascade);
      Value address = globalPointer(b, layout.address(port));
      unsigned next = layout.stride(port, 0);
      bool scalar = port + 1 < layout.ports ? next == layout.stride(port + 1, 0)
                                            : next == layout.extent(0);
      if (!scalar)
        return address;
      Value none = b.compare(arith::CmpIPredicate::eq,
                             parameter(b, layout.address(port)), b.i64(0));
      return b.select(none,
                      b.gep(b.getI64Type(), parametersArg, layout.value(port)),
                      address);
    }
    return b.load(b.ptrType(),
                  b.gep(b.ptrType(), field(dataField, "data"), port));
  });
}

Value Frame::stride(unsigned port, unsigned axis) {
  return once(
      "stride " + std::to_string(port) + "." + std::to_string(axis),
      [&](CodeBuilder &b) -> Value {
        if (parametersArg)
          return parameter(b, ParameterLayout(cascade).stride(port, axis));
        Value table =
            b.load(b.ptrType(),
                   b.gep(b.ptrType(), field(stridesField, "strides"), port));
        return b.load(b.getI64Type(), b.gep(b.getI64Type(), table, axis));
      });
}

Value Frame::workspace() {
  if (parametersArg)
    return once("workspace",
                [&](CodeBuilder &b) { return globalPointer(b, 0); });
  return field(workspaceField, "workspace");
}

Value Frame::workers() {
  if (parametersArg)
    return once("workers", [&](CodeBuilder &b) { return parameter(b, 3); });
  return field(workersField, "workers");
}

Value Frame::parallelFor() { return field(parallelForField, "parallel_for"); }

void Frame::storeOffsets(ArrayRef<Value> offsets) {
  for (auto [i, offset] : llvm::enumerate(offsets))
    prologue.store(offset, prologue.gep(prologue.getI64Type(), workspace(), i));
}

Value Frame::slot(unsigned slot) {
  return once("slot " + std::to_string(slot), [&](CodeBuilder &b) -> Value {
    if (parametersArg)
      return b.gep(b.getI8Type(), workspace(),
                   parameter(b, ParameterLayout(cascade).end() + slot));
    Value offset =
        b.load(b.getI64Type(), b.gep(b.getI64Type(), workspace(), slot));
    return b.gep(b.getI8Type(), workspace(), offset);
  });
}

Value Frame::tickets() {
  return once("tickets", [&](CodeBuilder &b) {
    constexpr unsigned ticketsWord = 4;
    return globalPointer(b, ticketsWord);
  });
}

Value Frame::scratch(CodeBuilder &b, Value worker) {
  if (parametersArg) {
    Value base =
        once("scratch", [&](CodeBuilder &b) { return globalPointer(b, 1); });
    Value each = once("each", [&](CodeBuilder &b) { return parameter(b, 2); });
    return b.gep(b.getI8Type(), base, b.mul(worker, each));
  }
  return b.load(b.ptrType(),
                b.gep(b.ptrType(), field(scratchField, "scratch"), worker));
}
