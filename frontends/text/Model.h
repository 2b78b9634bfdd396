//===- Model.h - ranks, tensors and scopes of one cascade -------*- C++ -*-===//
//
// The resolved cascade between syntax tree and dialect. All objects belong to
// the Model; names are unique in the emitted cascade.
//
//===----------------------------------------------------------------------===//

#ifndef ATTN_FRONTENDS_TEXT_MODEL_H
#define ATTN_FRONTENDS_TEXT_MODEL_H

#include "frontends/text/Term.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringSet.h"
#include <deque>

namespace attn::text {

using RankList = llvm::SmallVector<const Rank *, 4>;

/// `whole = (parts..)` or `whole = part ++ part..`.
struct RankRelation {
  bool isProduct;
  Rank *whole;
  llvm::SmallVector<Rank *, 2> parts;
  SourceRange range;
  /// Product: |whole| is provably the product of the parts' extents, so no
  /// point of the parts is beyond it.
  bool exact = false;
};

/// An extent that the program states, and where.
struct StatedExtent {
  T term;
  std::string place; ///< "K axis 2", "with"
  SourceRange range;
};

struct Rank {
  std::string name;
  unsigned id;
  SourceRange range;
  bool onInput = false; ///< an axis of what is stored carries it
  llvm::SmallVector<StatedExtent, 1> stated;
  size_t compared = 0;  ///< of `stated`
  T extent = nullptr;   ///< derived or static; null if free
  T fallback = nullptr; ///< a bound to use if nothing else gives the extent
  const RankRelation *asWhole = nullptr;
  llvm::SmallVector<const RankRelation *, 1> asPart;

  bool known() const { return extent || onInput; }
};

/// A monoid at given component types.
struct MonoidUse {
  const MonoidDecl *decl;
  llvm::SmallVector<T> identity;
  llvm::SmallVector<T> combination;
  llvm::SmallVector<Ty> types;
  std::string symbol; ///< set when it is emitted
};

struct Tensor;

/// What defines a tensor or several.
struct Definition {
  enum class Kind { Map, Reduce, Monoid, Order, Equations };
  Kind kind = Kind::Map;
  bool absorbed = false; ///< another definition stands for it
  SourceRange range;
  SourceRange valueRange; ///< right side, or the call of a reduction
  RankList space;
  llvm::SmallVector<Tensor *, 1> results;
  llvm::SmallVector<T, 1> terms; ///< map values, or keys of an order
  RankList reduced;
  Reduce reduce = Reduce::sum;
  MonoidUse *monoid = nullptr;
  const Rank *from = nullptr, *to = nullptr; ///< of an order
  /// Of equations: the operands and, per operand, one index a rank: null is
  /// that rank's coordinate, else the constant index.
  llvm::SmallVector<Tensor *> operands;
  llvm::SmallVector<llvm::SmallVector<T>> patterns;
};

struct Tensor {
  std::string name;
  SourceRange range;
  RankList ranks;
  std::optional<ScalarType> declared; ///< rounded to it
  Ty type = Ty::None;
  int input = -1; ///< index of the input port
  Definition *definition = nullptr;
  bool helper = false;   ///< made by the front end, not named by the program
  bool poisoned = false; ///< its definition had errors
};

/// A run-time scalar: an input without axes.
bool isRunTimeScalar(const Tensor &tensor);

/// The coordinates in scope: of each rank of the space, in order. Uniqued.
struct Env {
  llvm::SmallVector<std::pair<const Rank *, T>, 6> coords;
  const Env *canonical = nullptr; ///< every rank at its own coordinate

  T find(const Rank *rank) const {
    for (auto &[r, term] : coords)
      if (r == rank)
        return term;
    return nullptr;
  }
  bool has(const Rank *rank) const { return find(rank) != nullptr; }
};

/// A tensor as a scope sees it: `lead` ranks are ambient, `own` ranks written.
struct View {
  Tensor *tensor = nullptr;
  RankList lead, own;
};

struct Scope;

/// What a name means.
struct Entity {
  enum class Kind { Ranks, Scalar, View, Argument };
  Kind kind;
  RankList ranks;             ///< one, or what a rank formal stands for
  T term = nullptr;           ///< of a const scalar
  View view;                  ///< of a tensor
  const Expr *expr = nullptr; ///< of an argument, with the scope it is from
  Scope *scope = nullptr;
  SourceRange range;
  bool clashes = false; ///< reported: uses of it say nothing more
};

struct DeclTable;

struct Scope {
  const DeclTable *decls;
  llvm::MapVector<llvm::StringRef, Entity> names;
  /// Where to report what is in the prelude; empty in the user's own text.
  SourceRange site;
  std::string owner; ///< prefix of the names of local tensors
  llvm::SmallVector<const CascadeDecl *> calls; ///< that are being inlined
  /// Ambient ranks that a formal brings to the local tensors that use it.
  llvm::StringMap<RankList> ambient;
  /// Declared types of the tensors that are outputs.
  llvm::StringMap<ScalarType> outputTypes;

  const Entity *find(llvm::StringRef name) const {
    auto it = names.find(name);
    return it == names.end() ? nullptr : &it->second;
  }
};

/// The declarations that calls of one file see: its own over the prelude's.
struct DeclTable {
  llvm::StringMap<const Decl *> decls;
  const DeclTable *outer = nullptr;
  const SourceFile *file = nullptr;

  const Decl *find(llvm::StringRef name, const DeclTable **home) const {
    for (const DeclTable *table = this; table; table = table->outer)
      if (const Decl *decl = table->decls.lookup(name)) {
        *home = table;
        return decl;
      }
    return nullptr;
  }
};

/// A rank of offsets into (tiles of) rows: either extent gives the other.
struct OffsetPair {
  Rank *offsets, *rows;
  T offsetsExtent, rowsExtent;
};

/// One port as it is stored.
struct StoredPort {
  std::string name;
  Tensor *tensor;            ///< what is stored
  const Port *port;          ///< null for a scale
  Tensor *logical = nullptr; ///< what the program reads or defines, if other
  std::string layout;        ///< kind, empty if dense
  llvm::SmallVector<std::string, 2> tables;
  std::string scale; ///< name of the scale port of a quantised one
  llvm::SmallVector<std::string, 3> per;
  std::string into;
  std::optional<ScalarType> value; ///< declared type of a quantised one
  T init = nullptr;
};

/// Everything of one cascade.
struct Model {
  explicit Model(mlir::MLIRContext *context) : terms(context) {}

  const CascadeDecl *decl = nullptr;
  Terms terms;
  std::deque<Rank> ranks;
  std::deque<RankRelation> relations;
  std::deque<Tensor> tensors;
  std::deque<Definition> definitions;
  std::deque<MonoidUse> monoids;
  std::vector<OffsetPair> offsets;
  std::vector<StoredPort> inputs, outputs;
  std::string cut;
  llvm::StringSet<> rankNames, tensorNames;

  /// `name`, or `name.1`, `name.2`, .. if it is taken.
  static std::string uniqueName(llvm::StringSet<> &taken, llvm::StringRef name);
  Rank *addRank(llvm::StringRef name, SourceRange range);
  Tensor *addTensor(llvm::StringRef name, llvm::ArrayRef<const Rank *> ranks,
                    SourceRange range);
  Definition *define(Definition::Kind kind, llvm::ArrayRef<Tensor *> results,
                     SourceRange range);
  RankRelation *addRelation(bool isProduct, Rank *whole,
                            llvm::ArrayRef<Rank *> parts, SourceRange range);
  /// `roots` and what they need, operands first wherever no recurrence forbids
  /// it.
  static std::vector<Definition *> inOrder(llvm::ArrayRef<Definition *> roots);
};

/// Tensors that a definition reads.
llvm::SmallVector<Tensor *> readsOf(const Definition &definition);

} // namespace attn::text

#endif // ATTN_FRONTENDS_TEXT_MODEL_H
