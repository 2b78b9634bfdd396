//===- Scores.cpp - scores and score maps of random programs ----*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Attention.h"

namespace attn::fuzz {
namespace {

using Text = std::string;

/// Statements that name K; for scores that read it at other places.
Text keysNamed(Attention &a) {
  Text name = a.draft.fresh("Kn");
  a.draft.statement(at(name, join(join(a.keyHeads, a.keyRanks), "d")) + " = " +
                    a.K);
  return name;
}

const Alternative<Attention> scoreTable[] = {
    {"dot product", 20,
     [](Attention &a) -> Text { return "sum[d](Q * " + a.K + ")"; }},
    {"scaled dot product", 34,
     [](Attention &a) -> Text {
       return a.exact ? "" : "sum[d](Q * " + a.K + ") / sqrt(|d|)";
     }},
    {"weighted product", 5,
     [](Attention &a) -> Text {
       a.draft.input("w", a.exact ? "i32" : "f32", "d",
                     a.exact ? Fill::Small : Fill::Unit);
       return "sum[d](Q * " + a.K + " * w)";
     }},
    {"squared distance", 5,
     [](Attention &a) -> Text { return "-sum[d]((Q - " + a.K + ")^2) / 4"; }},
    {"L1 distance", 5,
     [](Attention &a) -> Text { return "-sum[d](abs(Q - " + a.K + "))"; }},
    {"max-plus score", 4,
     [](Attention &a) -> Text {
       return "(max[d](Q + " + a.K + " where d < 6) where |d| > 0)";
     }},
    {"network on pairs", 5,
     [](Attention &a) -> Text {
       if (a.exact)
         return "";
       a.draft.free("a", Size::Short);
       a.draft.input("Wq", "f32", "a,d", Fill::Unit);
       a.draft.input("Wa", "f32", "a", Fill::Unit);
       Text hidden =
           a.draft.named(join(a.points(), "a"),
                         "relu(sum[d](Wq * Q) + sum[d](Wq * " + a.K + "))");
       return "sum[a](Wa * " + hidden + ")";
     }},
    {"scores given", 7,
     [](Attention &a) -> Text {
       if (a.joint)
         return "";
       Text ranks = a.sumRank ? a.points() : a.someRanks(a.points());
       return a.draft.input("X", a.exact ? "f32" : a.draft.storage(), ranks,
                            a.exact ? Fill::Small : Fill::Normal);
     }},
    {"relative key vectors", 8,
     [](Attention &a) -> Text {
       if (!a.hasRow())
         return "";
       a.draft.free("x", Size::Short);
       a.draft.input("R", "f32", "x,d", a.exact ? Fill::Small : Fill::Unit);
       Text read = "R[m - " + a.key + " + |x| // 2, d]";
       if (a.draft.choices.chance(50)) {
         a.draft.use("relative keys, absent outside");
         return "sum[d](Q * (" + a.K + " + " + read + "?))";
       }
       a.draft.use("relative keys, zero outside");
       return "sum[d](Q * (" + a.K + " + (" + read + " else 0)))";
     }},
    {"rotated queries and keys", 8,
     [](Attention &a) -> Text {
       if (a.exact || a.joint || a.sumRank || !a.hasRow() || a.pages)
         return "";
       a.draft.free("d", Size::Depth);
       a.draft.statement(at("Qr", join(a.rows, "d")) +
                         " = rope[d](Q, m, 100.0)");
       a.draft.statement(at("Kr", join(a.keyHeads, "n,d")) + " = rope[d](" +
                         a.K + ", n, 100.0)");
       return "sum[d](Qr * Kr)";
     }},
    {"score less that of the own key", 12,
     [](Attention &a) -> Text {
       if (a.exact || !a.squared || a.pages)
         return "";
       Text name = a.draft.fresh("Sd");
       a.draft.statement(at(name, a.points()) + " = sum[d](Q * " + a.K + ")");
       return name + " - " + at(name, join(a.rows, "m"));
     }},
    {"product of two dot products", 4,
     [](Attention &a) -> Text {
       if (a.exact)
         return "";
       Text K = keysNamed(a);
       a.draft.relation("f: |d|");
       return "sum[d](Q * " + K + ") * tanh(sum[f](" +
              at("Q", join(a.rows, "f")) + " * " +
              at(K, join(join(a.keyHeads, a.keyRanks), "f")) + "))";
     }},
};

/// What is done to a score; `score` is the current text.
struct Mapped {
  Attention &a;
  Text score;
};

const Alternative<Mapped> realMapTable[] = {
    {"scale by a constant", 10,
     [](Mapped &m) -> Text { return m.score + " * 0.5"; }},
    {"soft cap", 10,
     [](Mapped &m) -> Text { return "softcap(" + m.score + ", 5)"; }},
    {"bias table", 14,
     [](Mapped &m) -> Text {
       if (m.a.joint)
         return "";
       Text ranks = m.a.someRanks(m.a.points());
       return m.score + " + " +
              m.a.draft.input("B", m.a.draft.storage(), ranks);
     }},
    {"slopes per head", 10,
     [](Mapped &m) -> Text {
       bool heads = m.a.heads.find('h') != Text::npos;
       return m.score + " - " +
              (heads ? "2 ^ (-8.0 * (h + 1) / |h|)" : "0.25") + " * (" +
              m.a.row + " - " + m.a.key + ")";
     }},
    {"relative bias, absent outside", 7,
     [](Mapped &m) -> Text {
       m.a.draft.free("u", Size::Short);
       m.a.draft.input("Ru", "f32", "u");
       return m.score + " + Ru[" + m.a.row + " - " + m.a.key + " + 1]?";
     }},
    {"relative bias, zero outside", 8,
     [](Mapped &m) -> Text {
       m.a.draft.free("u", Size::Short);
       m.a.draft.input("Ru", "f32", "u");
       return m.score + " + (Ru[" + m.a.row + " - " + m.a.key + "] else 0)";
     }},
    {"relative bias, clipped", 10,
     [](Mapped &m) -> Text {
       m.a.draft.input("Rc", "f32", "v=5");
       return m.score + " + Rc[clip(" + m.a.row + " - " + m.a.key +
              ", -2, 2) + 2]";
     }},
    {"run-time temperature", 7,
     [](Mapped &m) -> Text {
       return "(" + m.score + ") * " +
              m.a.draft.input("tau", "f32", "", Fill::Positive);
     }},
    {"scale per head", 10,
     [](Mapped &m) -> Text {
       if (m.a.heads.find('h') == Text::npos)
         return "";
       return "(" + m.score + ") * " +
              m.a.draft.input("hs", "f32", "h", Fill::Decay);
     }},
    {"tanh", 8, [](Mapped &m) -> Text { return "tanh(" + m.score + ")"; }},
    {"decay by a prefix sum", 12,
     [](Mapped &m) -> Text {
       if (!m.a.hasRow() || m.a.sumRank || m.a.joint || m.a.pages)
         return "";
       m.a.draft.input("fd", "f32", "n", Fill::Positive);
       Text sum = m.a.draft.fresh("Fd");
       m.a.draft.statement(sum + "[n] = cumsum[n](fd)");
       return "(" + m.score + ") + (" + sum + "[m] else 0) - " + sum;
     }},
    {"-inf scores in the data", 8,
     [](Mapped &m) -> Text {
       if (m.a.joint || m.a.sumRank)
         return "";
       return m.score + " + " +
              m.a.draft.input("A", "f32", m.a.hasRow() ? "m,n" : "n",
                              Fill::Special);
     }},
    {"case distinction", 7,
     [](Mapped &m) -> Text {
       return "select(" + m.a.key + " % 2 == 0, " + m.score + ", 0.5 * (" +
              m.score + "))";
     }},
};

const Alternative<Mapped> exactMapTable[] = {
    {"integer scale", 10, [](Mapped &m) -> Text { return m.score + " * 2"; }},
    {"integer distance", 10,
     [](Mapped &m) -> Text {
       return m.score + " - abs(" + m.a.row + " - " + m.a.key + ")";
     }},
    {"integer bias", 10,
     [](Mapped &m) -> Text {
       if (m.a.joint)
         return "";
       return m.score + " + " +
              m.a.draft.input("Bi", "i32", m.a.someRanks(m.a.points()),
                              Fill::Small);
     }},
    {"rectified", 10,
     [](Mapped &m) -> Text { return "relu(" + m.score + ")"; }},
};

} // namespace

std::string drawScore(Attention &a) {
  Mapped mapped{a, choose(a.draft, a, scoreTable)};
  for (unsigned maps = a.draft.choices.below(4); maps > 1; --maps) {
    mapped.score = a.draft.named(a.points(), mapped.score);
    mapped.score = a.exact ? choose(a.draft, mapped, exactMapTable)
                           : choose(a.draft, mapped, realMapTable);
  }
  return mapped.score;
}

void listScores(std::vector<std::string> &names) {
  listNames(names, scoreTable);
  listNames(names, realMapTable);
  listNames(names, exactMapTable);
  names.push_back("relative keys, absent outside");
  names.push_back("relative keys, zero outside");
}

} // namespace attn::fuzz
