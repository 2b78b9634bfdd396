//===- Draft.h - a random program while it is written -----------*- C++ -*-===//
// Collects ports, relations and statements of one cascade, and which constructs
// were drawn. What decides between branches must be exact in every precision:
// coordinates, integers, or scores of small integers ("exact" programs);
// otherwise a compiled program and the interpreter could rightly disagree.
//===----------------------------------------------------------------------===//
#ifndef ATTN_TEST_FUZZ_DRAFT_H
#define ATTN_TEST_FUZZ_DRAFT_H

#include "test/fuzz/cascade-fuzz/Choices.h"
#include <functional>
#include <map>
#include <set>
#include <string>

namespace attn::fuzz {

/// What an input is filled with.
enum class Fill {
  Normal,   ///< N(0,1)
  Unit,     ///< uniform in (-0.5, 0.5)
  Small,    ///< integers from -2 to 2, exact in every type
  Positive, ///< 0.25 to 2
  Decay,    ///< 0.5 to 1
  Special,  ///< N(0,1) with some -inf, now and then a row of them
  WithNaN,  ///< N(0,1) with one NaN
  Length,   ///< 0 to the extent of `limit`, and one beyond
  Index,    ///< -1 to the extent of `limit` (which is outside)
  Label     ///< 0 to 2; of bools false or true
};

struct Filling {
  Fill fill = Fill::Normal;
  std::string limit; ///< a rank
};

/// Which extents a free rank may have.
enum class Size { Batch, Heads, Row, Key, Depth, EvenDepth, Short };

using Shape = std::map<std::string, int64_t>;

/// A random program with what it needs to run.
struct Case {
  std::string text;
  std::map<std::string, Filling> fillings;   ///< by input port
  std::map<std::string, std::string> consts; ///< const scalars, by name
  std::set<std::string> omitted;             ///< scalars left to their default
  std::vector<Shape> shapes;                 ///< extents of the free ranks
  std::vector<std::string> constructs;
};

/// Comma-separated lists of ranks; either may be empty.
std::string join(const std::string &a, const std::string &b);
/// `name[ranks]`, or `name` without ranks.
std::string at(const std::string &name, const std::string &ranks);

class Draft {
public:
  explicit Draft(Choices &choices) : choices(choices) {}

  void use(const std::string &construct) {
    program.constructs.push_back(construct);
  }
  /// Declares an input once; returns its name.
  std::string input(const std::string &name, const std::string &type,
                    const std::string &axes, Fill fill = Fill::Normal,
                    const std::string &limit = "", const char *suffix = "");
  void output(const std::string &name, const std::string &type,
              const std::string &axes, const char *suffix = "");
  /// A `const` or run-time scalar of type i32, with or without default.
  std::string scalar(const std::string &name, int value);
  /// A literal or a `const` scalar, as extents need.
  std::string constant(const std::string &name, int value);
  void relation(const std::string &text);
  void statement(const std::string &text) { body += "  " + text + "\n"; }
  void declaration(const std::string &text) { declarations += text + "\n"; }
  /// The expression, or now and then the name of a tensor that equals it.
  std::string named(const std::string &ranks, const std::string &expression);
  void free(const std::string &rank, Size size) {
    sizes.try_emplace(rank, size);
  }
  /// The extent of `rank` follows from the other extents.
  void derived(const std::string &rank,
               std::function<int64_t(const Shape &)> extent) {
    extents.emplace_back(rank, std::move(extent));
  }
  std::string fresh(const std::string &prefix) {
    return prefix + std::to_string(++names);
  }
  /// Storage types of reals.
  std::string storage() {
    return choices.pick({"f32", "bf16", "f32", "f16", "bf16", "f64"});
  }

  Case finish();

  Choices &choices;
  /// Constructs that are taken wherever they are an alternative: each program
  /// has one that it is there for, so that no construct depends on luck alone.
  std::set<std::string> wanted;
  /// Is a construct drawn that is no alternative of a table?
  bool has(const std::string &construct, unsigned percent) {
    return wanted.count(construct) ? choices.take(1) : choices.chance(percent);
  }

private:
  Shape drawShape();

  Case program;
  std::string inputs, outputs, relations, body, declarations;
  std::map<std::string, Size> sizes;
  std::vector<std::pair<std::string, std::function<int64_t(const Shape &)>>>
      extents;
  unsigned names = 0;
};

/// One alternative of the grammar: its name in the statistics, how often it is
/// drawn, and what writes it. A maker that does not fit returns an empty
/// string, before it has written anything.
template <typename Context> struct Alternative {
  const char *name;
  unsigned weight;
  std::string (*make)(Context &);
};

template <typename Context, size_t count>
std::string choose(Draft &draft, Context &context,
                   const Alternative<Context> (&table)[count]) {
  std::vector<unsigned> weights;
  size_t preferred = count;
  for (size_t row = 0; row < count; ++row) {
    weights.push_back(table[row].weight);
    if (draft.wanted.count(table[row].name))
      preferred = row;
  }
  unsigned index = preferred < count ? draft.choices.take(preferred)
                                     : draft.choices.weighted(weights);
  // The alternatives after it are tried in turn, so that a replayed sequence
  // always leads somewhere.
  for (size_t tried = 0; tried < count; ++tried) {
    const auto &row = table[(index + tried) % count];
    std::string text = row.make(context);
    if (text.empty())
      continue;
    draft.use(row.name);
    return text;
  }
  return "";
}

template <typename Context, size_t count>
void listNames(std::vector<std::string> &names,
               const Alternative<Context> (&table)[count]) {
  for (const auto &row : table)
    names.push_back(row.name);
}

// The families of programs, each in a file of its name. The makers' result is
// a mere mark that they fitted.
std::string drawAttention(Draft &draft);
std::string drawRecurrence(Draft &draft);
std::string drawSelection(Draft &draft);
std::string drawSoup(Draft &draft);
void listAttention(std::vector<std::string> &names);
void listRecurrences(std::vector<std::string> &names);
/// What a state of outer products is made of; outputs beside the first.
void listStates(std::vector<std::string> &names);
void listExtras(std::vector<std::string> &names);
void listSelections(std::vector<std::string> &names);
void listSoup(std::vector<std::string> &names);

Case generate(Choices &choices);
/// Names of all constructs that there are.
std::vector<std::string> constructNames();

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_DRAFT_H
