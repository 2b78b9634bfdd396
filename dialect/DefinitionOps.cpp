//===- DefinitionOps.cpp - equations and orders -----------------*- C++ -*-===//
// What defines a tensor beside einsums. Constraint numbers are those of
// AttnOps.td.
#include "dialect/Attn.h"

using namespace mlir;
using namespace attn;

void EquationsOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), getName());
}

LogicalResult EquationsOp::verify() {
  NamedTensorType type = getResult().getType();
  if (getPatterns().size() != getEquations().size())
    return emitOpError("(equations_c1) has ")
           << getPatterns().size() << " patterns and " << getEquations().size()
           << " equations";
  SmallVector<ArrayAttr> constants;
  for (auto [equation, attribute] : llvm::zip(getEquations(), getPatterns())) {
    auto pattern = dyn_cast<ArrayAttr>(attribute);
    if (!pattern || pattern.size() != type.getRanks().size())
      return emitOpError("(equations_c1) a pattern has one index a rank");
    SmallVector<StringAttr> plain;
    SmallVector<Attribute> indices;
    for (auto [index, rank] : llvm::zip(pattern, type.getRanks())) {
      auto name = dyn_cast<StringAttr>(index);
      if (!name && !isa<ExtentAttr>(index))
        return emitOpError("(equations_c1) no index: ") << index;
      if (name && name != rank)
        return emitOpError("(equations_c2) index ")
               << name << " stands for rank " << rank;
      if (name)
        plain.push_back(name);
      indices.push_back(name ? Attribute(UnitAttr::get(getContext())) : index);
    }
    auto operand = cast<NamedTensorType>(equation.getType());
    if (operand.getRanks() != ArrayRef<StringAttr>(plain))
      return emitOpError("(equations_c2) an equation has ranks ")
             << operand << ", its pattern is " << pattern;
    if (operand.getScalarType() != type.getScalarType())
      return emitOpError("(equations_c2) element types differ: ")
             << operand << " and " << type;
    auto key = ArrayAttr::get(getContext(), indices);
    if (llvm::is_contained(constants, key))
      return emitOpError("(equations_c3) two equations define the points ")
             << pattern;
    constants.push_back(key);
  }
  return success();
}

void OrderOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(getResult(), getName());
}

LogicalResult OrderOp::verify() {
  SmallVector<StringAttr> space = strings(getSpace());
  if (space.empty() || space.back() != getToAttr() ||
      llvm::is_contained(space, getFromAttr()))
    return emitOpError("(order_c1) `to` is the last rank of the space and "
                       "`from` is not in it");
  NamedTensorType type = getResult().getType();
  if (type.getRanks() != ArrayRef<StringAttr>(space) ||
      !type.getElementType().isInteger(32))
    return emitOpError("(order_c3) the result is i32 over the space");
  auto cascade = (*this)->getParentOfType<CascadeOp>();
  if (cascade && (!cascade.findRank(getFrom()) || !cascade.findRank(getTo())))
    return emitOpError("(order_c1) a rank is not declared");
  return success();
}

LogicalResult OrderOp::verifyRegions() {
  Block &block = getKeys().front();
  if (block.getNumArguments() != getSpace().size() ||
      !llvm::all_of(block.getArgumentTypes(),
                    [](Type t) { return t.isInteger(32); }))
    return emitOpError("(order_c1) the keys take one i32 a rank");
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield || yield.getNumOperands() == 0)
    return emitOpError("(order_c2) yields at least one key");
  return success();
}
