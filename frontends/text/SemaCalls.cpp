//===- SemaCalls.cpp - calls of functions --------------------------------===//
//
// Built-in functions and casts, and which kind of call a call is.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::StringRef;
using llvm::Twine;

/// The functions of the language; the others of the table are spelled as
/// operators or come from laws.
static std::optional<Fn> functionNamed(StringRef name) {
  static const llvm::StringMap<Fn> table = [] {
    llvm::StringMap<Fn> map;
    for (Fn fn : {Fn::exp,   Fn::log,  Fn::sqrt,      Fn::rsqrt,   Fn::tanh,
                  Fn::sin,   Fn::cos,  Fn::erf,       Fn::abs,     Fn::sign,
                  Fn::floor, Fn::ceil, Fn::round,     Fn::min,     Fn::max,
                  Fn::isnan, Fn::msb,  Fn::xor_,      Fn::band,    Fn::shl,
                  Fn::shr,   Fn::bits, Fn::from_bits, Fn::uniform, Fn::normal})
      map[stringifyFn(fn)] = fn;
    return map;
  }();
  auto it = table.find(name);
  return it == table.end() ? std::nullopt : std::optional(it->second);
}

bool attn::text::isBuiltin(StringRef name) {
  return functionNamed(name) || symbolizeReduce(name) || name == "order" ||
         scalarTypeNamed(name);
}

bool Sema::checkArguments(const CallExpr &call, size_t least, size_t most,
                          const Scope *scope) {
  size_t count = call.args.size();
  if (count >= least && count <= most)
    return true;
  size_t wanted = count < least ? least : most;
  StringRef limit = least == most   ? ""
                    : count < least ? "at least "
                                    : "at most ";
  error(at(call.range(), scope),
        call.callee.name + " takes " + limit + Twine(wanted) +
            (wanted == 1 ? " argument, not " : " arguments, not ") +
            Twine(count));
  return false;
}

T Sema::evalCall(const CallExpr &call, const Context &ctx) {
  StringRef name = call.callee.name;
  SourceRange range = at(call.range(), ctx.scope);
  if (name == "order")
    return evalOrder(call, ctx);
  // `min` and `max` are both: the ranks decide.
  std::optional<Fn> fn = functionNamed(name);
  std::optional<Reduce> reduction = symbolizeReduce(name);
  if (reduction && (call.hasRanks() || !fn))
    return evalBuiltin(*reduction, call, ctx);
  if (fn || scalarTypeNamed(name)) {
    if (call.hasRanks()) {
      error(range, name + " is a function and takes no ranks");
      return nullptr;
    }
    if (fn)
      return evalFunction(*fn, call, ctx);
    if (!checkArguments(call, 1, 1, ctx.scope))
      return nullptr;
    T operand = eval(*call.args[0], ctx);
    return operand ? placed(terms.cast(operand, *scalarTypeNamed(name), range),
                            call.args, ctx.scope)
                   : nullptr;
  }
  const DeclTable *home = nullptr;
  const Decl *decl = ctx.scope->decls->find(name, &home);
  bool isPrivate =
      decl && name.ends_with("_") && !home->outer && ctx.scope->decls != home;
  if (!decl || isPrivate) {
    const Entity *entity = ctx.scope->find(name);
    if (entity && entity->kind == Entity::Kind::View)
      error(range, name + " is a tensor, not a function",
            "an access is written " + name + "[..]");
    else
      error(range, "unknown function " + name,
            isPrivate ? "it is private to the prelude"
                      : suggestion(name, ctx.scope, true));
    return nullptr;
  }
  if (auto *def = llvm::dyn_cast<DefDecl>(decl))
    return evalDef(*def, home, call, ctx);
  if (auto *monoid = llvm::dyn_cast<MonoidDecl>(decl))
    return evalMonoid(*monoid, home, call, ctx);
  error(range, "the call of cascade " + name + " is no whole right side",
        "`(O[..]) = " + name + "(..)`, then use O");
  return nullptr;
}

T Sema::evalFunction(Fn fn, const CallExpr &call, const Context &ctx) {
  int arity = info(fn).arity;
  if (!checkArguments(call, arity < 0 ? 1 : arity, arity < 0 ? 256 : arity,
                      ctx.scope))
    return nullptr;
  llvm::SmallVector<T> operands;
  bool bad = false;
  for (const Expr *arg : call.args) {
    operands.push_back(eval(*arg, ctx));
    bad |= !operands.back();
  }
  if (bad)
    return nullptr;
  // `sqrt(d)` where `sqrt(|d|)` is usual.
  if (fn == Fn::sqrt || fn == Fn::rsqrt)
    if (auto *name = llvm::dyn_cast<NameExpr>(call.args[0]))
      if (const Entity *entity = ctx.scope->find(name->name);
          entity && entity->kind == Entity::Kind::Ranks)
        warning(at(call.range(), ctx.scope),
                call.callee.name + "(" + name->name +
                    ") takes the coordinate " + name->name,
                "`" + call.callee.name + "(|" + name->name + "|)`");
  return placed(terms.map(fn, operands, at(call.range(), ctx.scope)), call.args,
                ctx.scope);
}
