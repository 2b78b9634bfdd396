//===- Sema.h - semantic analysis of one cascade ----------------*- C++ -*-===//
//
// Private to the front end. Turns a CascadeDecl into a Model: ports and ranks
// first, then every equation, then the equations of the local tensors that
// inlined definitions and calls bring, until none is left.
//
// Functions that return a T or a pointer return null after an error that has
// been reported.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_SEMA_H
#define ATTN_FRONTENDS_TEXT_SEMA_H

#include "frontends/text/Import.h"
#include "frontends/text/Model.h"
#include <map>

namespace attn::text {

/// Where an expression is evaluated.
struct Context {
  const Env *env;
  Scope *scope;
  bool leftOfElse = false; ///< and not inside a reduction there
};

class Sema {
public:
  Sema(Model &model, const DeclTable &file, const ImportOptions &options,
       Diagnostics &diagnostics);
  void run(const CascadeDecl &decl);
  /// A monoid that no cascade uses, at the types of its identity.
  MonoidUse *declareUnused(const MonoidDecl &decl);

private:
  //===--- Reporting (Sema.cpp) -------------------------------------------===//
  void error(SourceRange range, const llvm::Twine &text,
             const llvm::Twine &hint = "");
  void warning(SourceRange range, const llvm::Twine &text,
               const llvm::Twine &hint = "");
  static SourceRange at(SourceRange range, const Scope *scope) {
    return scope->site.empty() ? range : scope->site;
  }
  llvm::StringRef source(SourceRange range) const {
    return diagnostics.sourceManager().text(range);
  }

  //===--- Names (SemaNames.cpp) ------------------------------------------===//
  bool declare(Scope *scope, llvm::StringRef name, Entity entity);
  Rank *declareRank(Scope *scope, const Ident &ident);
  bool declareRanks(Scope *scope, const Ident &ident,
                    llvm::ArrayRef<const Rank *> ranks);
  const Entity *resolve(llvm::StringRef name, Scope *&scope);
  std::string suggestion(llvm::StringRef name, const Scope *scope,
                         bool functions) const;

  //===--- Const scalars (SemaConsts.cpp) ---------------------------------===//
  void bindConst(const Port &port);
  T constantValue(const Port &port, llvm::StringRef text);
  T convertConstant(T value, const Port &port, SourceRange range);

  //===--- Ports (SemaPorts.cpp) ------------------------------------------===//
  void declarePorts(const CascadeDecl &decl);
  void rankInput(const Port &port);
  void addInput(const Port &port);
  void addScale(const Port &port, const Annotation &quant, StoredPort &stored);
  void finishOutputs(const CascadeDecl &decl);

  //===--- Layouts (SemaLayout.cpp) ---------------------------------------===//
  struct LayoutPlan;
  std::optional<LayoutPlan> planLayout(const Port &port,
                                       llvm::ArrayRef<const Rank *> logical);
  bool planPaged(LayoutPlan &plan, const Port &port);
  bool planPacked(LayoutPlan &plan, const Port &port);
  bool planSparse(LayoutPlan &plan, const Port &port);
  const View *tableArgument(const Port &port, const Annotation &layout,
                            unsigned index);
  T readTable(const View &table, T last, const Env *env);
  T readStored(const LayoutPlan &plan, Tensor *stored, const Env *env);
  T lastWhere(const Rank *rank, T condition, llvm::StringRef name,
              SourceRange range);
  Tensor *storeOutput(const LayoutPlan &plan, const Port &port, Tensor *logical,
                      Tensor *old);

  //===--- Ranks (SemaRanks.cpp) ------------------------------------------===//
  RankList resolveRanks(llvm::ArrayRef<Ident> idents, Scope *scope,
                        bool &failed);
  const Rank *resolveRank(const Ident &ident, Scope *scope);
  void declareRelation(const Relation &relation, Scope *scope);
  void stateRelation(const Relation &relation, Scope *scope);
  void relate(bool isProduct, Rank *whole, llvm::ArrayRef<Rank *> parts,
              SourceRange range);
  T evalExtent(const Expr &expr, Scope *scope, llvm::StringRef rank);
  void stateExtent(Rank *rank, T term, std::string place, SourceRange range);
  bool checkCycle(Rank *rank);
  void solveExtents(bool final);
  bool solveRelation(RankRelation &relation);
  void checkExtents();

  //===--- Spaces (SemaSpaces.cpp) ----------------------------------------===//
  const Env *intern(llvm::ArrayRef<std::pair<const Rank *, T>> coords);
  const Env *plainEnv(llvm::ArrayRef<const Rank *> ranks);
  llvm::SmallVector<T> identity(llvm::ArrayRef<const Rank *> ranks);
  /// Binds ranks: their relatives leave the space.
  const Env *bind(const Env *env, llvm::ArrayRef<const Rank *> ranks,
                  llvm::ArrayRef<T> values);
  void checkSpace(const Env *env, SourceRange range);
  T coordinate(const Rank *rank, const Env *env, SourceRange range);
  T determine(const Rank *rank, const Env *env,
              llvm::SmallPtrSetImpl<const RankRelation *> &visited,
              SourceRange range);
  T wholeOf(const RankRelation &relation, llvm::ArrayRef<T> parts);
  T partOf(const RankRelation &relation, unsigned part, T whole);
  /// That no determined product coordinate is beyond its extent; null if
  /// nothing needs to be said.
  T ragged(const Env *env,
           llvm::function_ref<bool(const RankRelation &, T)> relevant);
  std::string names(const Env *env) const;

  //===--- Expressions (SemaExpr.cpp) -------------------------------------===//
  T eval(const Expr &expr, const Context &ctx);
  T evalUncached(const Expr &expr, const Context &ctx);
  T evalNumber(const NumberExpr &expr, const Context &ctx);
  T evalName(const NameExpr &expr, const Context &ctx);
  T evalExtentOf(const ExtentExpr &expr, const Context &ctx);
  T evalBinary(const BinaryExpr &expr, const Context &ctx);
  T evalSubst(const SubstExpr &expr, const Context &ctx);
  static Fn comparison(BinaryOp op);
  /// Notes where the operands of `term` stand, for errors about their types.
  T placed(T term, llvm::ArrayRef<const Expr *> operands, const Scope *scope);

  //===--- Accesses (SemaAccess.cpp) --------------------------------------===//
  T evalAccess(const AccessExpr &expr, const Context &ctx);
  T bare(const View &view, llvm::StringRef name, const Context &ctx,
         SourceRange range);
  /// `free`: indices that are plain determined coordinates, absent outside.
  T read(const View &view, llvm::ArrayRef<T> own, llvm::ArrayRef<bool> free,
         bool optional, const Context &ctx, SourceRange range);
  T withinExtent(T index, const Rank *rank);

  //===--- Calls (SemaCalls.cpp) ------------------------------------------===//
  T evalCall(const CallExpr &call, const Context &ctx);
  T evalFunction(Fn fn, const CallExpr &call, const Context &ctx);
  bool checkArguments(const CallExpr &call, size_t least, size_t most,
                      const Scope *scope);

  //===--- Reductions (SemaReductions.cpp) --------------------------------===//
  T evalBuiltin(Reduce reduce, const CallExpr &call, const Context &ctx);
  T evalOrder(const CallExpr &call, const Context &ctx);
  /// One read per component of a reduction of `args` over `ranks`.
  llvm::SmallVector<T> reduce(llvm::ArrayRef<const Expr *> args,
                              const RankList &ranks, llvm::StringRef op,
                              Reduce reduce, MonoidUse *monoid,
                              const Context &ctx, SourceRange range);
  /// The tensor of a reduction over the ranks that `terms` use; found again if
  /// there is one already.
  Definition *helper(llvm::StringRef op, Reduce reduce, MonoidUse *monoid,
                     const RankList &reduced, llvm::ArrayRef<T> terms,
                     const Env *inner, SourceRange range);
  llvm::SmallVector<T> readHelper(Definition *definition, const Env *env,
                                  SourceRange range);

  //===--- Monoids (SemaMonoids.cpp) --------------------------------------===//
  T evalMonoid(const MonoidDecl &decl, const DeclTable *home,
               const CallExpr &call, const Context &ctx);
  llvm::SmallVector<T> evalMonoidTuple(const MonoidDecl &decl,
                                       const DeclTable *home,
                                       const CallExpr &call,
                                       const Context &ctx);
  MonoidUse *useMonoid(const MonoidDecl &decl, const DeclTable *home,
                       const Scope *caller, SourceRange site);

  //===--- Definitions (SemaDefinitions.cpp) ------------------------------===//
  T evalDef(const DefDecl &def, const DeclTable *home, const CallExpr &call,
            const Context &ctx);
  bool checkRanks(const DefDecl &def, const CallExpr &call, size_t ranks,
                  SourceRange range);
  bool bindCall(const DefDecl &def, const CallExpr &call, Scope *scope,
                Scope *caller, RankList &bound);
  Scope *expand(const DefDecl &def, const DeclTable *home, const CallExpr &call,
                const Context &ctx);
  void addAmbient(Scope *scope, llvm::StringRef formal, const Expr &arg,
                  Scope *argScope, const Env *env, const RankList &bound);

  //===--- Equations (SemaEquations.cpp) ----------------------------------===//
  /// One index of a left side.
  struct LeftIndex {
    const Rank *rank = nullptr; ///< plain
    T constant = nullptr;       ///< or this
  };
  struct Equation {
    const LeftSide *lhs;
    const Expr *rhs;
    const Stmt *stmt;
    unsigned index; ///< of the left side in its statement
    std::optional<TypeRef> type;
    llvm::SmallVector<LeftIndex, 6> indices;
  };
  struct Pending {
    Tensor *tensor;
    Scope *scope;
    View view;
    std::vector<Equation> equations;
  };
  void define(Pending &pending);
  T evalEquation(const Pending &pending, const Equation &equation);
  T evalRightSide(const Pending &pending, const Equation &equation,
                  const Context &ctx);
  T evalCascade(const CascadeDecl &callee, const DeclTable *home,
                const CallExpr &call, const Pending &pending,
                const Equation &equation, const Context &ctx);
  T evalComponent(const Decl *decl, const DeclTable *home,
                  const Equation &equation, const Context &ctx);

  //===--- Bodies (SemaBodies.cpp) ----------------------------------------===//
  void declareBody(llvm::ArrayRef<const Stmt *> body, Scope *scope,
                   const Env *around);
  /// `lead`: ambient ranks of what the tensor reads.
  void declareTensor(Pending pending, llvm::StringRef name, RankList lead);
  void declareType(const Pending &pending, llvm::StringRef name);
  RankList ambientOf(const llvm::StringMap<llvm::StringSet<>> &uses,
                     llvm::StringRef name, Scope *scope, const Env *around);

  //===--- Left sides (SemaLeftSides.cpp) ---------------------------------===//
  bool readLeftSide(Equation &equation, Scope *scope);
  bool addPlain(Equation &equation, const NameExpr &name,
                llvm::ArrayRef<const Rank *> ranks, Scope *scope);
  bool addConstant(Equation &equation, const Expr &index, Scope *scope);
  bool ownRanks(Pending &pending, llvm::StringRef name);
  bool plainRanks(const Pending &pending, llvm::StringRef name, RankList &own);
  bool matchPort(const Port &port, SourceRange range, RankList &own);
  Rank *rankOfConstants(const Pending &pending, llvm::StringRef name,
                        unsigned i, SourceRange range);
  /// Points that two equations define.
  struct Overlap {
    llvm::SmallVector<T> meet; ///< constants of either; null: all of a rank
    std::string point;         ///< the same as text
    bool xMore = false;        ///< x has a constant where y has none
    bool yMore = false;
  };
  std::optional<Overlap> overlapOf(const Equation &x, const Equation &y,
                                   const RankList &own);
  void checkPatterns(const Pending &pending);

  //===--- Checks on right sides (SemaChecks.cpp) -------------------------===//
  void checkOnlyReduced(const Pending &pending, const Equation &equation,
                        T term);
  void checkOutside();

  //===--- Cascade calls (SemaInline.cpp) ---------------------------------===//
  struct Inlined {
    std::vector<View> outputs;
  };
  Inlined *inlineCall(const CascadeDecl &callee, const DeclTable *home,
                      const CallExpr &call, const Pending &pending,
                      const Stmt *stmt);
  /// A call on its way into the caller.
  struct Inlining {
    const CascadeDecl &callee;
    const CallExpr &call;
    Scope *caller;
    SourceRange range;
    Scope *scope = nullptr; ///< of the callee's body
    llvm::SmallVector<const LeftSide *> sides{};
    llvm::SmallVector<RankList> spans{};  ///< of the left sides
    const Env *around = nullptr;          ///< the space of all of them
    llvm::DenseSet<const Rank *> taken{}; ///< by ranks of the callee
  };
  bool checkCall(const Inlining &inlining);
  bool findSpans(Inlining &inlining, const RankList &lead);
  bool bindFormal(Inlining &inlining, const Port &formal, unsigned index);
  bool bindTensor(Inlining &inlining, const Port &formal, const Expr &arg,
                  SourceRange range);
  bool bindAxis(Inlining &inlining, const Axis &axis, const Rank *rank,
                SourceRange range);
  bool bindOutputs(Inlining &inlining);
  bool checkAmbient(const Inlining &inlining, const RankList &lead);
  void inlineRanks(const Inlining &inlining);
  void inlineRelation(const Relation &relation, Scope *scope,
                      SourceRange range);
  const View *wholeTensor(const Expr &expr, Scope *scope);

  Model &model;
  Terms &terms;
  const DeclTable &file;
  const ImportOptions &options;
  Diagnostics &diagnostics;

  std::deque<Scope> scopes;
  Scope *top = nullptr;
  std::string current; ///< the tensor whose equation is evaluated
  unsigned silent = 0; ///< errors are not reported
  /// Expressions being evaluated: bounded, for the stack is.
  unsigned depth = 0;
  static constexpr unsigned maxDepth = 4000;
  static constexpr size_t maxScopes = 20000;
  llvm::StringSet<> reported;
  llvm::DenseSet<const Rank *> ambiguous; ///< reported as such

  std::map<std::vector<const void *>, std::unique_ptr<Env>> envs;
  llvm::DenseMap<std::pair<const Env *, const Rank *>, T> coordinates;
  std::map<std::vector<const void *>, T> values;
  std::map<std::vector<const void *>, Definition *> helpers;
  std::map<std::vector<const void *>, Scope *> expansions;
  std::map<const MonoidDecl *, std::unique_ptr<MonoidUse>> monoidBodies;
  std::map<std::pair<const Stmt *, const Scope *>, Inlined> inlined;
  std::deque<Pending> pendings;
  llvm::DenseMap<const Tensor *, std::vector<std::vector<T>>> basePoints;

  struct AccessRecord {
    const Tensor *tensor;
    size_t lead; ///< ambient ranks before those of `indices`
    llvm::SmallVector<T, 6> indices;
    SourceRange range;
    SourceRange text;
  };
  std::vector<AccessRecord> accesses;
};

/// Functions, reductions, `order`, casts: what no declaration may redefine.
bool isBuiltin(llvm::StringRef name);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_SEMA_H
