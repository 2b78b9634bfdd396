//===- Recurrences.cpp - states along iterative ranks -----------*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Draft.h"

namespace attn::fuzz {
namespace {

using Text = std::string;

struct Recurrence {
  Draft &draft;
  Text heads; ///< "b,h"
  Text type;
  Text base;  ///< the state before the first step
  Text decay; ///< a factor over (heads, t), or an input with fewer ranks
  bool state; ///< comes in and goes out

  Text at(const Text &name, const Text &ranks) const {
    return fuzz::at(name, join(heads, ranks));
  }
  Text input(const Text &name, const Text &ranks, Fill fill) {
    return draft.input(name, type, join(heads, ranks), fill);
  }
  void equation(const Text &name, const Text &ranks, const Text &value) {
    draft.statement(at(name, ranks) + " = " + value);
  }
};

const Alternative<Recurrence> decayTable[] = {
    {"no decay", 14, [](Recurrence &) -> Text { return "1"; }},
    {"constant decay", 14, [](Recurrence &) -> Text { return "0.75"; }},
    {"decay per head", 16,
     [](Recurrence &r) -> Text {
       return r.draft.input("al", "f32", r.heads, Fill::Decay);
     }},
    {"decay per step", 20,
     [](Recurrence &r) -> Text {
       return r.draft.input("al", "f32", join(r.heads, "t"), Fill::Decay);
     }},
    {"decay per step and channel", 16,
     [](Recurrence &r) -> Text {
       return r.draft.input("al", "f32", join(r.heads, "t,d"), Fill::Decay);
     }},
    {"decay of a gate", 14,
     [](Recurrence &r) -> Text {
       return "sigmoid(" + r.draft.input("ga", "f32", join(r.heads, "t")) + ")";
     }},
};

/// The step of H[.., t, d, e], a state of outer products.
const Alternative<Recurrence> stepTable[] = {
    {"decayed sum of outer products", 17,
     [](Recurrence &r) -> Text {
       r.equation("H", "t,d,e",
                  r.decay + " * " + r.at("H", "t-1,d,e") + " + K * V");
       return "+";
     }},
    {"delta rule", 14,
     [](Recurrence &r) -> Text {
       r.equation("U", "t,e",
                  "0.25 * (V - sum[d](K * " + r.at("H", "t-1,d,e") + "))");
       r.equation("H", "t,d,e",
                  r.decay + " * " + r.at("H", "t-1,d,e") + " + K * U");
       return "+";
     }},
    {"identity steps", 16,
     [](Recurrence &r) -> Text {
       r.draft.input("go", "bool", "t", Fill::Label);
       r.equation("H", "t,d,e",
                  "(" + r.decay + " * " + r.at("H", "t-1,d,e") +
                      " + K * V where go) else " + r.at("H", "t-1,d,e"));
       return "+";
     }},
    {"steps that stay absent", 13,
     [](Recurrence &r) -> Text {
       r.draft.input("stop", "i32", "", Fill::Length, "t");
       r.equation("H", "t,d,e",
                  r.decay + " * " + r.at("H", "t-1,d,e") +
                      " + K * V where t < stop");
       return "+";
     }},
    {"maximum as a state", 15,
     [](Recurrence &r) -> Text {
       r.equation("H", "t,d,e",
                  "max(" + r.decay + " * " + r.at("H", "t-1,d,e") + ", K * V)");
       return "+";
     }},
    {"two lags", 14,
     [](Recurrence &r) -> Text {
       r.equation("H", "-2,d,e", "0");
       r.equation("H", "t,d,e",
                  "0.5 * " + r.at("H", "t-1,d,e") + " + 0.25 * " +
                      r.at("H", "t-2,d,e") + " + K * V");
       return "+";
     }},
    {"state through a nonlinear map", 12,
     [](Recurrence &r) -> Text {
       r.equation("H", "t,d,e",
                  "tanh(" + r.decay + " * " + r.at("H", "t-1,d,e") +
                      " + K * V)");
       return "+";
     }},
    {"normalised state", 14,
     [](Recurrence &r) -> Text {
       r.equation("Y", "t,d,e", r.at("H", "t-1,d,e") + " + K * V");
       r.equation("H", "t,d,e",
                  "Y / (1 + sum[d](abs(" + r.at("Y", "t,d,e") + ")))");
       return "+";
     }},
};

Text outer(Recurrence &r) {
  Draft &draft = r.draft;
  draft.free("t", Size::Row);
  draft.free("d", Size::Depth);
  draft.free("e", Size::Depth);
  r.type = draft.storage();
  r.input("Q", "t,d", Fill::Normal);
  r.input("K", "t,d", Fill::Unit);
  r.input("V", "t,e", Fill::Normal);
  r.state = draft.choices.chance(50);
  r.base = "0";
  bool into = r.state && draft.choices.chance(50);
  if (r.state) {
    draft.use("state in and out");
    r.base = draft.input("H0", "f32", join(r.heads, "d,e"));
  }
  r.equation("H", "-1,d,e", r.base);
  r.decay = choose(draft, r, decayTable);
  choose(draft, r, stepTable);
  draft.output("O", draft.storage(), join(r.heads, "t,e"));
  r.equation("O", "t,e", "sum[d](Q * H)");
  if (r.state) {
    if (into)
      draft.use("state out into state in");
    draft.output("H1", "f32", join(r.heads, "d,e"), into ? " into H0" : "");
    r.equation("H1", "d,e", r.at("H", "|t|-1,d,e"));
  }
  return "+";
}

const Alternative<Recurrence> shapeTable[] = {
    {"matrix state", 72, outer},
    {"prefix functions", 13,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("t", Size::Key);
       draft.free("e", Size::Depth);
       r.input("x", "t,e", Fill::Normal);
       draft.output("O", draft.storage(), join(r.heads, "t,e"));
       r.equation("O", "t,e",
                  draft.choices.pick(
                      {"cumsum[t](x)", "rcumsum[t](x)", "cummax[t](x)",
                       "ema[t](x, 0.75)", "cumsum[t](x where t % 3 != 1)",
                       "shift[t](x, 2) + x", "(shift[t](x, 2) else 0) + x"}));
       return "+";
     }},
    {"running softmax state", 9,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("n", Size::Row);
       draft.free("e", Size::Depth);
       draft.relation("t: |n|");
       r.input("x", "n", Fill::Normal);
       r.input("V", "n,e", Fill::Normal);
       draft.output("O", draft.storage(), join(r.heads, "t,e"));
       r.equation("P", "t,n", "softmax[n](x where n <= t)");
       r.equation("O", "t,e", "sum[n](P * V)");
       return "+";
     }},
    {"affine monoid", 10,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("t", Size::Row);
       r.input("x", "t", Fill::Normal);
       r.input("ga", "t", Fill::Decay);
       draft.declaration("monoid affine(a = 1, b = 0) + (a', b') ordered = "
                         "(a * a', a' * b + b')");
       draft.output("O", draft.storage(), r.heads);
       draft.output("A1", "f32", r.heads);
       draft.statement("(" + r.at("A1", "") + ", " + r.at("O", "") +
                       ") = affine[t](ga, x" +
                       draft.choices.pick({")", " where t % 3 != 2)"}));
       return "+";
     }},
    {"two iterative ranks", 9,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("u", Size::Row);
       draft.free("v", Size::Row);
       r.input("x", "u,v", Fill::Normal);
       draft.output("O", draft.storage(), join(r.heads, "u,v"));
       r.equation("H", "-1,v", "0");
       r.equation("H", "u,-1", "0");
       bool corner = draft.choices.chance(50);
       if (corner)
         r.equation("H", "-1,-1", "0");
       r.equation("H", "u,v",
                  "0.5 * " + r.at("H", "u-1,v") + " + 0.25 * " +
                      r.at("H", "u,v-1") + " + x" +
                      (corner ? " - 0.125 * " + r.at("H", "u-1,v-1") : ""));
       r.equation("O", "u,v", "H");
       return "+";
     }},
    {"backward recurrence", 9,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("t", Size::Row);
       draft.free("e", Size::Depth);
       r.input("x", "t,e", Fill::Normal);
       r.decay = "0.75";
       draft.output("O", draft.storage(), join(r.heads, "t,e"));
       bool base = draft.choices.chance(50);
       if (base)
         r.equation("H", "|t|,e", "1");
       r.equation("H", "t,e",
                  r.decay + " * " +
                      (base ? r.at("H", "t+1,e")
                            : "(" + r.at("H", "t+1,e") + " else 0)") +
                      " + x");
       r.equation("O", "t,e", "H");
       return "+";
     }},
    {"state read at chunk starts", 11,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("t", Size::Row);
       draft.free("e", Size::Depth);
       draft.relation("t = (c, i: 4)");
       r.input("x", "t,e", Fill::Normal);
       draft.output("O", draft.storage(), join(r.heads, "t,e"));
       r.equation("H", "-1,e", "0");
       r.equation("H", "t,e",
                  "0.75 * " + r.at("H", "t-1,e") + " + x - 0.25 * tanh(" +
                      r.at("H", "c*4-1,e") + ")");
       r.equation("O", "t,e", "H");
       return "+";
     }},
    {"triangular solve over the history", 9,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("t", Size::Row);
       draft.free("e", Size::Depth);
       draft.relation("j: |t|");
       r.input("x", "t,e", Fill::Normal);
       r.input("L", "t,j", Fill::Unit);
       draft.output("O", draft.storage(), join(r.heads, "t,e"));
       r.equation("U", "t,e",
                  "x - sum[j](L * " + r.at("U", "j,e") + " where j < t)");
       r.equation("O", "t,e", "U");
       return "+";
     }},
    {"loop with a stop", 11,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("e", Size::Depth);
       draft.relation("k: " + draft.constant("steps", 5));
       r.input("x", "e", Fill::Normal);
       r.draft.input("until", "i32", r.heads, Fill::Label);
       draft.output("O", draft.storage(), join(r.heads, "e"));
       r.equation("X", "-1,e", "x");
       r.equation("X", "k,e",
                  "0.5 * " + r.at("X", "k-1,e") +
                      " + 0.25 * tanh(x) where k < until");
       r.equation("O", "e",
                  draft.choices.chance(70)
                      ? "last[k](" + r.at("X", "k,e") + ") else x"
                      : "sum[k](" + r.at("X", "k,e") + ")");
       return "+";
     }},
    {"Newton iteration on a matrix", 9,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.choices.pick({"f32", "f64"});
       draft.free("p", Size::Short);
       draft.relation("k: 3, q: |p|, s: |p|");
       r.input("x", "p,q", Fill::Unit);
       draft.output("O", "f32", join(r.heads, "p,q"));
       r.equation("A", "p,q", "0.25 * x + select(p == q, 1, 0)");
       r.equation("Z", "-1,p,q", "select(p == q, 1, 0)");
       r.equation("Y", "k,p,q",
                  "sum[s](" + r.at("A", "p,s") + " * " + r.at("Z", "k-1,s,q") +
                      ")");
       r.equation("Z", "k,p,q",
                  "2 * " + r.at("Z", "k-1,p,q") + " - sum[s](" +
                      r.at("Z", "k-1,p,s") + " * " + r.at("Y", "k,s,q") + ")");
       r.equation("O", "p,q", r.at("Z", "|k|-1,p,q"));
       return "+";
     }},
    {"tree by doubled indices", 10,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("x", Size::Row);
       r.input("leaf", "x", Fill::Normal);
       draft.output("O", draft.storage(), join(r.heads, "x"));
       r.equation("H", "x",
                  "leaf + 0.5 * (" + r.at("H", "2*x+1") +
                      " else 0) + 0.25 * (" + r.at("H", "2*x+2") + " else 0)");
       r.equation("O", "x", "H");
       return "+";
     }},
    {"two tensors in one recurrence", 12,
     [](Recurrence &r) -> Text {
       Draft &draft = r.draft;
       r.type = draft.storage();
       draft.free("t", Size::Row);
       r.input("x", "t", Fill::Normal);
       draft.output("O", draft.storage(), join(r.heads, "t"));
       r.equation("A", "-1", "0");
       r.equation("B", "-1", "1");
       r.equation("A", "t", "0.5 * " + r.at("B", "t-1") + " + x");
       r.equation("B", "t",
                  "0.5 * " + r.at("A", "t") + " - 0.25 * " + r.at("A", "t-1"));
       r.equation("O", "t", "A + B");
       return "+";
     }},
};

} // namespace

std::string drawRecurrence(Draft &draft) {
  Recurrence r{draft, draft.choices.pick({"b,h", "b", ""}), "", "", "", false};
  draft.free("b", Size::Batch);
  draft.free("h", Size::Heads);
  return choose(draft, r, shapeTable);
}

void listStates(std::vector<std::string> &names) {
  listNames(names, decayTable);
  listNames(names, stepTable);
  names.push_back("state in and out");
  names.push_back("state out into state in");
}

void listRecurrences(std::vector<std::string> &names) {
  listNames(names, shapeTable);
  listStates(names);
}

} // namespace attn::fuzz
