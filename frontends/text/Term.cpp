//===- Term.cpp - making terms --------------------------------------------===//
//
// Uniquing, constant folding, and the few identities of coordinate arithmetic
// that keep the emitted maps readable.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Term.h"
#include "frontends/text/Model.h"

using namespace attn;
using namespace attn::text;
using llvm::ArrayRef;

Ty attn::text::typeOf(ScalarType type) {
  switch (type) {
  case ScalarType::F64:
    return Ty::F64;
  case ScalarType::F32:
  case ScalarType::F16:
  case ScalarType::BF16:
  case ScalarType::F8E4M3:
  case ScalarType::F8E5M2:
    return Ty::F32;
  case ScalarType::I64:
    return Ty::I64;
  case ScalarType::I32:
  case ScalarType::I8:
  case ScalarType::U8:
  case ScalarType::I4:
    return Ty::I32;
  case ScalarType::Bool:
    return Ty::Bool;
  }
  llvm_unreachable("unknown type");
}

mlir::Type attn::text::storageType(ScalarType type,
                                   mlir::MLIRContext *context) {
  mlir::Builder b(context);
  switch (type) {
  case ScalarType::F64:
    return b.getF64Type();
  case ScalarType::F32:
    return b.getF32Type();
  case ScalarType::F16:
    return b.getF16Type();
  case ScalarType::BF16:
    return b.getBF16Type();
  case ScalarType::F8E4M3:
    return mlir::Float8E4M3FNType::get(context);
  case ScalarType::F8E5M2:
    return mlir::Float8E5M2Type::get(context);
  case ScalarType::I64:
    return b.getI64Type();
  case ScalarType::I32:
    return b.getI32Type();
  case ScalarType::I8:
    return b.getI8Type();
  case ScalarType::U8:
    return b.getIntegerType(8, /*isSigned=*/false);
  case ScalarType::I4:
    return b.getIntegerType(4);
  case ScalarType::Bool:
    return b.getI1Type();
  }
  llvm_unreachable("unknown type");
}

void Term::Profile(llvm::FoldingSetNodeID &id) const {
  id.AddInteger(unsigned(termKind));
  id.AddInteger(sub);
  id.AddInteger(intValue);
  id.AddInteger(llvm::bit_cast<uint64_t>(realValue));
  id.AddPointer(rankRef);
  id.AddPointer(tensorRef);
  for (T child : children)
    id.AddPointer(child);
}

//===----------------------------------------------------------------------===//
// Uniquing
//===----------------------------------------------------------------------===//

template <typename Item>
static ArrayRef<Item> copyTo(llvm::BumpPtrAllocator &arena,
                             ArrayRef<Item> items) {
  Item *data = arena.Allocate<Item>(items.size());
  std::uninitialized_copy(items.begin(), items.end(), data);
  return ArrayRef<Item>(data, items.size());
}

T Terms::unique(Term &&prototype, ArrayRef<T> children, SourceRange range) {
  prototype.children = children;
  llvm::FoldingSetNodeID id;
  prototype.Profile(id);
  void *position;
  if (T known = set.FindNodeOrInsertPos(id, position))
    return known;
  auto *term = new (arena.Allocate<Term>()) Term(std::move(prototype));
  term->children = copyTo(arena, children);
  term->where = range;
  llvm::SmallVector<const Rank *> free;
  if (term->is(Term::Kind::Coord))
    free.push_back(term->rank());
  term->data = term->is(Term::Kind::Read) && !isRunTimeScalar(*term->tensor());
  term->partial = term->data || term->is(Term::Kind::Where);
  for (T child : children) {
    free.append(child->ranks().begin(), child->ranks().end());
    term->data |= child->readsData();
    term->partial |= child->mayBeAbsent();
  }
  llvm::sort(free, [](const Rank *a, const Rank *b) { return a->id < b->id; });
  free.erase(std::unique(free.begin(), free.end()), free.end());
  term->free = copyTo(arena, ArrayRef<const Rank *>(free));
  set.InsertNode(term, position);
  return term;
}

T Terms::integer(int64_t value, SourceRange range) {
  Term term;
  term.termKind = Term::Kind::Int;
  term.intValue = value;
  return unique(std::move(term), {}, range);
}
T Terms::real(double value, SourceRange range) {
  Term term;
  term.termKind = Term::Kind::Real;
  term.realValue = value;
  return unique(std::move(term), {}, range);
}
T Terms::boolean(bool value, SourceRange range) {
  Term term;
  term.termKind = Term::Kind::Bool;
  term.intValue = value;
  return unique(std::move(term), {}, range);
}
T Terms::state(unsigned index, SourceRange range) {
  Term term;
  term.termKind = Term::Kind::State;
  term.intValue = index;
  return unique(std::move(term), {}, range);
}
T Terms::coord(const Rank *rank, SourceRange range) {
  Term term;
  term.termKind = Term::Kind::Coord;
  term.rankRef = rank;
  return unique(std::move(term), {}, range);
}
T Terms::extent(const Rank *rank, SourceRange range) {
  Term term;
  term.termKind = Term::Kind::Extent;
  term.rankRef = rank;
  return unique(std::move(term), {}, range);
}
T Terms::read(Tensor *tensor, ArrayRef<T> indices, Bounds bounds,
              SourceRange range) {
  Term term;
  term.termKind = Term::Kind::Read;
  term.tensorRef = tensor;
  term.sub = uint8_t(bounds);
  return unique(std::move(term), indices, range);
}
T Terms::cast(T operand, ScalarType type, SourceRange range) {
  Term term;
  term.termKind = Term::Kind::Cast;
  term.sub = uint8_t(type);
  return unique(std::move(term), operand, range);
}
T Terms::where(T value, T condition, SourceRange range) {
  if (condition->is(Term::Kind::Bool) && condition->integer())
    return value;
  Term term;
  term.termKind = Term::Kind::Where;
  return unique(std::move(term), {value, condition}, range);
}
T Terms::orElse(T value, T otherwise, SourceRange range) {
  if (value->isConstant())
    return value;
  Term term;
  term.termKind = Term::Kind::Else;
  return unique(std::move(term), {value, otherwise}, range);
}

T Terms::place(T term, ArrayRef<SourceRange> ranges) {
  if (term && term->places.empty() && ranges.size() == term->children.size())
    term->places = copyTo(arena, ranges);
  return term;
}

T Terms::conj(T a, T b) {
  if (!a || !b)
    return a ? a : b;
  return a == b ? a : map(Fn::and_, {a, b});
}

//===----------------------------------------------------------------------===//
// Folding
//===----------------------------------------------------------------------===//

static bool isInt(T term, int64_t value) {
  return term->is(Term::Kind::Int) && term->integer() == value;
}

T Terms::fold(Fn fn, ArrayRef<T> operands, SourceRange range) {
  if (!llvm::all_of(operands, [](T t) { return t->isConstant(); }))
    return nullptr;
  auto count = [&](Term::Kind kind) {
    return size_t(llvm::count_if(operands, [&](T t) { return t->is(kind); }));
  };
  FnTyping typing = info(fn).typing;
  bool logic = typing == FnTyping::Logic;
  if (count(Term::Kind::Bool) != (logic ? operands.size() : 0))
    return nullptr;
  bool integers = count(Term::Kind::Int) == operands.size() &&
                  typing != FnTyping::Real &&
                  !(fn == Fn::pow && operands[1]->integer() < 0);
  bool reals = typing == FnTyping::Arith || typing == FnTyping::Real ||
               typing == FnTyping::Compare;
  if (typing == FnTyping::IntToReal || typing == FnTyping::RealToInt ||
      (!logic && !integers && !reals))
    return nullptr;
  mlir::Builder builder(context);
  mlir::Type type = logic      ? builder.getI1Type()
                    : integers ? mlir::Type(builder.getI64Type())
                               : builder.getF64Type();
  auto values = llvm::map_to_vector(operands, [&](T operand) {
    ScalarValue value;
    if (logic || integers)
      value.integer = operand->integer();
    else
      value.real = operand->is(Term::Kind::Real) ? operand->real()
                                                 : double(operand->integer());
    return value;
  });
  auto result = evaluateFn(fn, type, values);
  if (!result)
    return nullptr;
  if (logic || typing == FnTyping::Compare)
    return boolean(result->integer != 0, range);
  return integers ? integer(result->integer, range) : real(result->real, range);
}

/// Identities that hold whatever the type of the other operand.
T Terms::simplify(Fn fn, ArrayRef<T> operands) {
  if (operands.size() != 2)
    return nullptr;
  T a = operands[0], b = operands[1];
  bool aIsOne = isInt(a, 1), bIsOne = isInt(b, 1);
  if (fn == Fn::add && isInt(a, 0))
    return b;
  if ((fn == Fn::add || fn == Fn::sub) && isInt(b, 0))
    return a;
  if (fn == Fn::mul && (aIsOne || bIsOne))
    return aIsOne ? b : a;
  if (fn == Fn::floordiv && bIsOne)
    return a;
  if (fn != Fn::and_ && fn != Fn::or_)
    return nullptr;
  // Kleene: the constant decides, or leaves the other operand.
  int64_t neutral = fn == Fn::and_;
  if (a->is(Term::Kind::Bool))
    return a->integer() == neutral ? b : a;
  if (b->is(Term::Kind::Bool))
    return b->integer() == neutral ? a : b;
  return nullptr;
}

T Terms::map(Fn fn, ArrayRef<T> operands, SourceRange range) {
  if (T folded = fold(fn, operands, range))
    return folded;
  if (T simple = simplify(fn, operands))
    return simple;
  // log(1 + x) keeps its digits near 0 as log1p.
  if (fn == Fn::log && operands[0]->is(Term::Kind::Map) &&
      operands[0]->fn() == Fn::add)
    for (unsigned i : {0u, 1u})
      if (T one = operands[0]->operand(i);
          isInt(one, 1) || (one->is(Term::Kind::Real) && one->real() == 1))
        return map(Fn::log1p, {operands[0]->operand(1 - i)}, range);
  Term term;
  term.termKind = Term::Kind::Map;
  term.sub = uint8_t(fn);
  return unique(std::move(term), operands, range);
}

std::optional<int64_t> Terms::staticExtent(const Rank *rank) const {
  if (!rank->extent)
    return std::nullopt;
  auto value = staticValue(rank->extent);
  return value ? std::optional(std::max<int64_t>(*value, 0)) : value;
}

std::optional<int64_t> Terms::staticValue(T term) const {
  if (term->is(Term::Kind::Int))
    return term->integer();
  if (term->is(Term::Kind::Extent))
    return staticExtent(term->rank());
  if (!term->is(Term::Kind::Map))
    return std::nullopt;
  FnTyping typing = info(term->fn()).typing;
  if (typing != FnTyping::Arith && typing != FnTyping::Integer)
    return std::nullopt;
  llvm::SmallVector<ScalarValue> values;
  for (T operand : term->operands()) {
    auto value = staticValue(operand);
    if (!value)
      return std::nullopt;
    values.emplace_back().integer = *value;
  }
  auto type = mlir::IntegerType::get(context, 64);
  auto result = evaluateFn(term->fn(), type, values);
  return result ? std::optional(result->integer) : std::nullopt;
}

//===----------------------------------------------------------------------===//
// Linear forms
//===----------------------------------------------------------------------===//

static void addTo(Linear &sum, T term, int64_t factor) {
  if (term->is(Term::Kind::Int)) {
    sum.constant += factor * term->integer();
    return;
  }
  if (term->is(Term::Kind::Map)) {
    ArrayRef<T> operands = term->operands();
    switch (term->fn()) {
    case Fn::add:
    case Fn::sub:
      addTo(sum, operands[0], factor);
      addTo(sum, operands[1], term->fn() == Fn::add ? factor : -factor);
      return;
    case Fn::neg:
      addTo(sum, operands[0], -factor);
      return;
    case Fn::mul:
      for (unsigned i : {0u, 1u})
        if (operands[i]->is(Term::Kind::Int)) {
          addTo(sum, operands[1 - i], factor * operands[i]->integer());
          return;
        }
      break;
    default:
      break;
    }
  }
  // An extent that another extent or a constant gives is that.
  if (term->is(Term::Kind::Extent) && term->rank()->extent) {
    addTo(sum, term->rank()->extent, factor);
    return;
  }
  for (auto &[symbol, coefficient] : sum.parts)
    if (symbol == term) {
      coefficient += factor;
      return;
    }
  sum.parts.push_back({term, factor});
}

Linear attn::text::linearOf(T term) {
  Linear sum;
  addTo(sum, term, 1);
  llvm::erase_if(sum.parts, [](auto &part) { return part.second == 0; });
  return sum;
}

std::optional<int64_t> attn::text::constantDifference(T a, T b) {
  Linear sum;
  addTo(sum, a, 1);
  addTo(sum, b, -1);
  for (auto &part : sum.parts)
    if (part.second != 0)
      return std::nullopt;
  return sum.constant;
}
