//===- PrintExpr.cpp - region values as the source writes them --*- C++ -*-===//
#include "dialect/PrintExpr.h"
#include "dialect/Affine.h"
#include "dialect/Functions.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace attn;

StringRef attn::tensorName(Value tensor) {
  if (auto argument = dyn_cast<BlockArgument>(tensor)) {
    if (auto cascade = dyn_cast<CascadeOp>(argument.getOwner()->getParentOp()))
      return cast<PortAttr>(cascade.getInputs()[argument.getArgNumber()])
          .getName();
    return "?";
  }
  auto result = cast<OpResult>(tensor);
  if (auto einsum = dyn_cast<EinsumOp>(result.getOwner()))
    return cast<StringAttr>(einsum.getNames()[result.getResultNumber()]);
  if (auto equations = dyn_cast<EquationsOp>(result.getOwner()))
    return equations.getName();
  if (auto order = dyn_cast<OrderOp>(result.getOwner()))
    return order.getName();
  return "?";
}

StringRef attn::coordinateName(BlockArgument argument) {
  unsigned i = argument.getArgNumber();
  Operation *parent = argument.getOwner()->getParentOp();
  if (auto einsum = dyn_cast<EinsumOp>(parent)) {
    SmallVector<StringAttr> ranks = einsum.mapRanks();
    return i < ranks.size() ? ranks[i].getValue() : "?";
  }
  if (auto order = dyn_cast<OrderOp>(parent))
    return i + 1 < order.getSpace().size()
               ? cast<StringAttr>(order.getSpace()[i]).getValue()
               : order.getFrom();
  return "?";
}

namespace {
// Binding strength of what is printed, as in the grammar.
enum Level { Or, And, Not, Compare, Sum, Product, Unary, Primary };

struct Infix {
  Fn fn;
  const char *sign;
  Level level;
};

class Printer {
public:
  Printer(llvm::raw_ostream &os, bool dense) : os(os), dense(dense) {}

  void print(Value value, Level outer, unsigned depth = 0);
  void index(ReadOp read, unsigned position);
  void access(ReadOp read, unsigned depth);

private:
  void map(MapOp op, Level outer, unsigned depth);
  void infix(Value a, const char *sign, Value b, Level level, Level outer,
             unsigned depth);
  void call(StringRef name, ValueRange operands, unsigned depth);

  llvm::raw_ostream &os;
  bool dense;
  std::optional<IterationSpace> space;
};
} // namespace

static constexpr Infix infixes[] = {
    {Fn::add, "+", Sum},           {Fn::sub, "-", Sum},
    {Fn::mul, "*", Product},       {Fn::div, "/", Product},
    {Fn::floordiv, "//", Product}, {Fn::mod, "%", Product},
    {Fn::lt, "<", Compare},        {Fn::le, "<=", Compare},
    {Fn::gt, ">", Compare},        {Fn::ge, ">=", Compare},
    {Fn::eq, "==", Compare},       {Fn::ne, "!=", Compare},
    {Fn::and_, "and", And},        {Fn::or_, "or", Or}};

static constexpr unsigned maxDepth = 12;

void Printer::infix(Value a, const char *sign, Value b, Level level,
                    Level outer, unsigned depth) {
  if (level < outer)
    os << "(";
  print(a, level, depth);
  bool tight = level == Product || (dense && level == Sum);
  os << (tight ? "" : " ") << sign << (tight ? "" : " ");
  print(b, Level(level + 1), depth);
  if (level < outer)
    os << ")";
}

void Printer::call(StringRef name, ValueRange operands, unsigned depth) {
  os << name << "(";
  llvm::interleaveComma(operands, os,
                        [&](Value operand) { print(operand, Or, depth); });
  os << ")";
}

void Printer::map(MapOp op, Level outer, unsigned depth) {
  for (const Infix &row : infixes)
    if (row.fn == op.getFn())
      return infix(op.getOperand(0), row.sign, op.getOperand(1), row.level,
                   outer, depth);
  if (op.getFn() == Fn::neg) {
    os << "-";
    return print(op.getOperand(0), Unary, depth);
  }
  if (op.getFn() == Fn::not_) {
    os << "not ";
    return print(op.getOperand(0), Not, depth);
  }
  if (op.getFn() == Fn::real)
    return print(op.getOperand(0), outer, depth);
  call(stringifyFn(op.getFn()), op.getOperands(), depth);
}

void Printer::index(ReadOp read, unsigned position) {
  Value value = read.getIndices()[position];
  StringAttr rank = read.getTensor().getType().getRanks()[position];
  auto argument = dyn_cast<BlockArgument>(value);
  auto cascade = read->getParentOfType<CascadeOp>();
  if (!argument && cascade && !cascade.getRelations().empty()) {
    if (!space)
      space.emplace(cascade);
    auto form = space->determined(rank, *read->getParentRegion());
    if (form && *form == space->formOf(value)) {
      os << rank.getValue();
      return;
    }
  }
  print(value, Or, 0);
}

void Printer::access(ReadOp read, unsigned depth) {
  os << tensorName(read.getTensor());
  if (read.getIndices().empty())
    return;
  os << "[";
  bool wasDense = std::exchange(dense, true);
  for (unsigned i = 0; i < read.getIndices().size(); ++i) {
    os << (i ? "," : "");
    if (depth < maxDepth)
      index(read, i);
  }
  dense = wasDense;
  os << "]";
}

void Printer::print(Value value, Level outer, unsigned depth) {
  if (++depth > maxDepth) {
    os << "..";
    return;
  }
  if (auto argument = dyn_cast<BlockArgument>(value)) {
    os << coordinateName(argument);
    return;
  }
  Operation *op = value.getDefiningOp();
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (auto integer = dyn_cast<IntegerAttr>(constant.getValue())) {
      if (integer.getType().isInteger(1))
        os << (integer.getValue().isZero() ? "false" : "true");
      else
        os << integer.getInt();
    } else if (auto real = dyn_cast<FloatAttr>(constant.getValue())) {
      os << real.getValueAsDouble();
    }
  } else if (auto extent = dyn_cast<ExtentOp>(op)) {
    os << "|" << extent.getRank() << "|";
  } else if (auto read = dyn_cast<ReadOp>(op)) {
    access(read, depth);
  } else if (auto mapOp = dyn_cast<MapOp>(op)) {
    map(mapOp, outer, depth);
  } else if (auto castOp = dyn_cast<CastOp>(op)) {
    std::string name;
    llvm::raw_string_ostream(name) << castOp.getType();
    call(name, castOp.getOperand(), depth);
  } else if (isa<WhereOp, ElseOp>(op)) {
    os << "(";
    print(op->getOperand(0), Or, depth);
    os << (isa<WhereOp>(op) ? " where " : " else ");
    print(op->getOperand(1), Or, depth);
    os << ")";
  } else {
    os << "..";
  }
}

std::string attn::printExpr(Value value, bool dense) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Printer(os, dense).print(value, Or);
  return text;
}

std::string attn::printAccess(ReadOp read) {
  std::string text;
  llvm::raw_string_ostream os(text);
  Printer(os, true).access(read, 0);
  return text;
}

static void printExtentExpr(llvm::raw_ostream &os, AffineExpr expr,
                            ArrayRef<StringAttr> ranks) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr)) {
    os << constant.getValue();
    return;
  }
  if (auto symbol = dyn_cast<AffineSymbolExpr>(expr)) {
    os << "|" << ranks[symbol.getPosition()].getValue() << "|";
    return;
  }
  auto binary = cast<AffineBinaryOpExpr>(expr);
  auto operand = [&](AffineExpr e) {
    bool nested =
        isa<AffineBinaryOpExpr>(e) && expr.getKind() != AffineExprKind::Add;
    os << (nested ? "(" : "");
    printExtentExpr(os, e, ranks);
    os << (nested ? ")" : "");
  };
  operand(binary.getLHS());
  if (auto constant = dyn_cast<AffineConstantExpr>(binary.getRHS());
      constant && constant.getValue() < 0 &&
      expr.getKind() == AffineExprKind::Add) {
    os << "-" << -constant.getValue();
    return;
  }
  switch (expr.getKind()) {
  case AffineExprKind::Add:
    os << "+";
    break;
  case AffineExprKind::Mul:
    os << "*";
    break;
  case AffineExprKind::Mod:
    os << "%";
    break;
  default:
    os << "//";
    break;
  }
  operand(binary.getRHS());
}

std::string attn::printExtent(ExtentAttr extent) {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto results = extent.getMap().getResults();
  os << (results.size() > 1 ? "min(" : "");
  llvm::interleaveComma(results, os, [&](AffineExpr expr) {
    printExtentExpr(os, expr, extent.getRanks());
  });
  os << (results.size() > 1 ? ")" : "");
  return text;
}
