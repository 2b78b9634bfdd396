//===- Generator.cpp - random programs for differential fuzzing -*- C++ -*-===//
#include "test/fuzz/Generator.h"

#include <random>

namespace attn::fuzz {
namespace {

class Generator {
public:
  explicit Generator(uint64_t seed) : random(seed) {}
  RandomProgram run();

private:
  // Choices. Not std::uniform_int_distribution, which differs between
  // libraries.
  unsigned below(unsigned n) { return random() % n; }
  bool chance(unsigned percent) { return below(100) < percent; }
  template <typename Item> Item pick(std::initializer_list<Item> items) {
    return items.begin()[below(items.size())];
  }
  /// Notes that a construct was drawn.
  void use(const std::string &construct) {
    program.constructs.push_back(construct);
  }

  std::string input(const std::string &name, const std::string &type,
                    const std::string &axes, Fill fill);
  void extent(const std::string &rank, std::initializer_list<int> choices) {
    program.shape.try_emplace(rank, pick(choices));
  }
  void statement(const std::string &text) { body += "  " + text + "\n"; }
  void output(const std::string &name, const std::string &type,
              const std::string &axes) {
    outputs +=
        (outputs.empty() ? "" : ", ") + name + ": " + type + "[" + axes + "]";
  }
  std::string storage() { return pick({"f32", "f32", "bf16", "f16", "f64"}); }
  Fill data() { return exactData ? Fill::Small : Fill::Normal; }

  void drawKeys();
  std::string score();
  std::string scoreMap(std::string x);
  std::string atom();
  std::string predicate(int depth);
  void drawMask();
  void drawResult();
  void drawSelection();
  void drawRecurrence();

  std::mt19937_64 random;
  RandomProgram program;
  std::string inputs, outputs, relations, body, monoids;
  std::string type;         ///< of Q, K, V
  std::string kv;           ///< head rank of keys: "g" or "h"
  std::string n = "n";      ///< the key rank
  std::string keys, values; ///< expressions
  bool exactData = false;   ///< a selection reads the scores
  bool pages = false;       ///< n = (p, i: 4)
  bool twoSources = false;  ///< c = r ++ n
};

std::string Generator::input(const std::string &name, const std::string &type,
                             const std::string &axes, Fill fill) {
  if (program.fills.try_emplace(name, fill).second)
    inputs += (inputs.empty() ? "" : ", ") + name + ": " + type +
              (axes.empty() ? "" : "[" + axes + "]");
  return name;
}

/// Heads, key sources, queries, keys and values.
void Generator::drawKeys() {
  extent("b", {1, 2, 2, 3});
  extent("m", {0, 1, 2, 5, 7, 13, 16, 17});
  extent("n", {0, 1, 3, 7, 13, 16, 19, 23, 33});
  extent("d", {1, 2, 3, 5, 8});
  extent("e", {1, 3, 4, 7});
  kv = "h";
  extent("h", {1, 2, 3});
  if (chance(35)) {
    use("grouped heads");
    kv = "g";
    extent("g", {1, 2});
    int group = pick({1, 2, 3});
    relations += "h = (g, y: " + std::to_string(group) + ")";
    program.shape["h"] = program.shape["g"] * group;
  }
  auto relate = [&](const std::string &text) {
    relations += (relations.empty() ? "" : ", ") + text;
  };
  pages = chance(25);
  twoSources = !pages && chance(25);
  if (pages) {
    use("product rank");
    relate("n = (p, i: 4)");
  }
  input("Q", type, "b,h,m,d", data());
  std::string K = input("K", type, "b," + kv + ",n,d", data());
  std::string V = input("V", type, "b," + kv + ",n,e", data());
  keys = K;
  values = V;
  if (twoSources) {
    use("sum rank");
    relate("c = r ++ n");
    n = "c";
    extent("r", {0, 1, 2, 5});
    keys = "(" + input("K0", type, kv + ",r,d", data()) + " else K)";
    values = "(" + input("V0", type, kv + ",r,e", data()) + " else V)";
  }
}

std::string Generator::score() {
  switch (exactData ? 0 : below(5)) {
  case 0:
  case 1:
    use("dot product");
    return "sum[d](Q * " + keys + ")";
  case 2:
    use("squared distance");
    return "-sum[d]((Q - " + keys + ")^2) / 4";
  case 3:
    use("max-plus score");
    return "max[d](Q + " + keys + ")";
  default:
    use("L1 score");
    return "-sum[d](abs(Q - " + keys + "))";
  }
}

std::string Generator::scoreMap(std::string x) {
  for (unsigned i = below(3); i > 0; --i)
    switch (below(6)) {
    case 0:
      use("scale");
      x = "(" + x + ") / sqrt(|d|)";
      break;
    case 1:
      use("soft cap");
      x = "softcap(" + x + ", 5)";
      break;
    case 2:
      use("bias");
      x = "(" + x + ") + " +
          input("B", "f32", twoSources ? "h,m" : "h,m,n", Fill::Normal);
      break;
    case 3:
      use("slope of distance");
      x = "(" + x + ") - 0.125 * abs(m - " + n + ")";
      break;
    case 4:
      use("tanh");
      x = "tanh(" + x + ")";
      break;
    case 5:
      use("head scale");
      x = "(" + x + ") * " + input("w", "f32", "h", Fill::Decay);
      break;
    }
  return x;
}

std::string Generator::atom() {
  switch (below(pages ? 11 : 10)) {
  case 0:
    use("causal mask");
    return n + " <= m";
  case 1:
    use("length mask");
    return n + " < " + input("len", "i32", "b", Fill::Length);
  case 2:
    use("window mask");
    return "0 <= m - " + n + " < 4";
  case 3:
    use("document mask");
    if (twoSources)
      return "m != " + n;
    return input("dq", "i32", "b,m", Fill::Label) +
           " == " + input("dk", "i32", "b,n", Fill::Label);
  case 4:
    use("modular mask");
    return "(m + " + n + ") % 3 != 1";
  case 5:
    use("scaled affine mask");
    return "2 * " + n + " <= m + 5";
  case 6:
    use("empty mask");
    return n + " < 0";
  case 7:
    use("head mask");
    return input("on", "bool", "h", Fill::Label);
  case 8:
    use("anti-causal mask");
    return n + " > m";
  case 9:
    use("row mask");
    return "m < " + input("len", "i32", "b", Fill::Length);
  default:
    use("page mask");
    return "p * 4 < " + input("len", "i32", "b", Fill::Length);
  }
}

std::string Generator::predicate(int depth) {
  if (depth == 0 || chance(45))
    return atom();
  switch (below(3)) {
  case 0:
    use("and");
    return "(" + predicate(depth - 1) + ") and (" + predicate(depth - 1) + ")";
  case 1:
    use("or");
    return "(" + predicate(depth - 1) + ") or (" + predicate(depth - 1) + ")";
  default:
    use("not");
    return "not (" + predicate(depth - 1) + ")";
  }
}

/// S with its mask; a second one over it now and then.
void Generator::drawMask() {
  std::string lhs = "[b,h,m," + n + "] = ";
  std::string value = scoreMap(score());
  if (chance(12) && !exactData && !twoSources) {
    use("-inf scores");
    value += " + " + input("A", "f32", "m,n", Fill::Special);
  }
  statement("S" + lhs + value +
            (chance(80) ? " where " + predicate(2) : std::string()));
}

/// What is made of the scores.
void Generator::drawResult() {
  std::string at = "[b,h,m,e] = ", reduce = "sum[" + n + "]", out = storage();
  output("O", out, "b,h,m,e");
  auto value = [&](const std::string &weight) {
    return reduce + "(" + weight + " * " + values + ")";
  };
  std::string softmax = "softmax[" + n + "]";
  switch (below(11)) {
  case 0:
  case 1:
    use("softmax");
    statement("O" + at + value(softmax + "(S)"));
    break;
  case 2:
    use("softmax and logsumexp");
    output("L", "f32", "b,h,m");
    statement("O" + at + value(softmax + "(S)"));
    statement("L[b,h,m] = logsumexp[" + n + "](S)");
    break;
  case 3:
    use("softmax with a sink");
    statement("O" + at + value("softmax1[" + n + "](S)"));
    break;
  case 4:
    use("sigmoid weights");
    statement("O" + at + value("sigmoid(S)"));
    break;
  case 5:
    use("rectified weights, normalised");
    statement("O" + at + value("sumnorm[" + n + "](relu(S))"));
    break;
  case 6:
    use("sum of differently masked terms");
    statement("A1[b,h,m,e] = " + value(softmax + "(S where " + atom() + ")"));
    statement("A2[b,h,m,e] = " + value(softmax + "(S where " + atom() + ")") +
              " where " + "m % 2 == 0");
    statement("O" + at + "A1 + (A2 else 0)");
    break;
  case 7:
    use("max of weighted values");
    statement("X[b,h,m,e] = max[" + n + "](tanh(S) * " + values + ")");
    statement("O" + at + "select(X > -inf, X, 0)");
    break;
  case 8:
    use("user monoid");
    monoids = "monoid mix(x = 0, y = inf) + (x', y') = (x + x' - x * x', "
              "min(y, y'))\n";
    statement("(X[b,h,m], Y[b,h,m]) = mix[" + n +
              "](0.25 * sigmoid(S), sigmoid(S))");
    statement("O" + at + "X * min(Y, 2) + " + value("sigmoid(S)"));
    break;
  case 9:
    use("column statistic");
    statement("P[b,h,m," + n + "] = " + softmax + "(S)");
    statement("C[b,h," + n + "] = sum[m](P else 0)");
    statement("O" + at + value("P * (1 + C)"));
    break;
  default:
    use("mean and count");
    statement("N[b,h,m] = count[" + n + "](S)");
    statement("O" + at + value("tanh(S)") + " / max(N, 1)");
    break;
  }
  if (chance(15)) {
    use("halo of the values");
    output("H", "f32", "b," + kv + ",n,e");
    statement("H[b," + kv + ",n,e] = sum[j](V[b," + kv + ",n-j,e]? * (j + 1))");
    relations += (relations.empty() ? "" : ", ") + std::string("j: 3");
  }
}

/// Scores of integer data choose keys; a set, a list or an extremum.
void Generator::drawSelection() {
  std::string S = "sum[d](Q * " + keys + ")" +
                  (chance(60) ? " where " + predicate(1) : std::string());
  statement("S[b,h,m," + n + "] = " + S);
  switch (below(4)) {
  case 0:
    use("top-k as a set");
    relations += (relations.empty() ? "" : ", ") + std::string("k: 3");
    output("O", "f32", "b,h,m,e");
    statement("J[b,h,m,k] = topk[" + n + " -> k](S)");
    statement("O[b,h,m,e] = sum[" + n + "](softmax[" + n +
              "](S where member[k](J, " + n + ")) * " + values + ")");
    break;
  case 1:
    use("top-k as a list");
    relations += (relations.empty() ? "" : ", ") + std::string("k: 5");
    output("J", "i32", "b,h,m,k");
    statement("J[b,h,m,k] = topk[" + n + " -> k](S)");
    break;
  case 2:
    use("argmax");
    output("J", "i32", "b,h,m");
    statement("J[b,h,m] = argmax[" + n + "](S)");
    break;
  default:
    use("gather by argmin");
    output("O", "f32", "b,h,m,e");
    statement("J[b,h,m] = argmin[" + n + "](S)");
    statement(twoSources ? "O[b,h,m,e] = num(J >= 0) * sum[" + n + "](" +
                               values + " where " + n + " == J)"
                         : "O[b,h,m,e] = V[b," + kv + ",J,e]");
    break;
  }
}

/// A state along t, scalar decay or delta rule, its end as an output.
void Generator::drawRecurrence() {
  extent("b", {1, 2});
  extent("h", {1, 2});
  extent("t", {0, 1, 2, 7, 16, 19});
  extent("d", {1, 3, 4});
  extent("e", {1, 2, 5});
  input("Q", type, "b,h,t,d", Fill::Normal);
  input("K", type, "b,h,t,d", Fill::Normal);
  input("V", type, "b,h,t,e", Fill::Normal);
  bool state = chance(50);
  if (state)
    use("state in and out"), input("H0", "f32", "b,h,d,e", Fill::Normal);
  statement(std::string("H[b,h,-1,d,e] = ") + (state ? "H0" : "0"));
  std::string a = input("a", "f32", chance(50) ? "b,h,t" : "h", Fill::Decay);
  std::string old = "H[b,h,t-1,d,e]";
  switch (below(4)) {
  case 0:
    use("decayed state");
    statement("H[b,h,t,d,e] = " + a + " * " + old + " + K * V");
    break;
  case 1:
    use("delta rule");
    statement("U[b,h,t,e] = 0.25 * (V - sum[d](K * " + old + "))");
    statement("H[b,h,t,d,e] = " + a + " * " + old + " + K * U");
    break;
  case 2:
    use("state with skipped steps");
    statement("H[b,h,t,d,e] = " + a + " * " + old + " + K * V where " +
              input("go", "bool", "b,t", Fill::Label) + " else " + old);
    break;
  default:
    use("running maximum");
    statement("H[b,h,t,d,e] = max(" + a + " * " + old + ", K * V)");
    break;
  }
  output("O", storage(), "b,h,t,e");
  statement("O[b,h,t,e] = sum[d](Q * H)");
  if (state) {
    output("H1", "f32", "b,h,d,e");
    statement("H1[b,h,d,e] = H[b,h,|t|-1,d,e]");
  }
}

RandomProgram Generator::run() {
  type = storage();
  use("inputs of " + type);
  if (chance(20)) {
    drawRecurrence();
  } else {
    exactData = chance(20);
    drawKeys();
    if (exactData) {
      drawSelection();
    } else {
      drawMask();
      drawResult();
    }
  }
  program.text = monoids + "cascade f(" + inputs + ")\n  -> (" + outputs + ")" +
                 (relations.empty() ? "" : "\n  with " + relations) + "\n{\n" +
                 body + "}\n";
  return std::move(program);
}

} // namespace

RandomProgram generate(uint64_t seed) { return Generator(seed).run(); }

} // namespace attn::fuzz
