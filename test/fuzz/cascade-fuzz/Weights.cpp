//===- Weights.cpp - normalisers of random programs -------------*- C++ -*-===//
// Library functions, the same written out by hand in several ways, and weights
// that no library has: what is derived must not depend on how it is spelled.
//===----------------------------------------------------------------------===//
#include "test/fuzz/cascade-fuzz/Attention.h"

namespace attn::fuzz {
namespace {

using Text = std::string;

/// A statement over the rows; returns its name.
Text rowValue(Attention &a, const Text &text) {
  Text name = a.draft.fresh("r");
  a.draft.statement(at(name, a.rows) + " = " + text);
  return name;
}
Text pointValue(Attention &a, const Text &text) {
  return a.draft.named(a.points(), text);
}
Text call(Attention &a, const Text &function, const Text &arguments) {
  return function + "[" + a.reduced + "](" + arguments + ")";
}

const Alternative<Attention> weightTable[] = {
    {"softmax", 30,
     [](Attention &a) -> Text { return call(a, "softmax", "S"); }},
    {"softmax by hand, in line", 6,
     [](Attention &a) -> Text {
       Text e = "exp(S - " + a.reduce("max", "S") + ")";
       return e + " / " + a.reduce("sum", e);
     }},
    {"softmax by hand, named", 7,
     [](Attention &a) -> Text {
       Text top = rowValue(a, a.reduce("max", "S"));
       Text e = pointValue(a, "exp(S - " + top + ")");
       Text sum = rowValue(a, a.reduce("sum", e));
       return e + " / " + sum;
     }},
    {"softmax in base 2", 7,
     [](Attention &a) -> Text {
       Text x = pointValue(a, "S * 1.4426950408889634");
       Text top = rowValue(a, a.reduce("max", x));
       Text e = pointValue(a, "2 ^ (" + x + " - " + top + ")");
       return e + " / " + a.reduce("sum", e);
     }},
    {"exp of score minus logsumexp", 6,
     [](Attention &a) -> Text {
       Text l = rowValue(a, call(a, "logsumexp", "S"));
       return "exp(S - " + l + ")";
     }},
    {"softmax with one more point", 5,
     [](Attention &a) -> Text { return call(a, "softmax1", "S"); }},
    {"softmax with a learned sink", 8,
     [](Attention &a) -> Text {
       bool heads = a.heads.find('h') != Text::npos;
       a.draft.input("zs", "f32", heads ? "h" : "");
       return call(a, "softmax_sink", "S, zs");
     }},
    {"softmax of centred scores", 5,
     [](Attention &a) -> Text {
       return call(a, "softmax", "S - " + a.reduce("mean", "S"));
     }},
    {"weights less other weights", 14,
     [](Attention &a) -> Text {
       return call(a, "softmax", "S") + " - 0.25 * " +
              call(a, "softmax", "2 * S");
     }},
    {"sigmoid weights", 8, [](Attention &) -> Text { return "sigmoid(S)"; }},
    {"plain scores as weights", 7, [](Attention &) -> Text { return "S + 0"; }},
    {"squared relu weights", 6,
     [](Attention &) -> Text { return "relu(S) ^ 2"; }},
    {"sum-normalised exponentials", 6,
     [](Attention &a) -> Text { return call(a, "sumnorm", "exp(min(S, 5))"); }},
    {"l1-normalised scores", 6,
     [](Attention &a) -> Text { return call(a, "l1norm", "S"); }},
    {"softmax twice", 7,
     [](Attention &a) -> Text {
       Text first = pointValue(a, call(a, "softmax", "S"));
       return call(a, "softmax", "S + 2 * " + first);
     }},
    {"sparsemax", 8,
     [](Attention &a) -> Text {
       if (a.reduced != "n" || a.keyRanks != "n")
         return "";
       return call(a, "sparsemax", "S");
     }},
    {"entmax by bisection", 8,
     [](Attention &a) -> Text {
       if (a.reduced != "n" || a.keyRanks != "n" || a.pages)
         return "";
       return call(a, "entmax", "S, 1.5");
     }},
    {"stick breaking by a suffix sum", 7,
     [](Attention &a) -> Text {
       if (a.reduced != "n" || a.keyRanks != "n")
         return "";
       Text rest = pointValue(a, "log(1 - sigmoid(tanh(S)))");
       return "sigmoid(tanh(S)) * exp(rcumsum[n](" + rest + ") - " + rest + ")";
     }},
    {"weights scaled by a product per row", 4,
     [](Attention &a) -> Text {
       Text top = rowValue(a, a.reduce("prod", "1 + 0.0625 * tanh(S)"));
       return call(a, "softmax", "S") + " * " + top;
     }},
    {"running softmax", 9,
     [](Attention &a) -> Text {
       if (a.reduced != "n" || a.keyRanks != "n")
         return "";
       return "cumsoftmax[n](S)";
     }},
    {"dropout after the normaliser", 6,
     [](Attention &a) -> Text {
       Text weight = pointValue(a, call(a, "softmax", "S"));
       return weight + " * 2 where uniform(11, " + a.row + ", " + a.key +
              ") < 0.5";
     }},
};

} // namespace

std::string drawWeights(Attention &a) {
  return choose(a.draft, a, weightTable);
}

void listWeights(std::vector<std::string> &names) {
  listNames(names, weightTable);
}

} // namespace attn::fuzz
