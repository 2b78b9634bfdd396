//===- Masks.cpp - predicates of random programs ----------------*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Attention.h"

namespace attn::fuzz {
namespace {

using Text = std::string;

/// A key coordinate: of a sum rank also that of one part, which is absent in
/// the other.
Text keyOf(Attention &a) {
  if (!a.sumRank || !a.draft.has("predicate on one part of a sum", 70))
    return a.key;
  a.draft.use("predicate on one part of a sum");
  return "n";
}

bool hasBatch(const Attention &a) { return a.heads.substr(0, 1) == "b"; }
bool hasHead(const Attention &a) { return a.heads.find('h') != Text::npos; }
Text length(Attention &a, const Text &name) {
  bool batch = hasBatch(a);
  return a.draft.input(name, "i32", batch ? "b" : "", Fill::Length,
                       a.joint ? "l" : "n");
}

const Alternative<Attention> atomTable[] = {
    {"causal mask", 22,
     [](Attention &a) -> Text { return keyOf(a) + " <= " + a.row; }},
    {"bottom-right causal mask", 9,
     [](Attention &a) -> Text {
       return a.hasRow() ? a.key + " <= m + |" + a.key + "| - |m|" : "";
     }},
    {"window mask", 13,
     [](Attention &a) -> Text {
       return "0 <= " + a.row + " - " + keyOf(a) + " < " +
              a.draft.scalar("W", a.choices().pick({4, 1, 9}));
     }},
    {"band mask", 6,
     [](Attention &a) -> Text {
       return "abs(" + a.row + " - " + a.key + ") <= 2";
     }},
    {"length mask", 14,
     [](Attention &a) -> Text { return keyOf(a) + " < " + length(a, "len"); }},
    {"documents mask", 10,
     [](Attention &a) -> Text {
       if (a.sumRank || a.joint || !a.hasRow())
         return "";
       Text b = hasBatch(a) ? "b" : "";
       a.draft.input("dq", "i32", join(b, "m"), Fill::Label);
       a.draft.input("dk", "i32", join(b, "n"), Fill::Label);
       return "dq == dk";
     }},
    {"bool tensor mask", 10,
     [](Attention &a) -> Text {
       if (a.joint)
         return "";
       return a.draft.input("M", "bool", a.someRanks(a.points()), Fill::Label);
     }},
    {"modular mask", 6,
     [](Attention &a) -> Text {
       return "(" + a.row + " + " + a.key + ") % 3 != 1";
     }},
    {"block mask", 6,
     [](Attention &a) -> Text {
       return a.row + " // 4 == " + a.key + " // 4";
     }},
    {"scaled affine mask", 5,
     [](Attention &a) -> Text {
       return "2 * " + a.key + " <= " + a.row + " + 5";
     }},
    {"empty mask", 5, [](Attention &a) -> Text { return a.key + " < 0"; }},
    {"full mask", 5, [](Attention &a) -> Text { return a.key + " >= 0"; }},
    {"mask per head", 7,
     [](Attention &a) -> Text {
       return hasHead(a) ? a.draft.input("on", "bool", "h", Fill::Label) : "";
     }},
    {"window per head", 6,
     [](Attention &a) -> Text {
       if (!hasHead(a))
         return "";
       return a.row + " - " + a.key + " < " +
              a.draft.input("Wh", "i32", "h", Fill::Length, "h");
     }},
    {"row mask", 5,
     [](Attention &a) -> Text { return a.row + " < " + length(a, "rows"); }},
    {"prefix-LM mask", 5,
     [](Attention &a) -> Text {
       return "(" + a.key + " < " + length(a, "len") + " or " + a.key +
              " <= " + a.row + ")";
     }},
    {"mask by a binary tree", 4,
     [](Attention &a) -> Text {
       return "msb(xor(" + a.row + ", " + a.key + ")) != 2";
     }},
    {"random mask", 4,
     [](Attention &a) -> Text {
       return "uniform(7, " + a.row + ", " + a.key + ") < 0.75";
     }},
    {"page mask", 44,
     [](Attention &a) -> Text { return a.pages ? "p % 2 == 0" : ""; }},
    {"mask by a float of the data", 4,
     [](Attention &a) -> Text {
       if (a.joint)
         return "";
       return a.draft.input("C", "f32", a.someRanks(a.points()), Fill::Small) +
              " >= 0";
     }},
};

struct Nested {
  Attention &a;
  int depth;
};

const Alternative<Nested> connectiveTable[] = {
    {"and", 50,
     [](Nested &n) -> Text {
       return "(" + drawPredicate(n.a, n.depth - 1) + " and " +
              drawPredicate(n.a, n.depth - 1) + ")";
     }},
    {"or", 25,
     [](Nested &n) -> Text {
       return "(" + drawPredicate(n.a, n.depth - 1) + " or " +
              drawPredicate(n.a, n.depth - 1) + ")";
     }},
    {"not", 15,
     [](Nested &n) -> Text {
       return "not (" + drawPredicate(n.a, n.depth - 1) + ")";
     }},
    {"predicate with else", 10,
     [](Nested &n) -> Text {
       return "((" + drawPredicate(n.a, n.depth - 1) + ") else " +
              n.a.choices().pick({"true", "false"}) + ")";
     }},
};

} // namespace

std::string drawAtom(Attention &a) { return choose(a.draft, a, atomTable); }

std::string drawPredicate(Attention &a, int depth) {
  if (depth == 0 || !a.choices().chance(45))
    return drawAtom(a);
  Nested nested{a, depth};
  return choose(a.draft, nested, connectiveTable);
}

void listMasks(std::vector<std::string> &names) {
  listNames(names, atomTable);
  listNames(names, connectiveTable);
  names.push_back("predicate on one part of a sum");
}

} // namespace attn::fuzz
