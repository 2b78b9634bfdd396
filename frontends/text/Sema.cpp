//===- Sema.cpp - semantic analysis of one cascade ------------------------===//
//
// The order of work, and reporting.
//
//===----------------------------------------------------------------------===//

#include "frontends/text/Sema.h"

using namespace attn;
using namespace attn::text;
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
