//===- Import.cpp - from .attn text to the attn dialect -------------------===//

#include "frontends/text/Import.h"
#include "frontends/text/Emit.h"
#include "frontends/text/Parser.h"
#include "frontends/text/Prelude.h"
#include "frontends/text/Sema.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/Verifier.h"

using namespace attn;
using namespace attn::text;
using llvm::StringRef;

static StringRef word(const Decl &decl) {
  switch (decl.kind()) {
  case Decl::Kind::Cascade:
    return "cascade";
  case Decl::Kind::Def:
    return "def";
  case Decl::Kind::Monoid:
    return "monoid";
  }
  llvm_unreachable("unknown declaration");
}

static void fillTable(DeclTable &table, const Ast &ast,
                      Diagnostics &diagnostics) {
  for (const Decl *decl : ast.decls) {
    const Ident &name = decl->name();
    if (isBuiltin(name.name))
      diagnostics.error(name.range, word(*decl) + " " + name.name +
                                        " has the name of a built-in function");
    else if (!table.decls.try_emplace(name.name, decl).second)
      diagnostics.error(name.range, name.name + " is defined twice");
  }
}

//===----------------------------------------------------------------------===//
// Recursion
//===----------------------------------------------------------------------===//

namespace {
/// Definitions are macros: one that reaches itself has no expansion.
class RecursionCheck {
public:
  RecursionCheck(const DeclTable &table, Diagnostics &diagnostics)
      : table(table), diagnostics(diagnostics) {}

  void run(const Ast &ast) {
    for (const Decl *decl : ast.decls)
      visit(*decl);
  }

private:
  void visit(const Decl &decl) {
    if (llvm::is_contained(path, &decl)) {
      diagnostics.error(decl.name().range,
                        word(decl) + " " + decl.name().name + " is recursive");
      return;
    }
    if (!done.insert(&decl).second)
      return;
    path.push_back(&decl);
    if (auto *def = llvm::dyn_cast<DefDecl>(&decl)) {
      if (def->expr)
        calls(*def->expr);
      for (const Stmt *stmt : def->body)
        calls(*stmt);
    } else if (auto *monoid = llvm::dyn_cast<MonoidDecl>(&decl)) {
      calls(*monoid->combination);
    }
    path.pop_back();
  }

  void calls(const Stmt &stmt) {
    if (auto *equation = llvm::dyn_cast<EquationStmt>(&stmt))
      calls(*equation->rhs);
    if (auto *tuple = llvm::dyn_cast<TupleEquationStmt>(&stmt))
      calls(*tuple->rhs);
    if (auto *result = llvm::dyn_cast<ReturnStmt>(&stmt))
      calls(*result->value);
  }

  void calls(const Expr &expr) {
    if (auto *call = llvm::dyn_cast<CallExpr>(&expr))
      if (const Decl *callee = table.decls.lookup(call->callee.name))
        if (!llvm::isa<CascadeDecl>(callee))
          visit(*callee);
    forEachChild(expr, [&](const Expr &child) { calls(child); });
  }

  const DeclTable &table;
  Diagnostics &diagnostics;
  llvm::SmallVector<const Decl *> path;
  llvm::SmallPtrSet<const Decl *, 16> done;
};
} // namespace

//===----------------------------------------------------------------------===//
// Import
//===----------------------------------------------------------------------===//

/// A cut cascade is meant by the names of what is derived from it, too.
static bool isMeant(const CascadeDecl &cascade, StringRef entry) {
  if (!entry.consume_front(cascade.name().name))
    return entry.empty();
  return entry.empty() ||
         (!cascade.cuts.empty() && (entry == "_partial" || entry == "_merge" ||
                                    entry == "_finish"));
}

static bool hasConst(const Ast &ast, StringRef name) {
  for (const Decl *decl : ast.decls)
    if (auto *cascade = llvm::dyn_cast<CascadeDecl>(decl))
      for (const Port &port : cascade->inputs)
        if (port.isConst && port.name.name == name)
          return true;
  return false;
}

mlir::OwningOpRef<mlir::ModuleOp> attn::text::importSource(
    mlir::MLIRContext &context, SourceManager &sources, StringRef fileName,
    StringRef text, const ImportOptions &options, Diagnostics &diagnostics) {
  context.loadDialect<AttnDialect, mlir::arith::ArithDialect>();
  // First, so that the user's file has the offsets an editor expects.
  const SourceFile *file = sources.add(fileName, text);
  const SourceFile *preludeFile = sources.add(preludeName, preludeText());
  if (!file || !preludeFile) {
    diagnostics.error({}, "the source text is too large");
    return {};
  }
  Ast prelude = parse(*preludeFile, diagnostics);
  Ast ast = parse(*file, diagnostics, options.widePorts);
  if (diagnostics.hasErrors())
    return {};
  DeclTable library, table;
  fillTable(library, prelude, diagnostics);
  library.file = preludeFile;
  table.outer = &library;
  table.file = file;
  fillTable(table, ast, diagnostics);
  RecursionCheck(table, diagnostics).run(ast);
  SourceRange begin{file->base(), file->base()};
  for (auto &entry : options.consts)
    if (!hasConst(ast, entry.first()))
      diagnostics.error(begin,
                        "no cascade has a const scalar " + entry.first());
  if (diagnostics.hasErrors())
    return {};

  auto module = mlir::OwningOpRef<mlir::ModuleOp>(mlir::ModuleOp::create(
      mlir::FileLineColLoc::get(&context, fileName, 1, 1)));
  unsigned cascades = 0;
  for (const Decl *decl : ast.decls) {
    auto *cascade = llvm::dyn_cast<CascadeDecl>(decl);
    if (!cascade || !isMeant(*cascade, options.entry))
      continue;
    ++cascades;
    unsigned before = diagnostics.errorCount();
    Model model(&context);
    Sema(model, table, options, diagnostics).run(*cascade);
    if (diagnostics.errorCount() > before)
      continue;
    inferTypes(model);
    Emitter(model, *module, diagnostics).run();
  }
  // Monoids that nothing uses are checked all the same.
  for (const Decl *decl : ast.decls) {
    auto *monoid = llvm::dyn_cast<MonoidDecl>(decl);
    if (!monoid || module->lookupSymbol(monoid->name().name))
      continue;
    Model model(&context);
    MonoidUse *use =
        Sema(model, table, options, diagnostics).declareUnused(*monoid);
    if (!use)
      continue;
    while (raiseStates(*use))
      ;
    Emitter(model, *module, diagnostics).declareMonoid(*use);
  }
  if (cascades == 0)
    diagnostics.error(begin, options.entry.empty()
                                 ? "the file has no cascade"
                                 : "the file has no cascade " + options.entry);
  diagnostics.sortFrom(0);
  if (diagnostics.hasErrors())
    return {};
  if (mlir::failed(mlir::verify(*module))) {
    diagnostics.error(begin, "internal error: the import does not verify");
    return {};
  }
  return module;
}
