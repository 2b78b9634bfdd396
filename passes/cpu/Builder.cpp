//===- Builder.cpp - short words for the code that is emitted ---*- C++ -*-===//
#include "passes/cpu/Builder.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn::cpu;
using arith::CmpFPredicate;
using arith::CmpIPredicate;
using arith::FastMathFlags;

Type CodeBuilder::like(Type shape, Type element) {
  auto vector = dyn_cast<VectorType>(shape);
  return vector ? Type(vector.clone(element)) : element;
}

/// A constant of `type`, the same in all lanes of a vector.
static Value constantLike(CodeBuilder &b, Type type, Attribute value) {
  if (auto vector = dyn_cast<VectorType>(type))
    value = DenseElementsAttr::get(vector, value);
  return arith::ConstantOp::create(b, cast<TypedAttr>(value));
}

Value CodeBuilder::integer(Type type, int64_t value) {
  Type element = getElementTypeOrSelf(type);
  return constantLike(
      *this, type,
      getIntegerAttr(element, APInt(element.getIntOrFloatBitWidth(), value,
                                    /*isSigned=*/true,
                                    /*implicitTrunc=*/true)));
}

Value CodeBuilder::real(Type type, double value) {
  return constantLike(*this, type,
                      getFloatAttr(getElementTypeOrSelf(type), value));
}

Value attn::cpu::intrinsic(CodeBuilder &b, StringRef name, Type result,
                           ValueRange operands) {
  StringAttr callee = b.getStringAttr(name);
  if (result)
    return LLVM::CallIntrinsicOp::create(b, result, callee, operands)
        .getResult(0);
  LLVM::CallIntrinsicOp::create(b, callee, operands);
  return {};
}

std::optional<double> attn::cpu::constantReal(Value value) {
  if (auto splat = value.getDefiningOp<vector::BroadcastOp>())
    value = splat.getSource();
  if (auto rounded = value.getDefiningOp<arith::TruncFOp>())
    value = rounded.getIn();
  Attribute constant;
  if (!matchPattern(value, m_Constant(&constant)))
    return std::nullopt;
  if (auto splat = dyn_cast<SplatElementsAttr>(constant))
    constant = splat.getSplatValue<Attribute>();
  auto real = dyn_cast<FloatAttr>(constant);
  return real ? std::optional(real.getValueAsDouble()) : std::nullopt;
}

Value CodeBuilder::splat(Value value, Type shape) {
  if (!isa<VectorType>(shape) || isa<VectorType>(value.getType()))
    return value;
  return vector::BroadcastOp::create(*this, like(shape, value.getType()),
                                     value);
}

void CodeBuilder::match(MutableArrayRef<Value> values) {
  for (Value shape : values)
    if (isa<VectorType>(shape.getType())) {
      for (Value &value : values)
        value = splat(value, shape.getType());
      return;
    }
}

Value CodeBuilder::constant(TypedAttr value) {
  return arith::ConstantOp::create(*this, value);
}

namespace {
/// The float form with `flags` or the integer form, by the type of `a`.
template <typename FloatOp, typename IntOp>
Value arithmetic(CodeBuilder &b, Value x, Value y, FastMathFlags flags) {
  Value operands[] = {x, y};
  b.match(operands);
  std::tie(x, y) = std::tie(operands[0], operands[1]);
  if (isa<FloatType>(getElementTypeOrSelf(x)))
    return FloatOp::create(
        b, x, y, arith::FastMathFlagsAttr::get(b.getContext(), flags));
  return b.createOrFold<IntOp>(x, y);
}
constexpr FastMathFlags freeOrder =
    FastMathFlags::contract | FastMathFlags::reassoc | FastMathFlags::nsz;
} // namespace

Value CodeBuilder::add(Value a, Value b) {
  return arithmetic<arith::AddFOp, arith::AddIOp>(*this, a, b,
                                                  FastMathFlags::contract);
}
Value CodeBuilder::sub(Value a, Value b) {
  return arithmetic<arith::SubFOp, arith::SubIOp>(*this, a, b,
                                                  FastMathFlags::contract);
}
Value CodeBuilder::mul(Value a, Value b) {
  return arithmetic<arith::MulFOp, arith::MulIOp>(*this, a, b,
                                                  FastMathFlags::contract);
}
Value CodeBuilder::addReassociated(Value a, Value b) {
  return arithmetic<arith::AddFOp, arith::AddIOp>(*this, a, b, freeOrder);
}
Value CodeBuilder::mulReassociated(Value a, Value b) {
  return arithmetic<arith::MulFOp, arith::MulIOp>(*this, a, b, freeOrder);
}
// Compare and select is one instruction that keeps a NaN in its last operand;
// the maximum of IEEE costs more, for the order of the zeros.
template <typename IntOp>
static Value extremum(CodeBuilder &b, CmpIPredicate better, Value x, Value y) {
  if (!isa<FloatType>(getElementTypeOrSelf(x)))
    return arithmetic<arith::AddFOp, IntOp>(b, x, y, FastMathFlags::none);
  Value best = b.select(b.compare(better, x, y), x, y);
  return b.select(b.isNan(x), x, best);
}
Value CodeBuilder::max(Value a, Value b) {
  return extremum<arith::MaxSIOp>(*this, CmpIPredicate::sgt, a, b);
}
Value CodeBuilder::min(Value a, Value b) {
  return extremum<arith::MinSIOp>(*this, CmpIPredicate::slt, a, b);
}

Value CodeBuilder::select(Value condition, Value a, Value b) {
  if (a == b)
    return a;
  Value operands[] = {condition, a, b};
  match(isa<VectorType>(condition.getType())
            ? MutableArrayRef<Value>(operands)
            : MutableArrayRef<Value>(operands).drop_front());
  return arith::SelectOp::create(*this, operands[0], operands[1], operands[2]);
}

Value CodeBuilder::compare(CmpIPredicate predicate, Value a, Value b) {
  Value operands[] = {a, b};
  match(operands);
  std::tie(a, b) = std::tie(operands[0], operands[1]);
  if (!isa<FloatType>(getElementTypeOrSelf(a))) {
    // Bools are 0 and 1, not 0 and -1.
    if (getElementTypeOrSelf(a).isInteger(1))
      switch (predicate) {
      case CmpIPredicate::slt:
        predicate = CmpIPredicate::ult;
        break;
      case CmpIPredicate::sle:
        predicate = CmpIPredicate::ule;
        break;
      case CmpIPredicate::sgt:
        predicate = CmpIPredicate::ugt;
        break;
      case CmpIPredicate::sge:
        predicate = CmpIPredicate::uge;
        break;
      default:
        break;
      }
    return arith::CmpIOp::create(*this, predicate, a, b);
  }
  static const llvm::DenseMap<int, CmpFPredicate> ordered = {
      {int(CmpIPredicate::eq), CmpFPredicate::OEQ},
      {int(CmpIPredicate::ne), CmpFPredicate::UNE},
      {int(CmpIPredicate::slt), CmpFPredicate::OLT},
      {int(CmpIPredicate::sle), CmpFPredicate::OLE},
      {int(CmpIPredicate::sgt), CmpFPredicate::OGT},
      {int(CmpIPredicate::sge), CmpFPredicate::OGE}};
  return arith::CmpFOp::create(*this, ordered.at(int(predicate)), a, b);
}

Value CodeBuilder::ult(Value a, Value b) {
  return arith::CmpIOp::create(*this, CmpIPredicate::ult, a, b);
}

Value CodeBuilder::isNan(Value x) {
  return arith::CmpFOp::create(*this, CmpFPredicate::UNO, x, x);
}

Value CodeBuilder::bitAnd(Value a, Value b) {
  return arithmetic<arith::AddFOp, arith::AndIOp>(*this, a, b,
                                                  FastMathFlags::none);
}
Value CodeBuilder::bitOr(Value a, Value b) {
  return arithmetic<arith::AddFOp, arith::OrIOp>(*this, a, b,
                                                 FastMathFlags::none);
}
Value CodeBuilder::bitNot(Value a) {
  return arith::XOrIOp::create(*this, a, integer(a.getType(), -1));
}
/// Null or a constant.
static bool isTrue(Value condition) {
  return !condition || matchPattern(condition, m_One());
}
Value CodeBuilder::both(Value a, Value b) {
  a = isTrue(a) ? Value() : a;
  b = isTrue(b) ? Value() : b;
  return !a ? b : !b || a == b ? a : bitAnd(a, b);
}
Value CodeBuilder::either(Value a, Value b) {
  return !a || !b ? Value() : a == b ? a : bitOr(a, b);
}

Value CodeBuilder::convert(Value value, Type to) {
  Type from = getElementTypeOrSelf(value);
  to = getElementTypeOrSelf(to);
  if (from == to)
    return value;
  unsigned narrow = from.getIntOrFloatBitWidth();
  unsigned wide = to.getIntOrFloatBitWidth();
  to = like(value.getType(), to);
  if (isa<FloatType>(from))
    return narrow < wide ? Value(arith::ExtFOp::create(*this, to, value))
                         : Value(arith::TruncFOp::create(*this, to, value));
  if (narrow > wide)
    return arith::TruncIOp::create(*this, to, value);
  if (narrow == 1)
    return arith::ExtUIOp::create(*this, to, value);
  return arith::ExtSIOp::create(*this, to, value);
}

Value CodeBuilder::gep(Type element, Value base, Value index) {
  return LLVM::GEPOp::create(*this, ptrType(), element, base,
                             ArrayRef<LLVM::GEPArg>{index},
                             LLVM::GEPNoWrapFlags::inbounds);
}
Value CodeBuilder::gep(Type element, Value base, int64_t index) {
  return LLVM::GEPOp::create(*this, ptrType(), element, base,
                             ArrayRef<LLVM::GEPArg>{LLVM::GEPArg(index)},
                             LLVM::GEPNoWrapFlags::inbounds);
}
Value CodeBuilder::load(Type type, Value pointer) {
  return LLVM::LoadOp::create(*this, type, pointer);
}
void CodeBuilder::store(Value value, Value pointer) {
  LLVM::StoreOp::create(*this, value, pointer);
}

void CodeBuilder::prefetch(Value pointer) {
  constexpr int64_t intoSecondLevel = 2;
  LLVM::Prefetch::create(*this, pointer, /*rw=*/0, intoSecondLevel,
                         /*cache=*/1);
}

void CodeBuilder::loop(Value low, Value high, Body body) {
  auto op = scf::ForOp::create(*this, low, high, i64(1));
  InsertionGuard guard(*this);
  setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

SmallVector<Value> CodeBuilder::loop(Value low, Value high, ValueRange init,
                                     CarryBody body) {
  auto op = scf::ForOp::create(*this, low, high, i64(1), init);
  InsertionGuard guard(*this);
  setInsertionPointToStart(op.getBody());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!next.empty())
    scf::YieldOp::create(*this, next);
  return SmallVector<Value>(op.getResults());
}

void CodeBuilder::ifThen(Value condition, llvm::function_ref<void()> body) {
  if (!condition)
    return body();
  auto op = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  InsertionGuard guard(*this);
  setInsertionPointToStart(op.thenBlock());
  body();
}

SmallVector<Value> CodeBuilder::ifElse(Value condition, Branch yes, Branch no) {
  if (!condition)
    return yes();
  // The types are known once the first branch is emitted.
  auto emitBranch = [&](Block *block, Branch body) {
    InsertionGuard guard(*this);
    setInsertionPointToStart(block);
    SmallVector<Value> values = body();
    scf::YieldOp::create(*this, values);
    return llvm::map_to_vector(values, [](Value v) { return v.getType(); });
  };
  auto untyped = scf::IfOp::create(*this, TypeRange{}, condition, true);
  untyped.thenBlock()->clear();
  untyped.elseBlock()->clear();
  SmallVector<Type> types = emitBranch(untyped.thenBlock(), yes);
  emitBranch(untyped.elseBlock(), no);
  auto op = scf::IfOp::create(*this, types, condition, true);
  op.getThenRegion().takeBody(untyped.getThenRegion());
  op.getElseRegion().takeBody(untyped.getElseRegion());
  untyped.erase();
  return SmallVector<Value>(op.getResults());
}

ModuleOp CodeBuilder::module() {
  Operation *parent = getInsertionBlock()->getParentOp();
  auto module = dyn_cast<ModuleOp>(parent);
  return module ? module : parent->getParentOfType<ModuleOp>();
}

Value CodeBuilder::call(StringRef callee, Type result, ValueRange arguments) {
  ModuleOp mod = module();
  if (!mod.lookupSymbol(callee)) {
    InsertionGuard guard(*this);
    setInsertionPointToStart(mod.getBody());
    auto type = getFunctionType(arguments.getTypes(),
                                result ? TypeRange(result) : TypeRange());
    auto declaration = func::FuncOp::create(*this, callee, type);
    declaration.setPrivate();
  }
  auto op = func::CallOp::create(
      *this, callee, result ? TypeRange(result) : TypeRange(), arguments);
  return result ? op.getResult(0) : Value();
}
