//===- Attention.h - what the parts of an attention share -------*- C++ -*-===//
#ifndef ATTN_TEST_FUZZ_ATTENTION_H
#define ATTN_TEST_FUZZ_ATTENTION_H

#include "test/fuzz/cascade-fuzz/Draft.h"

namespace attn::fuzz {

/// Heads, queries and keys of a program, and the names they go by.
struct Attention {
  explicit Attention(Draft &draft) : draft(draft) {}

  Draft &draft;
  std::string heads;    ///< ranks of a query but its row: "b,h"
  std::string keyHeads; ///< ranks of a key but its own: "b,g"
  std::string rows;     ///< ranks of a row of scores: "b,h,m"
  std::string row;      ///< its coordinate: "m", or a scalar at decode
  std::string key;      ///< the key's coordinate, as masks read it
  std::string keyRanks; ///< ranks of keys in the scores: "n", "c", "j,l"
  std::string reduced;  ///< the same as they are reduced: "p,i" for "n"
  std::string K, V;     ///< keys and values, expressions
  std::string type;     ///< of Q, K and V
  bool exact = false;   ///< scores are small integers
  bool sumRank = false; ///< c = r ++ n
  bool pages = false;   ///< n = (p, i)
  bool joint = false;   ///< keys are pairs (j, l)
  bool groups = false;  ///< h = (g, y)
  bool squared = false; ///< m: |n|
  int64_t group = 0;    ///< |y| if it is written

  Choices &choices() { return draft.choices; }
  bool hasRow() const { return row == "m"; }
  std::string points() const { return join(rows, keyRanks); }
  /// A list of some of the points' ranks, in order; never empty.
  std::string someRanks(const std::string &ranks);
  std::string reduce(const std::string &op, const std::string &text) const {
    return op + "[" + reduced + "](" + text + ")";
  }
};

/// Ports and relations; exact programs hold small integers.
Attention drawKeys(Draft &draft, bool exact);
/// A score at (rows, keys), its map included.
std::string drawScore(Attention &attention);
/// A predicate over (rows, keys).
std::string drawPredicate(Attention &attention, int depth);
/// An atom that does not depend on the row's or key's data only; for tests of
/// one mask.
std::string drawAtom(Attention &attention);
/// `text` with a mask, or now and then as it is.
std::string drawMasked(Attention &attention, const std::string &text);
/// An expression of weights over (rows, keys), of the scores `S`.
std::string drawWeights(Attention &attention);
/// The outputs, from weights `P` and scores `S`.
void drawReadout(Attention &attention);

void listScores(std::vector<std::string> &names);
void listMasks(std::vector<std::string> &names);
void listWeights(std::vector<std::string> &names);
void listReadouts(std::vector<std::string> &names);

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_ATTENTION_H
