//===- CascadeOps.cpp - cascades and kernels --------------------*- C++ -*-===//
// What is declared in a cascade, and that all that is used is. Constraint
// numbers are those of AttnOps.td.
#include "dialect/Attn.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace attn;

ReturnOp CascadeOp::getReturn() {
  return cast<ReturnOp>(getBody().front().back());
}

RankAttr CascadeOp::findRank(StringRef name) {
  for (auto rank : getRanks().getAsRange<RankAttr>())
    if (rank.getName().getValue() == name)
      return rank;
  return {};
}

static int64_t portIndex(ArrayAttr ports, StringRef name) {
  for (auto [i, port] : llvm::enumerate(ports.getAsRange<PortAttr>()))
    if (port.getName().getValue() == name)
      return i;
  return -1;
}

int64_t CascadeOp::inputIndex(StringRef name) {
  return portIndex(getInputs(), name);
}
int64_t CascadeOp::outputIndex(StringRef name) {
  return portIndex(getOutputs(), name);
}

std::optional<int64_t> CascadeOp::staticExtent(StringAttr name) {
  RankAttr rank = findRank(name);
  if (!rank || !rank.getExtent())
    return std::nullopt;
  if (auto value = rank.getExtent().getConstant())
    return std::max<int64_t>(*value, 0);
  bool isStatic = true;
  int64_t value = rank.getExtent().evaluate([&](StringAttr other) -> int64_t {
    auto extent = staticExtent(other);
    isStatic &= extent.has_value();
    return extent.value_or(0);
  });
  if (!isStatic)
    return std::nullopt;
  return std::max<int64_t>(value, 0);
}

void CascadeOp::getAsmBlockArgumentNames(Region &region,
                                         OpAsmSetValueNameFn setName) {
  for (auto [argument, port] :
       llvm::zip(region.getArguments(), getInputs().getAsRange<PortAttr>()))
    setName(argument, port.getName().getValue());
}

static LogicalResult verifyRelations(CascadeOp op) {
  llvm::StringMap<SmallVector<StringAttr>> parts;
  for (Attribute relation : op.getRelations()) {
    if (!isa<ProductAttr, SumAttr>(relation))
      return op.emitOpError("relation is no product and no sum: ") << relation;
    auto [whole, list] = partsOf(relation);
    for (StringAttr rank : list)
      if (!op.findRank(rank))
        return op.emitOpError("(cascade_c2) rank ")
               << rank << " is not declared";
    if (!op.findRank(whole))
      return op.emitOpError("(cascade_c2) rank ")
             << whole << " is not declared";
    if (!parts.try_emplace(whole, list.begin(), list.end()).second)
      return op.emitOpError("(cascade_c4) rank ")
             << whole << " is the whole of two relations";
  }
  std::function<bool(StringRef, unsigned)> acyclic = [&](StringRef rank,
                                                         unsigned depth) {
    if (depth > parts.size())
      return false;
    auto it = parts.find(rank);
    return it == parts.end() || llvm::all_of(it->second, [&](StringAttr part) {
             return acyclic(part, depth + 1);
           });
  };
  for (auto &entry : parts)
    if (!acyclic(entry.first(), 0))
      return op.emitOpError("(cascade_c4) rank ")
             << entry.first() << " is part of itself";
  return success();
}

LogicalResult CascadeOp::verify() {
  llvm::StringSet<> seen;
  for (auto rank : getRanks().getAsRange<RankAttr>()) {
    if (ExtentAttr extent = rank.getExtent())
      for (StringAttr other : extent.getRanks())
        if (!seen.contains(other))
          return emitOpError("(cascade_c3) the extent of rank ")
                 << rank.getName() << " uses rank " << other
                 << ", which is not listed before it";
    if (!seen.insert(rank.getName()).second)
      return emitOpError("(cascade_c2) rank ")
             << rank.getName() << " is declared twice";
  }
  for (auto port : getOutputs().getAsRange<PortAttr>())
    if (port.getInto() && inputIndex(port.getInto()) < 0)
      return emitOpError("(cascade_c6) into names ")
             << port.getInto() << ", which is no input";
  if (getCut() && !findRank(*getCut()))
    return emitOpError("(cascade_c6) cut names ")
           << *getCut() << ", which is no rank";
  return verifyRelations(*this);
}

LogicalResult CascadeOp::verifyRegions() {
  Block &body = getBody().front();
  if (body.empty() || !isa<ReturnOp>(body.back()))
    return emitOpError("(cascade_c7) the body ends with attn.return");
  if (body.getNumArguments() != getInputs().size())
    return emitOpError("(cascade_c1) has ")
           << getInputs().size() << " inputs and " << body.getNumArguments()
           << " block arguments";
  ReturnOp ret = getReturn();
  if (ret.getNumOperands() != getOutputs().size())
    return emitOpError("(cascade_c1) has ")
           << getOutputs().size() << " outputs and returns "
           << ret.getNumOperands() << " tensors";
  llvm::StringSet<> onInputs;
  auto checkRanks = [&](Type type, StringRef what) -> LogicalResult {
    auto tensor = dyn_cast<NamedTensorType>(type);
    if (!tensor)
      return emitOpError() << what << " is no tensor: " << type;
    for (StringAttr rank : tensor.getRanks())
      if (!findRank(rank))
        return emitOpError("(cascade_c2) rank ")
               << rank << " of " << what << " is not declared";
    return success();
  };
  for (auto [argument, port] :
       llvm::zip(body.getArguments(), getInputs().getAsRange<PortAttr>())) {
    if (failed(checkRanks(argument.getType(), port.getName())))
      return failure();
    for (StringAttr rank : cast<NamedTensorType>(argument.getType()).getRanks())
      onInputs.insert(rank);
  }
  for (auto [operand, attribute] :
       llvm::zip(ret.getOperands(), getOutputs().getAsRange<PortAttr>())) {
    PortAttr port = attribute;
    if (failed(checkRanks(operand.getType(), port.getName())))
      return failure();
    if (!port.getInto())
      continue;
    Type other = body.getArgument(inputIndex(port.getInto())).getType();
    if (other != operand.getType())
      return emitOpError("(cascade_c6) ")
             << port.getName() << " into " << port.getInto()
             << ": types differ, " << operand.getType() << " and " << other;
  }
  for (auto rank : getRanks().getAsRange<RankAttr>())
    if (!rank.getExtent() && !onInputs.contains(rank.getName()))
      return emitOpError("(cascade_c5) rank ")
             << rank.getName() << " has no extent and is on no input";
  return success();
}

//===----------------------------------------------------------------------===//
// kernel
//===----------------------------------------------------------------------===//

ReturnOp KernelOp::getReturn() {
  return cast<ReturnOp>(getBody().front().back());
}

void KernelOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  for (auto [result, value] :
       llvm::zip(getResults(), getReturn().getOperands()))
    if (auto einsum = value.getDefiningOp<EinsumOp>())
      setName(result,
              cast<StringAttr>(
                  einsum.getNames()[cast<OpResult>(value).getResultNumber()])
                  .getValue());
}

LogicalResult KernelOp::verifyRegions() {
  Block &body = getBody().front();
  auto ret = body.empty() ? ReturnOp() : dyn_cast<ReturnOp>(body.back());
  if (!ret || ret.getOperandTypes() != getResultTypes())
    return emitOpError("(kernel_c1) the body ends with attn.return of the "
                       "result types");
  return success();
}
