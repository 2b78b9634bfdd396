//===- Readouts.cpp - what random programs make of the weights --*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Attention.h"

namespace attn::fuzz {
namespace {

using Text = std::string;

Text values(Attention &a, const Text &weight) {
  return a.reduce("sum", weight + " * " + a.V);
}
Text rowsAndValues(Attention &a) { return join(a.rows, "e"); }

void output(Attention &a, const Text &text) {
  a.draft.output("O", a.draft.storage(), rowsAndValues(a));
  a.draft.statement(at("O", rowsAndValues(a)) + " = " + text);
}

const Alternative<Attention> readoutTable[] = {
    {"weighted sum", 45,
     [](Attention &a) -> Text {
       output(a, values(a, "P"));
       return "+";
     }},
    {"division after the sum", 8,
     [](Attention &a) -> Text {
       a.draft.statement(at("N", a.rows) + " = " + a.reduce("sum", "abs(P)"));
       output(a, "safediv(" + values(a, "P") + ", N)");
       return "+";
     }},
    {"maximum of weighted values", 8,
     [](Attention &a) -> Text {
       a.draft.statement(at("T", rowsAndValues(a)) + " = " +
                         a.reduce("max", "P * " + a.V));
       output(a, "T where T > -inf");
       return "+";
     }},
    {"mean of weighted values", 9,
     [](Attention &a) -> Text {
       output(a, "mean[" + a.reduced + "](P * " + a.V + ")");
       return "+";
     }},
    {"sum that does not distribute", 8,
     [](Attention &a) -> Text {
       output(a, a.reduce("sum", "tanh(P + " + a.V + ")"));
       return "+";
     }},
    {"values mapped", 8,
     [](Attention &a) -> Text {
       output(a, a.reduce("sum", "P * silu(" + a.V + ")"));
       return "+";
     }},
    {"column statistic used again", 11,
     [](Attention &a) -> Text {
       if (!a.hasRow())
         return "";
       a.draft.statement(at("Cm", join(a.heads, a.keyRanks)) +
                         " = sum[m](P else 0)");
       output(a, values(a, "P * (1 + Cm)"));
       return "+";
     }},
    {"sum of differently masked terms", 9,
     [](Attention &a) -> Text {
       Text first = drawAtom(a), second = drawAtom(a);
       a.draft.statement(at("A1", rowsAndValues(a)) + " = " +
                         values(a, "(P where " + first + ")"));
       a.draft.statement(
           at("A2", rowsAndValues(a)) + " = " +
           values(a, "softmax[" + a.reduced + "](S where " + second + ")") +
           " where " + a.row + " % 2 == 0");
       output(a, "A1 + (A2 else 0)");
       return "+";
     }},
    {"spread about the mean", 8,
     [](Attention &a) -> Text {
       a.draft.statement(at("Mu", rowsAndValues(a)) + " = " + values(a, "P"));
       output(a, a.reduce("sum", "P * (" + a.V + " - Mu)^2"));
       return "+";
     }},
    {"two layers", 8,
     [](Attention &a) -> Text {
       a.draft.statement(at("O1", rowsAndValues(a)) + " = " + values(a, "P"));
       a.draft.statement(at("S2", a.points()) + " = sum[e](O1 * " + a.V +
                         ") where S == S");
       output(a, values(a, "softmax[" + a.reduced + "](S2)"));
       return "+";
     }},
    {"normalised output", 9,
     [](Attention &a) -> Text {
       a.draft.statement(at("O1", rowsAndValues(a)) + " = " + values(a, "P"));
       output(a, a.choices().pick({"rmsnorm[e](O1)", "l2norm[e](O1)"}));
       return "+";
     }},
    {"gated output", 9,
     [](Attention &a) -> Text {
       a.draft.input("G", a.type, rowsAndValues(a));
       output(a, values(a, "P") + " * sigmoid(G)");
       return "+";
     }},
    {"heads mixed after the normaliser", 70,
     [](Attention &a) -> Text {
       if (a.group < 2 || a.sumRank)
         return "";
       a.draft.relation("h' = (g, a': " + std::to_string(a.group) + ")");
       a.draft.input("Wm", "f32", "y,a'", Fill::Unit);
       Text ranks = join("b,h'", a.hasRow() ? "m" : "");
       a.draft.statement(at("Pm", a.points()) + " = sum[a'](Wm * " +
                         at("P", join(ranks, a.keyRanks)) + ")");
       output(a, values(a, "Pm"));
       return "+";
     }},
    {"weights convolved with a halo", 4,
     [](Attention &a) -> Text {
       if (a.keyRanks != "n" || a.pages || a.draft.choices.chance(20))
         return "";
       a.draft.input("th", "f32", "t=3", Fill::Unit);
       Text read = at("P", join(a.rows, "n - t + 1"));
       a.draft.statement(
           at("Pc", a.points()) + " = " +
           (a.draft.choices.chance(50)
                ? "sum[t](th * " + read + "?)"
                : "sum[t](th * (" + read + " else 0)) where S == S"));
       output(a, values(a, "Pc"));
       return "+";
     }},
    {"user monoid over keys", 4,
     [](Attention &a) -> Text {
       a.draft.declaration(
           "monoid mix(x = 0, y = inf) + (x', y') = (x + x' - x * x', "
           "min(y, y'))");
       a.draft.statement("(" + at("Xm", a.rows) + ", " + at("Ym", a.rows) +
                         ") = mix[" + a.reduced +
                         "](0.25 * sigmoid(S), abs(P))");
       output(a, "Xm * min(Ym, 2) + " + values(a, "P"));
       return "+";
     }},
    {"softmax state as a monoid", 10,
     [](Attention &a) -> Text {
       Text ranks = rowsAndValues(a);
       a.draft.statement("(" + at("Tm", ranks) + ", " + at("Ts", ranks) + ", " +
                         at("Ta", ranks) + ") = part[" + a.reduced +
                         "](finite(S), 1, " + a.V + ")");
       a.draft.use("user monoid over keys");
       output(a, "safediv(Ta, Ts)");
       return "+";
     }},
};

/// More outputs beside O.
const Alternative<Attention> extraTable[] = {
    {"logsumexp output", 12,
     [](Attention &a) -> Text {
       a.draft.output("L", "f32", a.rows);
       a.draft.statement(at("L", a.rows) + " = logsumexp[" + a.reduced +
                         "](S)");
       return "+";
     }},
    {"column mass output", 17,
     [](Attention &a) -> Text {
       if (!a.hasRow())
         return "";
       Text ranks = join(a.heads, a.keyRanks);
       a.draft.output("C1", "f32", ranks);
       a.draft.statement(at("C1", ranks) + " = sum[m](P else 0)");
       return "+";
     }},
    {"mass of all rows as an output", 14,
     [](Attention &a) -> Text {
       if (!a.hasRow())
         return "";
       a.draft.output("Y1", "f32", a.heads);
       a.draft.statement(at("Y1", a.heads) + " = sum[" + join("m", a.reduced) +
                         "](P ^ 2 else 0)");
       return "+";
     }},
    {"weights as an output", 14,
     [](Attention &a) -> Text {
       a.draft.output("W1", a.draft.storage(), a.points());
       a.draft.statement(at("W1", a.points()) + " = P");
       return "+";
     }},
    {"number of points as an output", 14,
     [](Attention &a) -> Text {
       a.draft.output("N1", "i32", a.rows);
       a.draft.statement(at("N1", a.rows) + " = " + a.reduce("count", "S"));
       return "+";
     }},
    {"largest score as an output", 14,
     [](Attention &a) -> Text {
       a.draft.output("M1", "f32", a.rows);
       a.draft.statement(at("M1", a.rows) + " = " + a.reduce("max", "S") +
                         (a.choices().chance(50)
                              ? " where " + a.reduce("count", "S") + " > 0"
                              : ""));
       return "+";
     }},
    {"largest distance from the mean as an output", 20,
     [](Attention &a) -> Text {
       a.draft.output("D1", "f32", a.rows);
       a.draft.statement(at("D1", a.rows) + " = " +
                         a.reduce("max", "S - " + a.reduce("mean", "S")));
       return "+";
     }},
    {"entropy output", 15,
     [](Attention &a) -> Text {
       a.draft.output("E1", "f32", a.rows);
       a.draft.statement(at("E1", a.rows) + " = " +
                         a.reduce("sum", "softmax[" + a.reduced +
                                             "](S) * (S - logsumexp[" +
                                             a.reduced + "](S))"));
       return "+";
     }},
    {"bool output", 14,
     [](Attention &a) -> Text {
       a.draft.output("B1", "bool", a.rows);
       a.draft.statement(at("B1", a.rows) + " = " +
                         a.choices().pick({"any", "all"}) + "[" + a.reduced +
                         "](present(S) and " + a.key + " % 2 == 0)");
       return "+";
     }},
    {"halo of the values", 17,
     [](Attention &a) -> Text {
       if (a.sumRank || a.joint)
         return "";
       Text ranks = join(a.keyHeads, "n,e");
       a.draft.output("H1", "f32", ranks);
       a.draft.relation("s: 3");
       a.draft.statement(at("H1", ranks) + " = sum[s]((s + 1) * " +
                         at("V", join(a.keyHeads, "n - s,e")) +
                         a.choices().pick({"?)", " else 1)"}));
       return "+";
     }},
    {"best key as an output", 110,
     [](Attention &a) -> Text {
       if (!a.exact || a.keyRanks.size() > 1)
         return "";
       a.draft.output("J1", "i32", a.rows);
       a.draft.statement(at("J1", a.rows) + " = " +
                         a.choices().pick({"argmax", "argmin"}) + "[" +
                         a.keyRanks + "](S)");
       return "+";
     }},
};

} // namespace

void drawReadout(Attention &a) {
  choose(a.draft, a, readoutTable);
  if (!a.draft.has("several outputs", 70))
    return;
  a.draft.use("several outputs");
  choose(a.draft, a, extraTable);
}

void listExtras(std::vector<std::string> &names) {
  listNames(names, extraTable);
}

void listReadouts(std::vector<std::string> &names) {
  listNames(names, readoutTable);
  listNames(names, extraTable);
  names.push_back("several outputs");
}

} // namespace attn::fuzz
