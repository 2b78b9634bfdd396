//===- FormulaWriter.cpp - presence formulas as scalars ---------*- C++ -*-===//
#include "passes/cascade/FormulaWriter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;
using namespace attn;
using Kind = PresenceFormula::Kind;

Value attn::unique(Operation *op, OpBuilder &b) {
  SmallVector<Value> folded;
  if (succeeded(b.tryFold(op, folded)) && !folded.empty() &&
      folded[0] != op->getResult(0)) {
    op->erase();
    op = folded[0].getDefiningOp();
    if (!isa_and_nonnull<arith::ConstantOp>(op))
      return folded[0];
  }
  for (Operation &other : *b.getInsertionBlock()) {
    if (&other == op)
      break;
    if (OperationEquivalence::isEquivalentTo(
            &other, op, OperationEquivalence::exactValueMatch, nullptr,
            OperationEquivalence::IgnoreLocations)) {
      op->erase();
      return other.getResult(0);
    }
  }
  return op->getResult(0);
}

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

Value FormulaWriter::copy(Value value) {
  if (Value known = values.lookupOrNull(value))
    return known;
  Operation *op = value.getDefiningOp();
  for (Value operand : op->getOperands())
    if (!isa<NamedTensorType>(operand.getType()))
      copy(operand);
  Value result = unique(b.clone(*op, values), b);
  values.map(value, result);
  return result;
}

Value FormulaWriter::term(const PresenceTerm &term) {
  return term.value ? copy(term.value) : positions[term.position];
}

Value FormulaWriter::map(Fn fn, ValueRange operands) {
  return unique(MapOp::create(b, loc, fn, operands), b);
}

Value FormulaWriter::zeroOf(Value value) {
  return unique(
      arith::ConstantOp::create(b, loc, b.getIntegerAttr(value.getType(), 0)),
      b);
}

Value FormulaWriter::extentOf(StringAttr rank) {
  return unique(ExtentOp::create(b, loc, b.getI32Type(), rank), b);
}

Value FormulaWriter::converted(Value value, Type type) {
  return value.getType() == type
             ? value
             : unique(CastOp::create(b, loc, type, value, type), b);
}

Value FormulaWriter::index(AffineExpr expr, ExtentAttr extent) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return unique(arith::ConstantOp::create(
                      b, loc, b.getI32IntegerAttr(constant.getValue())),
                  b);
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
    return extentOf(extent.getRanks()[symbol.getPosition()]);
  auto binary = cast<AffineBinaryOpExpr>(expr);
  Value lhs = index(binary.getLHS(), extent);
  Value rhs = index(binary.getRHS(), extent);
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    return map(Fn::add, {lhs, rhs});
  case AffineExprKind::Mul:
    return map(Fn::mul, {lhs, rhs});
  case AffineExprKind::Mod:
    return map(Fn::mod, {lhs, rhs});
  case AffineExprKind::CeilDiv:
    return map(Fn::neg, map(Fn::floordiv, {map(Fn::neg, lhs), rhs}));
  default:
    return map(Fn::floordiv, {lhs, rhs});
  }
}

Value FormulaWriter::index(ExtentAttr extent) {
  Value least;
  for (AffineExpr result : extent.getMap().getResults()) {
    Value value = index(result, extent);
    least = least ? map(Fn::min, {least, value}) : value;
  }
  return least;
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

Value FormulaWriter::write(Formula formula) {
  switch (formula->kind) {
  case Kind::True:
    return {};
  case Kind::False:
    return unique(arith::ConstantOp::create(b, loc, b.getBoolAttr(false)), b);
  case Kind::And:
  case Kind::Or:
    return join(formula);
  case Kind::Condition: {
    Value value = copy(formula->value);
    return formula->negated ? map(Fn::not_, value) : value;
  }
  case Kind::NonZero: {
    Value value = copy(formula->value);
    return map(Fn::ne, {value, zeroOf(value)});
  }
  case Kind::Defined:
    return isDefined(formula);
  case Kind::InExtent:
    return isInExtent(formula);
  case Kind::Equal:
    return equals(formula);
  case Kind::Call:
    return callOf(formula);
  }
  llvm_unreachable("unknown formula");
}

Value FormulaWriter::join(Formula formula) {
  bool isAnd = formula->kind == Kind::And;
  Value result;
  for (Formula operand : formula->operands) {
    Value value = write(operand);
    if (!value && !isAnd)
      return {};
    if (!value || value == result)
      continue;
    result = result ? map(isAnd ? Fn::and_ : Fn::or_, {result, value}) : value;
  }
  return result;
}

/// A present value equals itself or is a NaN.
Value FormulaWriter::isDefined(Formula formula) {
  SmallVector<Value> indices;
  for (const PresenceTerm &t : formula->terms)
    indices.push_back(term(t));
  Value value =
      unique(ReadOp::create(b, loc, formula->value, indices, Bounds::data), b);
  Value equal = map(Fn::eq, {value, value});
  if (value.getType().isSignlessInteger())
    return equal;
  return map(Fn::or_, {equal, map(Fn::ne, {value, value})});
}

Value FormulaWriter::isInExtent(Formula formula) {
  Value value = term(formula->terms[0]), zero = zeroOf(value);
  Value extent = converted(extentOf(formula->rank), value.getType());
  Value above = map(Fn::le, {zero, value});
  return map(Fn::and_, {above, map(Fn::lt, {value, extent})});
}

Value FormulaWriter::equals(Formula formula) {
  Value value = term(formula->terms[0]);
  Value constant = converted(index(formula->constant), value.getType());
  return map(formula->negated ? Fn::ne : Fn::eq, {value, constant});
}

Value FormulaWriter::callOf(Formula formula) {
  const PresenceNode *node = formula->node;
  if (node->isTrue)
    return {};
  SmallVector<Value> at;
  for (auto [i, t] : llvm::enumerate(formula->terms))
    at.push_back(node->erased >> i & 1 ? Value() : term(t));
  return call(node, at);
}
