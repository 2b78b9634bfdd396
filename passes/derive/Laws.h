//===- Laws.h - laws, where they fired, where they refused ------*- C++ -*-===//
// One row a law (Laws.def). What fired and what was refused, and by which
// condition, is kept on the cascade for whoever explains or counts it.
//===----------------------------------------------------------------------===//
#ifndef ATTN_PASSES_DERIVE_LAWS_H
#define ATTN_PASSES_DERIVE_LAWS_H

#include "dialect/Attn.h"
#include "llvm/ADT/Twine.h"

namespace attn {

enum class Law {
#define ATTN_LAW(id, name, identity, conditions, apply) id,
#include "passes/derive/Laws.def"
};

using LawFn = void (*)(CascadeOp);

struct LawRow {
  Law law;
  llvm::StringLiteral name, identity, conditions;
  LawFn apply;
};

/// The table, in the order of application.
llvm::ArrayRef<LawRow> laws();
const LawRow &row(Law law);

/// Applies all rows, each function once.
void applyLaws(CascadeOp cascade);
/// The form that normalisation gives, once more: a law wrote definitions.
void renormalise(CascadeOp cascade); // DeriveOnline.cpp

/// A law at a statement, with the condition that failed if it refused.
struct LawEvent {
  std::string law, statement, condition;
};

void noteLaw(CascadeOp cascade, Law law, const llvm::Twine &statement);
void noteRefusal(CascadeOp cascade, Law law, const llvm::Twine &statement,
                 const llvm::Twine &condition);
/// Attributes `attn.laws` and `attn.refusals` of a derived cascade.
llvm::SmallVector<LawEvent> lawsOf(CascadeOp cascade);
llvm::SmallVector<LawEvent> refusalsOf(CascadeOp cascade);

/// On a sum that is the operand of others: computed once, not again for each
/// tile of their streams.
inline constexpr llvm::StringLiteral kOnceName = "attn.once";

/// On a cascade, while it is derived: PREFIX does not apply.
inline constexpr llvm::StringLiteral kKeepPrefixesName = "attn.keep_prefixes";

// Functions of the rows, one file each.
void joinRanks(CascadeOp cascade);     // JoinRanks.cpp
void unroll(CascadeOp cascade);        // Unroll.cpp
void readDiagonals(CascadeOp cascade); // Diagonals.cpp
void nestSums(CascadeOp cascade);      // NestSums.cpp
void separateSums(CascadeOp cascade);  // Separate.cpp
void freeShifts(CascadeOp cascade);    // FreeShift.cpp
void reassociate(CascadeOp cascade);   // Reassociate.cpp
void hoistFactors(CascadeOp cascade);  // Factors.cpp
void deriveStreams(CascadeOp cascade); // Streams.cpp, Online.cpp
void scanPrefixes(CascadeOp cascade);  // Prefixes.cpp

/// Row-wise neighbours of kernels become their ends (KernelEnds.cpp).
void absorbEnds(CascadeOp cascade);

} // namespace attn
#endif // ATTN_PASSES_DERIVE_LAWS_H
