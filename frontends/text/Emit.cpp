//===- Emit.cpp - the cascade operation and its attributes ----------------===//

#include "frontends/text/Emit.h"
#include "mlir/IR/AffineExpr.h"
#include "mlir/IR/AffineMap.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;
using mlir::AffineExpr;

Emitter::Emitter(Model &model, mlir::ModuleOp module, Diagnostics &diagnostics)
    : model(model), module(module), diagnostics(diagnostics),
      builder(module.getContext()), here(builder.getUnknownLoc()) {}

void Emitter::run() {
  absorbCopies();
  emitCascade();
}

void Emitter::error(SourceRange range, const Twine &text, const Twine &hint) {
  if (reported.insert((Twine(range.begin) + ":" + text).str()).second)
    diagnostics.error(range, text, hint);
}

mlir::Location Emitter::locate(SourceRange range) {
  const SourceManager &sources = diagnostics.sourceManager();
  const SourceFile *file = sources.fileOf(range.begin);
  if (!file || range.empty())
    return here;
  LineColumn where = sources.lineColumn(range.begin);
  return mlir::FileLineColLoc::get(builder.getContext(), file->name(),
                                   where.line, where.column);
}

mlir::ArrayAttr Emitter::rankNames(ArrayRef<const Rank *> ranks) {
  return builder.getArrayAttr(
      llvm::map_to_vector(ranks, [&](const Rank *rank) -> mlir::Attribute {
        return rankName(rank);
      }));
}

mlir::Type Emitter::elementType(const Tensor &tensor) {
  return tensor.declared ? storageType(*tensor.declared, builder.getContext())
                         : storage(tensor.type);
}

/// What values of a type are stored as where the text does not say.
mlir::Type Emitter::storage(Ty type) {
  switch (type) {
  case Ty::Bool:
    return builder.getI1Type();
  case Ty::I32:
    return builder.getI32Type();
  case Ty::I64:
    return builder.getI64Type();
  case Ty::F64:
    return builder.getF64Type();
  case Ty::None: // a recurrence without a value; any type is right
  case Ty::F32:
    return builder.getF32Type();
  }
  llvm_unreachable("unknown type");
}

NamedTensorType Emitter::tensorType(const Tensor &tensor) {
  auto ranks = llvm::map_to_vector(
      tensor.ranks, [&](const Rank *rank) { return rankName(rank); });
  return NamedTensorType::get(builder.getContext(), ranks, elementType(tensor));
}

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

/// `(a + b - 1) // b` is the ceiling of a / b.
static std::optional<std::pair<T, T>> ceilingOf(T term) {
  T sum = term->operand(0), b = term->operand(1);
  if (!sum->is(Term::Kind::Map) || sum->fn() != Fn::add)
    return std::nullopt;
  T less = sum->operand(1);
  bool matches =
      b->is(Term::Kind::Int)
          ? less->is(Term::Kind::Int) && less->integer() == b->integer() - 1
          : less->is(Term::Kind::Map) && less->fn() == Fn::sub &&
                less->operand(0) == b &&
                less->operand(1)->is(Term::Kind::Int) &&
                less->operand(1)->integer() == 1;
  return matches ? std::optional(std::make_pair(sum->operand(0), b))
                 : std::nullopt;
}

using AffineMinimum = llvm::SmallVector<AffineExpr>;

static std::optional<int64_t> constantOf(AffineExpr expr) {
  auto value = mlir::dyn_cast<mlir::AffineConstantExpr>(expr);
  return value ? std::optional(value.getValue()) : std::nullopt;
}

/// `fn` of two minima of affine expressions (of one: `b` is empty) as such a
/// minimum; empty: it is none.
static AffineMinimum applied(Fn fn, const AffineMinimum &a,
                             const AffineMinimum &b) {
  AffineMinimum result;
  bool single = a.size() == 1 && b.size() <= 1;
  // What grows with `a` keeps a minimum of several.
  bool grows = b.size() == 1 && constantOf(b[0]).value_or(0) > 0;
  switch (fn) {
  case Fn::min:
    result.append(a);
    result.append(b);
    break;
  case Fn::max: // negative extents are 0 already
    if (b.size() == 1 && constantOf(b[0]) == 0)
      result.append(a);
    else if (a.size() == 1 && constantOf(a[0]) == 0)
      result.append(b);
    break;
  case Fn::neg:
    if (single)
      result.push_back(-a[0]);
    break;
  case Fn::add:
    for (AffineExpr x : a)
      for (AffineExpr y : b)
        result.push_back(x + y);
    break;
  case Fn::sub:
    if (b.size() == 1)
      for (AffineExpr x : a)
        result.push_back(x - b[0]);
    break;
  case Fn::mul:
    if (single || grows)
      for (AffineExpr x : a)
        result.push_back(x * b[0]);
    break;
  case Fn::floordiv:
    if (single || grows)
      for (AffineExpr x : a)
        result.push_back(x.floorDiv(b[0]));
    break;
  case Fn::mod:
    if (single)
      result.push_back(a[0] % b[0]);
    break;
  default:
    break;
  }
  return result;
}

/// `term` as the minimum of affine expressions over the extents of `symbols`.
bool Emitter::affine(T term, llvm::SmallVectorImpl<const Rank *> &symbols,
                     llvm::SmallVectorImpl<AffineExpr> &results) {
  mlir::MLIRContext *context = builder.getContext();
  if (term->is(Term::Kind::Int)) {
    results.push_back(mlir::getAffineConstantExpr(term->integer(), context));
    return true;
  }
  if (term->is(Term::Kind::Extent)) {
    size_t position = llvm::find(symbols, term->rank()) - symbols.begin();
    if (position == symbols.size())
      symbols.push_back(term->rank());
    results.push_back(mlir::getAffineSymbolExpr(position, context));
    return true;
  }
  if (!term->is(Term::Kind::Map))
    return false;
  AffineMinimum a, b;
  Fn fn = term->fn();
  if (fn == Fn::floordiv)
    if (auto ceiling = ceilingOf(term)) {
      if (!affine(ceiling->first, symbols, a) ||
          !affine(ceiling->second, symbols, b) || b.size() != 1)
        return false;
      for (AffineExpr x : a)
        results.push_back(x.ceilDiv(b[0]));
      return true;
    }
  for (auto [i, operand] : llvm::enumerate(term->operands()))
    if (!affine(operand, symbols, i == 0 ? a : b))
      return false;
  AffineMinimum combined = applied(fn, a, b);
  results.append(combined);
  return !combined.empty();
}

ExtentAttr Emitter::extentAttr(T term, SourceRange range) {
  mlir::MLIRContext *context = builder.getContext();
  llvm::SmallVector<const Rank *> symbols;
  llvm::SmallVector<AffineExpr> results;
  if (!affine(term, symbols, results)) {
    error(range,
          "an extent is made of extents and consts by + - * // % and "
          "an outermost min",
          "a const scalar can carry any other number");
    return ExtentAttr::constant(context, 1);
  }
  // Constant divisions by zero would not fold.
  auto names = llvm::map_to_vector(
      symbols, [&](const Rank *rank) { return rankName(rank); });
  return ExtentAttr::get(
      context, mlir::AffineMap::get(0, symbols.size(), results, context),
      names);
}

mlir::ArrayAttr Emitter::rankTable() {
  llvm::SmallVector<mlir::Attribute> table;
  llvm::DenseSet<const Rank *> done;
  std::function<void(T)> before;
  auto add = [&](const Rank *rank) {
    if (!done.insert(rank).second)
      return;
    ExtentAttr extent;
    if (auto fixed = model.terms.staticExtent(rank)) {
      extent = ExtentAttr::constant(builder.getContext(), *fixed);
    } else if (rank->extent) {
      before(rank->extent);
      extent = extentAttr(rank->extent, rank->range);
    }
    table.push_back(
        RankAttr::get(builder.getContext(), rankName(rank), extent));
  };
  before = [&](T term) {
    if (term->is(Term::Kind::Extent))
      add(term->rank());
    for (T operand : term->operands())
      before(operand);
  };
  for (const Rank &rank : model.ranks)
    add(&rank);
  return builder.getArrayAttr(table);
}

mlir::ArrayAttr Emitter::relations() {
  llvm::SmallVector<mlir::Attribute> list;
  for (const RankRelation &relation : model.relations) {
    auto parts = llvm::map_to_vector(
        relation.parts, [&](const Rank *rank) { return rankName(rank); });
    if (relation.isProduct)
      list.push_back(ProductAttr::get(builder.getContext(),
                                      rankName(relation.whole), parts));
    else
      list.push_back(
          SumAttr::get(builder.getContext(), rankName(relation.whole), parts));
  }
  return builder.getArrayAttr(list);
}

//===----------------------------------------------------------------------===//
// Ports
//===----------------------------------------------------------------------===//

PortAttr Emitter::portAttr(const StoredPort &port) {
  mlir::MLIRContext *context = builder.getContext();
  auto name = [&](StringRef text) { return builder.getStringAttr(text); };
  auto namesOf = [&](ArrayRef<std::string> list) {
    return llvm::map_to_vector(list,
                               [&](const std::string &s) { return name(s); });
  };
  LayoutAttr layout;
  if (!port.layout.empty())
    layout = LayoutAttr::get(context, name(port.layout), namesOf(port.tables),
                             tensorType(*port.logical));
  QuantAttr quant;
  if (!port.scale.empty())
    quant = QuantAttr::get(context, name(port.scale), namesOf(port.per),
                           storageType(*port.value, context));
  mlir::TypedAttr init;
  if (port.init) {
    mlir::Type type = elementType(*port.tensor);
    if (mlir::isa<mlir::FloatType>(type))
      init = builder.getFloatAttr(type, port.init->real());
    else
      init = mlir::IntegerAttr::get(
          type, llvm::APInt(type.getIntOrFloatBitWidth(), port.init->integer(),
                            /*isSigned=*/true,
                            /*implicitTrunc=*/true));
  }
  return PortAttr::get(context, name(port.name), layout, quant,
                       port.into.empty() ? mlir::StringAttr() : name(port.into),
                       init);
}

std::string Emitter::doc() const {
  std::string text;
  llvm::SmallVector<StringRef> lines;
  model.decl->doc().split(lines, '\n');
  if (!model.decl->doc().empty())
    for (StringRef line : lines)
      text += line.empty() ? "#\n" : ("# " + line + "\n").str();
  return text + diagnostics.sourceManager().text(model.decl->range()).str();
}

void Emitter::emitCascade() {
  here = locate(model.decl->name().range);
  builder.setInsertionPointToEnd(module.getBody());
  auto ports = [&](ArrayRef<StoredPort> list) {
    return builder.getArrayAttr(
        llvm::map_to_vector(list, [&](const StoredPort &p) -> mlir::Attribute {
          return portAttr(p);
        }));
  };
  auto cascade = CascadeOp::create(
      builder, here, builder.getStringAttr(model.decl->name().name),
      rankTable(), relations(), ports(model.inputs), ports(model.outputs),
      model.cut.empty() ? mlir::StringAttr() : builder.getStringAttr(model.cut),
      builder.getStringAttr(doc()), ScheduleAttr());
  mlir::Block &body = cascade.getBody().emplaceBlock();
  for (const StoredPort &input : model.inputs)
    values[input.tensor] = body.addArgument(tensorType(*input.tensor),
                                            locate(input.tensor->range));
  builder.setInsertionPointToEnd(&body);
  llvm::SmallVector<mlir::Value> outputs;
  // What the program names is kept, used or not: passes drop dead tensors.
  llvm::SmallVector<Definition *> roots;
  for (Tensor &tensor : model.tensors)
    if (!tensor.helper && tensor.definition)
      roots.push_back(tensor.definition);
  for (Definition *definition : model.inOrder(roots))
    define(*definition);
  for (const StoredPort &output : model.outputs)
    outputs.push_back(valueOf(output.tensor));
  ReturnOp::create(builder, here, outputs);
}
