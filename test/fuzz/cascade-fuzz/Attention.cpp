//===- Attention.cpp - keys, scores, masks, weights, readout ----*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Attention.h"

namespace attn::fuzz {

std::string Attention::someRanks(const std::string &ranks) {
  std::vector<std::string> all;
  for (size_t begin = 0; begin <= ranks.size();) {
    size_t end = std::min(ranks.find(',', begin), ranks.size());
    all.push_back(ranks.substr(begin, end - begin));
    begin = end + 1;
  }
  std::string some;
  for (const std::string &rank : all)
    if (choices().chance(50))
      some = join(some, rank);
  return some.empty() ? all.back() : some;
}

namespace {

/// How query heads share key heads. Sets heads and keyHeads.
const Alternative<Attention> headTable[] = {
    {"one head", 12, [](Attention &) -> std::string { return "+"; }},
    {"batch of heads", 38,
     [](Attention &a) -> std::string {
       a.heads = a.keyHeads = a.draft.choices.chance(70) ? "b,h" : "h";
       return "+";
     }},
    {"batch, no heads", 10,
     [](Attention &a) -> std::string {
       a.heads = a.keyHeads = "b";
       return "+";
     }},
    {"grouped heads", 18,
     [](Attention &a) -> std::string {
       a.heads = "b,h";
       a.keyHeads = "b,g";
       a.groups = true;
       a.group = a.draft.choices.pick({1, 2, 3});
       a.draft.relation("h = (g, y: " + std::to_string(a.group) + ")");
       a.draft.derived("h", [group = a.group](const Shape &shape) {
         return shape.at("g") * group;
       });
       return "+";
     }},
    {"grouped heads, ragged", 10,
     [](Attention &a) -> std::string {
       a.heads = "b,h";
       a.keyHeads = "b,g";
       a.groups = true;
       a.draft.relation("h = (g, y)");
       a.draft.derived("h", [](const Shape &shape) {
         return shape.at("g") * 2 - (shape.at("g") > 1);
       });
       return "+";
     }},
    {"one key head", 12,
     [](Attention &a) -> std::string {
       a.heads = "b,h";
       a.keyHeads = a.draft.choices.chance(50) ? "b" : "";
       return "+";
     }},
};

std::string keyInput(Attention &a, const std::string &name,
                     const std::string &ranks, Fill fill) {
  return a.draft.input(name, a.type, ranks, a.exact ? Fill::Small : fill);
}

/// Where keys come from. Sets key, keyRanks, reduced, K and V.
const Alternative<Attention> keyTable[] = {
    {"plain keys", 50,
     [](Attention &a) -> std::string {
       a.K = keyInput(a, "K", join(a.keyHeads, "n,d"), Fill::Normal);
       a.V = keyInput(a, "V", join(a.keyHeads, "n,e"), Fill::Normal);
       a.draft.free("n", Size::Key);
       return "+";
     }},
    {"pages of keys", 12,
     [](Attention &a) -> std::string {
       a.pages = true;
       a.K = keyInput(a, "K", join(a.keyHeads, "n,d"), Fill::Normal);
       a.V = keyInput(a, "V", join(a.keyHeads, "n,e"), Fill::Normal);
       a.draft.free("n", Size::Key);
       int page = a.draft.choices.pick({4, 1, 3, 16});
       a.draft.relation("n = (p, i: " + std::to_string(page) + ")");
       a.draft.derived("p", [page](const Shape &shape) {
         return (shape.at("n") + page - 1) / page;
       });
       if (a.draft.choices.chance(50)) {
         a.draft.use("reduction over the parts of a product");
         a.reduced = "p,i";
         if (a.draft.choices.chance(50))
           a.keyRanks = "p,i";
       }
       return "+";
     }},
    {"two key sources", 14,
     [](Attention &a) -> std::string {
       a.sumRank = true;
       a.draft.relation("c = r ++ n");
       a.draft.free("n", Size::Key);
       a.draft.free("r", Size::Short);
       std::string heads =
           a.draft.choices.chance(50) || a.keyHeads != "b,g" ? a.keyHeads : "g";
       a.K = "(" + keyInput(a, "K0", join(heads, "r,d"), Fill::Normal) +
             " else " +
             keyInput(a, "K", join(a.keyHeads, "n,d"), Fill::Normal) + ")";
       a.V = "(" + keyInput(a, "V0", join(heads, "r,e"), Fill::Normal) +
             " else " +
             keyInput(a, "V", join(a.keyHeads, "n,e"), Fill::Normal) + ")";
       a.key = a.keyRanks = a.reduced = "c";
       return "+";
     }},
    {"pairs of keys", 8,
     [](Attention &a) -> std::string {
       a.joint = true;
       a.draft.free("j", Size::Short);
       a.draft.free("l", Size::Row);
       a.K = "(" + keyInput(a, "K1", join(a.keyHeads, "j,d"), Fill::Normal) +
             " * " + keyInput(a, "K2", join(a.keyHeads, "l,d"), Fill::Normal) +
             ")";
       a.V = "(" + keyInput(a, "V1", join(a.keyHeads, "j,e"), Fill::Normal) +
             " * " + keyInput(a, "V2", join(a.keyHeads, "l,e"), Fill::Normal) +
             ")";
       a.key = "l";
       a.keyRanks = a.reduced = "j,l";
       return "+";
     }},
    {"latent keys", 8,
     [](Attention &a) -> std::string {
       if (a.exact)
         return "";
       a.draft.free("n", Size::Key);
       a.draft.free("z", Size::Short);
       a.draft.input("Z", a.type,
                     a.keyHeads.substr(0, 1) == "b" ? "b,n,z" : "n,z");
       std::string head = a.keyHeads.size() == 3 ? a.keyHeads.substr(2) : "";
       a.draft.input("Wk", a.type, join(head, "z,d"), Fill::Unit);
       a.draft.input("Wv", a.type, join(head, "z,e"), Fill::Unit);
       a.draft.statement(at("K", join(a.keyHeads, "n,d")) +
                         " = sum[z](Z * Wk)");
       a.draft.statement(at("V", join(a.keyHeads, "n,e")) +
                         " = sum[z](Z * Wv)");
       a.K = "K";
       a.V = "V";
       return "+";
     }},
    {"NaN in a key", 8,
     [](Attention &a) -> std::string {
       a.K = keyInput(a, "K", join(a.keyHeads, "n,d"), Fill::WithNaN);
       a.V =
           keyInput(a, "V", join(a.keyHeads, "n,e"),
                    a.draft.choices.chance(50) ? Fill::WithNaN : Fill::Normal);
       a.draft.free("n", Size::Key);
       return "+";
     }},
};

const Alternative<Attention> rowTable[] = {
    {"rows of queries", 75,
     [](Attention &a) -> std::string {
       a.draft.free("m", Size::Row);
       return "+";
     }},
    {"as many rows as keys", 12,
     [](Attention &a) -> std::string {
       if (a.sumRank || a.joint)
         return "";
       a.draft.relation("m: |n|");
       a.squared = true;
       return "+";
     }},
    {"decode, no row", 13,
     [](Attention &a) -> std::string {
       a.row = "pos";
       return "+";
     }},
};

} // namespace

Attention drawKeys(Draft &draft, bool exact) {
  Attention a(draft);
  a.exact = exact;
  a.key = a.keyRanks = a.reduced = "n";
  a.row = "m";
  a.type = draft.storage();
  choose(draft, a, headTable);
  choose(draft, a, keyTable);
  choose(draft, a, rowTable);
  draft.free("b", Size::Batch);
  draft.free("d", Size::Depth);
  draft.free("e", Size::Depth);
  if (a.groups)
    draft.free("g", Size::Heads);
  else
    draft.free("h", Size::Heads);
  if (a.hasRow())
    a.rows = join(a.heads, "m");
  else
    a.rows = a.heads, a.row = draft.scalar("pos", 5);
  draft.input("Q", a.type, join(a.rows, "d"),
              exact ? Fill::Small : Fill::Normal);
  return a;
}

std::string drawMasked(Attention &a, const std::string &text) {
  if (!a.draft.has("masked scores", 75))
    return text;
  a.draft.use("masked scores");
  return text + " where " + drawPredicate(a, 2);
}

std::string drawAttention(Draft &draft) {
  Attention a = drawKeys(draft, draft.has("scores of small integers", 12));
  std::string score = drawScore(a);
  if (a.exact) {
    draft.use("scores of small integers");
    draft.statement(at("S0", a.points()) + " = " + score);
    score = "S0";
    if (draft.choices.chance(50)) {
      draft.use("mask by a score");
      score += draft.choices.pick(
          {" where S0 > -1", " where abs(S0) != 1", " where not S0 == 0"});
    }
    score = "(" + score + ")";
  }
  draft.statement(at("S", a.points()) + " = " + drawMasked(a, score));
  draft.statement(at("P", a.points()) + " = " + drawWeights(a));
  drawReadout(a);
  return "+";
}

void listAttention(std::vector<std::string> &names) {
  listNames(names, headTable);
  listNames(names, keyTable);
  listNames(names, rowTable);
  listScores(names);
  listMasks(names);
  listWeights(names);
  listReadouts(names);
  for (const char *name :
       {"reduction over the parts of a product", "masked scores",
        "scores of small integers", "mask by a score"})
    names.push_back(name);
}

} // namespace attn::fuzz
