//===- AttnOps.cpp - verifiers, folds, printing names -----------*- C++ -*-===//
// Constraint numbers are those of AttnOps.td.
#include "dialect/Attn.h"
#include "dialect/Functions.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/SmallSet.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace attn;

/// `inside` is the default and not written.
static ParseResult parseBounds(OpAsmParser &parser, BoundsAttr &bounds) {
  StringRef keyword;
  Bounds value = Bounds::inside;
  if (succeeded(
          parser.parseOptionalKeyword(&keyword, {"inside", "absent", "data"})))
    value = *symbolizeBounds(keyword);
  bounds = BoundsAttr::get(parser.getContext(), value);
  return success();
}

static void printBounds(OpAsmPrinter &printer, Operation *, BoundsAttr bounds) {
  if (bounds && bounds.getValue() != Bounds::inside)
    printer << ' ' << stringifyBounds(bounds.getValue());
}

#define GET_OP_CLASSES
#include "dialect/AttnOps.cpp.inc"

//===----------------------------------------------------------------------===//
// cascade
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// monoid
//===----------------------------------------------------------------------===//

LogicalResult MonoidOp::verifyRegions() {
  Block &block = getCombine().front();
  size_t k = getNames().size();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return emitOpError("(monoid_c1) the region ends with attn.yield");
  if (k == 0 || getIdentity().size() != k || yield.getNumOperands() != k ||
      block.getNumArguments() != 2 * k)
    return emitOpError("(monoid_c1) ")
           << k << " components, " << getIdentity().size() << " identities, "
           << block.getNumArguments() << " arguments, "
           << yield.getNumOperands() << " yielded values";
  for (size_t i = 0; i < k; ++i) {
    auto identity = dyn_cast<TypedAttr>(getIdentity()[i]);
    Type type = block.getArgument(i).getType();
    if (!identity || identity.getType() != type ||
        block.getArgument(i + k).getType() != type ||
        yield.getOperand(i).getType() != type)
      return emitOpError("(monoid_c1) types of component ")
             << getNames()[i] << " differ";
  }
  for (Operation &op : block)
    if (isa<ReadOp>(op))
      return emitOpError("(monoid_c2) reads a tensor");
  return success();
}

//===----------------------------------------------------------------------===//
// einsum
//===----------------------------------------------------------------------===//

std::optional<Reduce> EinsumOp::builtinReduce() {
  if (auto kind = dyn_cast_or_null<ReduceAttr>(getMonoidAttr()))
    return kind.getValue();
  return std::nullopt;
}

YieldOp EinsumOp::getMapYield() {
  return cast<YieldOp>(getMap().front().back());
}

Value EinsumOp::guardCondition() {
  return getGuard().empty() ? Value() : getGuard().front().back().getOperand(0);
}

SmallVector<StringAttr> EinsumOp::mapRanks() {
  SmallVector<StringAttr> ranks = strings(getSpace());
  llvm::append_range(ranks, strings(getReduced()));
  return ranks;
}

Value EinsumOp::coordinate(StringRef name) {
  size_t position = 0;
  for (ArrayAttr ranks : {getSpace(), getReduced()})
    for (Attribute rank : ranks) {
      if (cast<StringAttr>(rank).getValue() == name)
        return getMap().getArgument(position);
      ++position;
    }
  return {};
}

void EinsumOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  for (auto [result, name] :
       llvm::zip(getResults(), getNames().getAsValueRange<StringAttr>()))
    setName(result, name);
}

LogicalResult EinsumOp::verify() {
  if (getNames().size() != getNumResults())
    return emitOpError("has ") << getNames().size() << " names and "
                               << getNumResults() << " results";
  auto cascade = (*this)->getParentOfType<CascadeOp>();
  SmallPtrSet<Attribute, 8> seen;
  for (ArrayAttr ranks : {getSpace(), getReduced()})
    for (Attribute rank : ranks) {
      if (!seen.insert(rank).second)
        return emitOpError("(einsum_c1) rank ") << rank << " occurs twice";
      if (cascade && !cascade.findRank(cast<StringAttr>(rank)))
        return emitOpError("(einsum_c1) rank ") << rank << " is not declared";
    }
  if (!isReduction() && !getReduced().empty())
    return emitOpError("(einsum_c1) reduces without a monoid");
  for (Value result : getResults())
    if (cast<NamedTensorType>(result.getType()).getRanks() !=
        ArrayRef<StringAttr>(strings(getSpace())))
      return emitOpError("(einsum_c2) result ranks are not the space: ")
             << result.getType();
  return success();
}

/// Constraint einsum_c5: what a built-in reduction of `value` results in.
static LogicalResult verifyBuiltin(EinsumOp op, Reduce kind, Type value) {
  Type result = cast<NamedTensorType>(op.getResultTypes()[0]).getScalarType();
  bool counts =
      kind == Reduce::count || kind == Reduce::argmax || kind == Reduce::argmin;
  bool logical = kind == Reduce::any || kind == Reduce::all;
  bool oneRank = kind == Reduce::argmax || kind == Reduce::argmin ||
                 kind == Reduce::first || kind == Reduce::last;
  if (logical && !value.isInteger(1))
    return op.emitOpError("(einsum_c5) ")
           << stringifyReduce(kind) << " takes bool operands";
  if (!counts && result != value)
    return op.emitOpError("(einsum_c5) reduces ")
           << value << " to a tensor of " << result;
  if (counts && !result.isInteger(32))
    return op.emitOpError("(einsum_c5) ")
           << stringifyReduce(kind) << " gives i32";
  if (oneRank && op.getReduced().size() != 1)
    return op.emitOpError("(einsum_c5) ")
           << stringifyReduce(kind) << " takes one rank";
  return success();
}

LogicalResult EinsumOp::verifyRegions() {
  auto isCoordinates = [](Region &region, size_t count) {
    return region.getNumArguments() == count &&
           llvm::all_of(region.getArgumentTypes(),
                        [](Type t) { return t.isInteger(32); });
  };
  if (!isCoordinates(getMap(), getSpace().size() + getReduced().size()))
    return emitOpError("(einsum_c3) the map takes one i32 a rank");
  Block &block = getMap().front();
  auto yield = block.empty() ? YieldOp() : dyn_cast<YieldOp>(block.back());
  if (!yield)
    return emitOpError("(einsum_c4) the map ends with attn.yield");
  if (yield.getNumOperands() != getNumResults() || getNumResults() == 0)
    return emitOpError("(einsum_c4) yields ")
           << yield.getNumOperands() << " values for " << getNumResults()
           << " results";
  if (auto kind = builtinReduce()) {
    if (getNumResults() != 1)
      return emitOpError("(einsum_c4) a built-in reduction has one result");
    if (failed(verifyBuiltin(*this, *kind, yield.getOperand(0).getType())))
      return failure();
  } else {
    for (auto [value, result] : llvm::zip(yield.getOperands(), getResults()))
      if (cast<NamedTensorType>(result.getType()).getScalarType() !=
          value.getType())
        return emitOpError("(einsum_c5) yields ")
               << value.getType() << " for a result of type "
               << result.getType();
  }
  if (auto symbol = dyn_cast_or_null<FlatSymbolRefAttr>(getMonoidAttr())) {
    auto monoid = SymbolTable::lookupNearestSymbolFrom<MonoidOp>(
        (*this)->getParentOfType<CascadeOp>(), symbol);
    if (!monoid)
      return emitOpError("(einsum_c4) no monoid ") << symbol;
    if (monoid.getNames().size() != getNumResults())
      return emitOpError("(einsum_c4) monoid ")
             << symbol << " has " << monoid.getNames().size() << " components";
  }
  if (getGuard().empty())
    return success();
  if (!isCoordinates(getGuard(), getSpace().size()))
    return emitOpError("(einsum_c3) the guard takes one i32 a rank of space");
  Block &guard = getGuard().front();
  auto condition = guard.empty() ? YieldOp() : dyn_cast<YieldOp>(guard.back());
  if (!condition || condition.getNumOperands() != 1 ||
      !condition.getOperand(0).getType().isInteger(1))
    return emitOpError("(einsum_c6) the guard yields one i1");
  return success();
}

//===----------------------------------------------------------------------===//
// equations, order
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

LogicalResult ReadOp::inferReturnTypes(MLIRContext *ctx,
                                       std::optional<Location> loc,
                                       Adaptor adaptor,
                                       SmallVectorImpl<Type> &results) {
  auto type = dyn_cast<NamedTensorType>(adaptor.getTensor().getType());
  if (!type)
    return failure();
  results.push_back(type.getScalarType());
  return success();
}

LogicalResult ReadOp::verify() {
  if (getIndices().size() != getTensor().getType().getRanks().size())
    return emitOpError("(read_c1) has ")
           << getIndices().size() << " indices for " << getTensor().getType();
  return success();
}

OpFoldResult ExtentOp::fold(FoldAdaptor) {
  auto cascade = (*this)->getParentOfType<CascadeOp>();
  if (!cascade)
    return {};
  if (auto value = cascade.staticExtent(getRankAttr()))
    return IntegerAttr::get(getType(), *value);
  return {};
}

LogicalResult MapOp::inferReturnTypes(MLIRContext *ctx,
                                      std::optional<Location> loc,
                                      Adaptor adaptor,
                                      SmallVectorImpl<Type> &results) {
  std::string why;
  Type type =
      inferFnType(adaptor.getFn(), adaptor.getOperands().getTypes(), why);
  if (!type)
    return emitOptionalError(loc, "(map_c1) ", stringifyFn(adaptor.getFn()),
                             " ", why);
  results.push_back(type);
  return success();
}

LogicalResult MapOp::verify() { return success(); }

OpFoldResult MapOp::fold(FoldAdaptor adaptor) {
  SmallVector<ScalarValue> operands;
  for (Attribute operand : adaptor.getOperands()) {
    ScalarValue value;
    if (auto real = dyn_cast_or_null<FloatAttr>(operand))
      value.real = real.getValueAsDouble();
    else if (auto integer = dyn_cast_or_null<IntegerAttr>(operand))
      value.integer = integer.getType().isInteger(1)
                          ? integer.getValue().getZExtValue()
                          : integer.getInt();
    else
      return {};
    operands.push_back(value);
  }
  auto value = evaluateFn(getFn(), getOperand(0).getType(), operands);
  if (!value)
    return {};
  if (isa<FloatType>(getType()))
    return FloatAttr::get(getType(), value->real);
  return IntegerAttr::get(getType(), value->integer);
}

LogicalResult CastOp::verify() {
  if (getResult().getType() != scalarTypeOf(getType()))
    return emitOpError("to ")
           << getType() << " gives " << scalarTypeOf(getType());
  return success();
}

OpFoldResult WhereOp::fold(FoldAdaptor adaptor) {
  if (auto condition = dyn_cast_or_null<IntegerAttr>(adaptor.getCondition()))
    if (!condition.getValue().isZero())
      return getValue();
  return {};
}

OpFoldResult ElseOp::fold(FoldAdaptor adaptor) {
  if (adaptor.getValue()) // constants are present
    return getValue();
  return {};
}
