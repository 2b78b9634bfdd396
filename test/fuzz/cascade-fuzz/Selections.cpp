//===- Selections.cpp - order, gathers, scatters ----------------*- C++ -*-===//
// Keys of an order are small integers, so that ties are many and exact.
//===----------------------------------------------------------------------===//
#include "test/fuzz/cascade-fuzz/Attention.h"

namespace attn::fuzz {
namespace {

using Text = std::string;

void store(Attention &a, const Text &text) {
  a.draft.output("O", a.draft.storage(), join(a.rows, "e"));
  a.draft.statement(at("O", join(a.rows, "e")) + " = " + text);
}
/// V at key `index`.
Text valueAt(Attention &a, const Text &index) {
  return at("V", join(join(a.keyHeads, index), "e"));
}
/// The list J[rows, k] of a selection by the scores S.
Text selected(Attention &a) {
  a.draft.relation("k: " +
                   a.draft.constant("topn", a.choices().pick({3, 1, 5, 40})));
  Text order = a.choices().pick(
      {"topk[n -> k](S)", "order[n -> k](S)", "order[n -> k](-S, n % 2)",
       "order[n -> k](S, -n)", "compact[n -> k](S > 0)"});
  a.draft.statement(at("J", join(a.rows, "k")) + " = " +
                    (a.pages || a.sumRank ? "topk[n -> k](S)" : order));
  return "J";
}
bool plain(const Attention &a) { return !a.sumRank && !a.joint && !a.pages; }

/// Of the integer scores S[rows, keys].
const Alternative<Attention> selectionTable[] = {
    {"selection as a set", 36,
     [](Attention &a) -> Text {
       if (!plain(a))
         return "";
       Text J = selected(a);
       Text set = "member[k](" + J + ", n)";
       if (a.draft.has("selection joined with a window", 70)) {
         a.draft.use("selection joined with a window");
         set = "(" + set + " or n < 2)";
       }
       store(a, "sum[n](softmax[n](S / 4 where " + set + ") * V)");
       return "+";
     }},
    {"selection as a list", 22,
     [](Attention &a) -> Text {
       if (!plain(a))
         return "";
       a.draft.output("J", "i32", join(a.rows, "k"));
       selected(a);
       return "+";
     }},
    {"selection gathered", 22,
     [](Attention &a) -> Text {
       if (!plain(a))
         return "";
       selected(a);
       a.draft.statement(at("Sg", join(a.rows, "k")) + " = " +
                         at("S", join(a.rows, "J")) + " / 4");
       store(a, "sum[k](softmax[k](Sg) * " + valueAt(a, "J") + ")");
       return "+";
     }},
    {"best key gathered", 26,
     [](Attention &a) -> Text {
       if (!plain(a))
         return "";
       a.draft.statement(at("J", a.rows) + " = " +
                         a.choices().pick({"argmax", "argmin"}) + "[n](S)");
       store(a, valueAt(a, "J"));
       return "+";
     }},
    {"first and last", 20,
     [](Attention &a) -> Text {
       if (!plain(a))
         return "";
       store(a, Text(a.choices().pick({"first", "last"})) +
                    "[n](V where S > 0)" + a.choices().pick({"", " else -1"}));
       return "+";
     }},
    {"selection of pages", 26,
     [](Attention &a) -> Text {
       if (a.keyRanks == "p,i" || !a.pages)
         return "";
       a.draft.statement(at("Up", join(a.rows, "p")) +
                         " = max[i](S) where p < 9");
       a.draft.relation("k: 2");
       a.draft.statement(at("J", join(a.rows, "k")) +
                         " = topk[p -> k](Up where Up > -inf)");
       store(a, "sum[n](softmax[n](S / 4 where member[k](J, p)) * V)");
       return "+";
     }},
    {"rank in the descending order", 9,
     [](Attention &a) -> Text {
       if (!plain(a))
         return "";
       a.draft.output("R1", "i32", a.points());
       a.draft.statement(at("R1", a.points()) + " = ranking[n](S)");
       return "+";
     }},
    {"top of the mass", 20,
     [](Attention &a) -> Text {
       if (!plain(a))
         return "";
       a.draft.statement(at("Wt", a.points()) + " = abs(S)");
       store(a, "sum[n](S * V where topp[n](Wt, 4))");
       return "+";
     }},
    {"count and extremum of a masked score", 8,
     [](Attention &a) -> Text {
       a.draft.output("J", "i32", a.rows);
       a.draft.statement(at("J", a.rows) + " = " + a.reduce("count", "S"));
       store(a, a.reduce("max", "S where S < 3") + " * " +
                    a.reduce("min", "0.5 * " + a.V + " where S == S"));
       return "+";
     }},
};

struct Tables {
  Draft &draft;
  Text type;
};

/// Index tensors of the caller, with -1 and entries that are outside.
const Alternative<Tables> indexTable[] = {
    {"gather by an index tensor", 24,
     [](Tables &t) -> Text {
       t.draft.input("X", t.type, "b,n,e");
       t.draft.input("I", "i32", "b,m,k", Fill::Index, "n");
       t.draft.output("O", t.draft.storage(), "b,m,e");
       t.draft.statement(Text("O[b,m,e] = ") +
                         t.draft.choices.pick(
                             {"sum[k](X[b,I,e])", "sum[k](X[b,I,e] else 0.5)",
                              "max[k](X[b,I,e]) where count[k](X[b,I,0]?) > 0",
                              "mean[k](X[b,I,e])"}));
       return "+";
     }},
    {"attention over a list of keys", 40,
     [](Tables &t) -> Text {
       t.draft.input("Q", t.type, "b,m,d");
       t.draft.input("K", t.type, "b,n,d");
       t.draft.input("V", t.type, "b,n,e");
       t.draft.input("I", "i32", "b,m,k", Fill::Index, "n");
       t.draft.output("O", t.draft.storage(), "b,m,e");
       bool list = t.draft.choices.chance(50);
       t.draft.use(list ? "list of keys gathered" : "list of keys as a mask");
       if (list) {
         t.draft.statement("S[b,m,k] = sum[d](Q * K[b,I,d])");
         t.draft.statement("O[b,m,e] = sum[k](softmax[k](S) * V[b,I,e])");
       } else {
         t.draft.statement("S[b,m,n] = sum[d](Q * K) where member[k](I, n)");
         t.draft.statement("O[b,m,e] = sum[n](softmax[n](S) * V)");
       }
       return "+";
     }},
    {"scatter by a masked sum", 24,
     [](Tables &t) -> Text {
       t.draft.input("X", t.type, "b,n,e");
       t.draft.input("I1", "i32", "b,n", Fill::Index, "m");
       t.draft.input("Y", "f32", "m");
       t.draft.output("O", t.draft.storage(), "b,m,e");
       t.draft.statement(
           Text("O[b,m,e] = ") +
           t.draft.choices.pick({"sum[n](X where I1 == m)",
                                 "Y + sum[n](X where I1 == m and n % 2 == 0)",
                                 "last[n](X where I1 == m) else Y"}));
       return "+";
     }},
    {"order of given keys", 20,
     [](Tables &t) -> Text {
       t.draft.input("X", t.type, "b,n",
                     t.draft.choices.chance(40) ? Fill::WithNaN : Fill::Small);
       t.draft.relation("j: " + t.draft.constant("topn", 6));
       t.draft.output("J", "i32", "b,j");
       t.draft.statement(
           Text("J[b,j] = ") +
           t.draft.choices.pick({"order[n -> j](X)", "order[n -> j](-X)",
                                 "order[n -> j](X where n % 3 != 1)",
                                 "topk[n -> j](X)"}));
       return "+";
     }},
    {"permutation and its inverse", 24,
     [](Tables &t) -> Text {
       t.draft.input("X", t.type, "b,n,e", Fill::Small);
       t.draft.relation("j: |n|");
       t.draft.output("O", t.draft.storage(), "b,n,e");
       t.draft.statement("J[b,j] = order[n -> j](X[b,n,0]?)");
       t.draft.statement("Y[b,j,e] = cumsum[j](X[b,J,e])");
       t.draft.statement("O[b,n,e] = sum[j](Y where J == n)");
       return "+";
     }},
};

} // namespace

std::string drawSelection(Draft &draft) {
  if (draft.choices.chance(40)) {
    Tables tables{draft, draft.storage()};
    draft.free("b", Size::Batch);
    draft.free("m", Size::Row);
    draft.free("n", Size::Key);
    draft.free("k", Size::Short);
    draft.free("d", Size::Depth);
    draft.free("e", Size::Depth);
    return choose(draft, tables, indexTable);
  }
  Attention a = drawKeys(draft, true);
  draft.statement(at("S", a.points()) + " = " + drawMasked(a, drawScore(a)));
  return choose(draft, a, selectionTable);
}

void listSelections(std::vector<std::string> &names) {
  listNames(names, selectionTable);
  listNames(names, indexTable);
  for (const char *name : {"selection joined with a window",
                           "list of keys gathered", "list of keys as a mask"})
    names.push_back(name);
}

} // namespace attn::fuzz
