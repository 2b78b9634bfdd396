//===- Sema.cpp - semantic analysis of one cascade ------------------------===//
//
// The order of work, and reporting.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
using llvm::StringRef;
using llvm::Twine;

Sema::Sema(Model &model, const DeclTable &file, const ImportOptions &options,
           Diagnostics &diagnostics)
    : model(model), terms(model.terms), file(file), options(options),
      diagnostics(diagnostics) {}

void Sema::run(const CascadeDecl &decl) {
  model.decl = &decl;
  top = &scopes.emplace_back();
  top->decls = &file;
  declarePorts(decl);
  declareBody(decl.body, top, plainEnv({}));
  // Equations bring local tensors with equations of their own. Pendings does
  // not move its elements.
  for (size_t i = 0; i < pendings.size(); ++i)
    define(pendings[i]);
  finishOutputs(decl);
  checkOutside();
  checkExtents();
}

MonoidUse *Sema::declareUnused(const MonoidDecl &decl) {
  Scope *scope = &scopes.emplace_back();
  scope->decls = &file;
  return useMonoid(decl, &file, scope, decl.range());
}

void Sema::error(SourceRange range, const Twine &text, const Twine &hint) {
  if (silent)
    return;
  std::string key = (Twine(range.begin) + ":" + text).str();
  if (reported.insert(key).second)
    diagnostics.error(range, text, hint);
}

void Sema::warning(SourceRange range, const Twine &text, const Twine &hint) {
  std::string key = (Twine(range.begin) + ":" + text).str();
  if (!silent && reported.insert(key).second)
    diagnostics.warning(range, text, hint);
}

std::string Sema::suggestion(StringRef name, const Scope *scope,
                             bool functions) const {
  StringRef best;
  unsigned bestDistance = name.size() / 3 + 1;
  auto consider = [&](StringRef candidate) {
    unsigned distance = name.edit_distance(candidate, true, bestDistance);
    if (distance <= bestDistance && distance < name.size() &&
        (best.empty() || distance < bestDistance)) {
      best = candidate;
      bestDistance = distance;
    }
  };
  if (!functions) {
    for (auto &entry : scope->names)
      consider(entry.first);
  } else {
    for (const DeclTable *table = scope->decls; table; table = table->outer)
      for (auto &entry : table->decls)
        if (!entry.first().ends_with("_"))
          consider(entry.first());
    for (unsigned fn = 0; fn <= getMaxEnumValForFn(); ++fn)
      consider(stringifyFn(Fn(fn)));
    for (unsigned op = 0; op <= getMaxEnumValForReduce(); ++op)
      consider(stringifyReduce(Reduce(op)));
  }
  return best.empty() ? "" : ("did you mean " + best + "?").str();
}
