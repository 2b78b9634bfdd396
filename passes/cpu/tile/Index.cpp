//===- Index.cpp - linear indices -------------------------------*- C++ -*-===//
#include "passes/cpu/tile/Index.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace attn;
using cpu::coefficient;

bool cpu::isByRows(Region &region) {
  Block &block = region.front();
  ValueRange indices = block.back().getOperands();
  if (block.getNumArguments() < 2 || indices.empty())
    return false;
  Value last = block.getArguments().back();
  return coefficient(indices.back(), last) == 1 &&
         llvm::all_of(indices.drop_back(), [&](Value index) {
           return coefficient(index, last) == 0;
         });
}

bool cpu::isRowGather(Region &region) {
  Block &block = region.front();
  if (!isByRows(region) ||
      block.back().getOperands().back() != block.getArguments().back())
    return false;
  return llvm::any_of(block.back().getOperands(), [&](Value index) {
    return llvm::any_of(block.getArguments(), [&](Value argument) {
      return !coefficient(index, argument);
    });
  });
}

std::optional<int64_t> cpu::coefficient(Value index, Value coordinate) {
  if (index == coordinate)
    return 1;
  Operation *op = index.getDefiningOp();
  if (!op || op->getBlock() != coordinate.getParentBlock())
    return 0;
  SmallVector<std::optional<int64_t>> parts;
  for (Value operand : op->getOperands())
    parts.push_back(coefficient(operand, coordinate));
  if (llvm::all_of(parts, [](auto part) { return part == 0; }))
    return 0;
  auto map = dyn_cast<MapOp>(op);
  if (!map || llvm::is_contained(parts, std::nullopt))
    return std::nullopt;
  auto constant = [&](unsigned operand) -> std::optional<int64_t> {
    APInt value;
    if (!matchPattern(op->getOperand(operand), m_ConstantInt(&value)))
      return std::nullopt;
    return value.getSExtValue();
  };
  switch (map.getFn()) {
  case Fn::add:
    return *parts[0] + *parts[1];
  case Fn::sub:
    return *parts[0] - *parts[1];
  case Fn::neg:
    return -*parts[0];
  case Fn::mul:
    if (auto factor = constant(1))
      return *parts[0] * *factor;
    if (auto factor = constant(0))
      return *parts[1] * *factor;
    return std::nullopt;
  default:
    return std::nullopt;
  }
}

bool cpu::scales(tile::EinsumOp op, Value state) {
  Block &block = op.getMap().front();
  auto product = block.back().getOperand(0).getDefiningOp<MapOp>();
  return !op.getMonoid() && op.getTiles().size() == 2 &&
         llvm::is_contained(op.getTiles(), state) &&
         op.getTiles()[0] != op.getTiles()[1] && product &&
         product.getFn() == Fn::mul &&
         product.getOperand(0) != product.getOperand(1) &&
         llvm::all_of(product.getOperands(), [&](Value operand) {
           auto argument = dyn_cast<BlockArgument>(operand);
           unsigned coordinates = block.getNumArguments() - 2;
           return argument && argument.getArgNumber() >= coordinates;
         });
}
