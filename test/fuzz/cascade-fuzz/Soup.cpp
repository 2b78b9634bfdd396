//===- Soup.cpp - random einsums without a purpose --------------*- C++ -*-===//
// Expressions drawn from the whole grammar over a few small ranks: presence,
// hoisting, shadowed ranks, substitutions and mixed kinds meet here in ways
// that no attention writes. Only integers and bools decide anything.
//===----------------------------------------------------------------------===//
#include "test/fuzz/cascade-fuzz/Draft.h"

namespace attn::fuzz {
namespace {

using Text = std::string;
using Ranks = std::vector<Text>;

enum class Kind { Real, Integer, Bool };

struct Tensor {
  Text name;
  Kind kind;
  Ranks ranks;
};

struct Soup {
  Draft &draft;
  std::vector<Tensor> tensors;
  unsigned budget = 0;            ///< nodes left for this statement
  std::set<Text> freed, shadowed; ///< of its ranks: read, bound once more

  Choices &choices() { return draft.choices; }
};

/// One node of an expression in `scope`.
struct Node {
  Soup &soup;
  Ranks scope;
  std::set<Text> bound; ///< ranks of the scope that the expression binds
  unsigned depth = 0;   ///< reductions and substitutions around it

  void read(const Text &rank) const {
    if (!bound.count(rank))
      soup.freed.insert(rank);
  }
  /// One level deeper, where `rank` is bound.
  Node binding(const Text &rank) const {
    Node inner = *this;
    ++inner.depth;
    inner.bound.insert(rank);
    if (std::find(scope.begin(), scope.end(), rank) == scope.end())
      inner.scope.push_back(rank);
    soup.shadowed.insert(rank);
    return inner;
  }
};

const Text pool[] = {"i", "j", "k", "l"};

Text list(const Ranks &ranks) {
  Text text;
  for (const Text &rank : ranks)
    text = join(text, rank);
  return text;
}
bool contains(const Ranks &ranks, const Text &rank) {
  return std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
}

Text draw(Node &node, Kind kind);
Text real(Node &node) { return draw(node, Kind::Real); }
Text integer(Node &node) { return draw(node, Kind::Integer); }
Text boolean(Node &node) { return draw(node, Kind::Bool); }

/// An access of a tensor of that kind; what is not in scope is read at a
/// constant or at an integer expression, with `?`.
Text access(Node &node, Kind kind) {
  std::vector<const Tensor *> fitting;
  for (const Tensor &tensor : node.soup.tensors)
    if (tensor.kind == kind)
      fitting.push_back(&tensor);
  if (fitting.empty())
    return "";
  Choices &choices = node.soup.choices();
  const Tensor &tensor = *fitting[choices.below(fitting.size())];
  Text indices;
  bool moved = false;
  for (const Text &rank : tensor.ranks) {
    bool here = contains(node.scope, rank);
    if (here)
      node.read(rank);
    if (here && !choices.chance(15)) {
      indices = join(indices, rank);
      continue;
    }
    moved = true;
    node.soup.draft.use("access beside the diagonal");
    if (here)
      indices =
          join(indices, rank + choices.pick({" - 1", " + 1", " * 2", " // 2"}));
    else if (!node.scope.empty() && choices.chance(60)) {
      const Text &other = node.scope[choices.below(node.scope.size())];
      node.read(other);
      indices = join(indices, other);
    } else
      indices = join(indices, choices.pick({"0", "1"}));
  }
  Text text = at(tensor.name, indices);
  return moved ? text + "?" : text;
}

/// `make` in a scope with one more rank, or with one shadowed.
template <typename Make> Text reduction(Node &node, const Text &op, Make make) {
  // The interpreter takes a point's time to the power of the depth.
  if (node.depth == 6)
    return "";
  Choices &choices = node.soup.choices();
  Text rank = pool[choices.below(4)];
  if (contains(node.scope, rank))
    node.soup.draft.use("shadowed rank");
  Node inner = node.binding(rank);
  return op + "[" + rank + "](" + make(inner) + ")";
}

Text reduceReal(Node &node, const char *op) {
  return reduction(node, op, [](Node &inner) { return real(inner); });
}

const Alternative<Node> realTable[] = {
    {"real tensor", 45, [](Node &n) { return access(n, Kind::Real); }},
    {"real literal", 8,
     [](Node &n) -> Text {
       return n.soup.choices().pick({"0.5", "1.5", "0", "2", "-0.25"});
     }},
    {"sum, difference, product", 25,
     [](Node &n) -> Text {
       Text left = real(n);
       return "(" + left + n.soup.choices().pick({" + ", " - ", " * "}) +
              real(n) + ")";
     }},
    {"smooth function", 12,
     [](Node &n) -> Text {
       return Text(n.soup.choices().pick(
                  {"tanh", "sigmoid", "abs", "silu", "softplus", "gelu"})) +
              "(" + real(n) + ")";
     }},
    {"quotient", 7,
     [](Node &n) -> Text {
       Text left = real(n);
       return "(" + left + " / (1 + abs(" + real(n) + ")))";
     }},
    {"min and max", 6,
     [](Node &n) -> Text {
       Text left = real(n);
       return Text(n.soup.choices().pick({"min", "max"})) + "(" + left + ", " +
              real(n) + ")";
     }},
    {"sum over a rank", 16,
     [](Node &n) -> Text { return reduceReal(n, "sum"); }},
    {"extremum over a rank", 8,
     [](Node &n) -> Text {
       return reduceReal(n, n.soup.choices().pick({"max", "min"}));
     }},
    {"product over a rank", 7,
     [](Node &n) -> Text {
       return reduction(n, "prod", [](Node &inner) {
         return "1 + 0.25 * tanh(" + real(inner) + ")";
       });
     }},
    {"mean or variance over a rank", 7,
     [](Node &n) -> Text {
       return reduceReal(n, n.soup.choices().pick({"mean", "var"}));
     }},
    {"first or last over a rank", 6,
     [](Node &n) -> Text {
       return reduceReal(n, n.soup.choices().pick({"first", "last"}));
     }},
    {"where", 16,
     [](Node &n) -> Text {
       Text value = real(n);
       return "(" + value + " where " + boolean(n) + ")";
     }},
    {"else", 12,
     [](Node &n) -> Text {
       Text value = real(n);
       return "(" + value + " else " + real(n) + ")";
     }},
    {"select", 6,
     [](Node &n) -> Text {
       Text condition = boolean(n), value = real(n);
       return "select(" + condition + ", " + value + ", " + real(n) + ")";
     }},
    {"substitution", 8,
     [](Node &n) -> Text {
       if (n.scope.empty())
         return "";
       Choices &choices = n.soup.choices();
       const Text &rank = n.scope[choices.below(n.scope.size())];
       Node inner = n.binding(rank);
       Text value = real(inner);
       return "(" + value + ")[" + rank + " := " + choices.pick({"0", "1"}) +
              "]?";
     }},
    {"substitution by a shift", 6,
     [](Node &n) -> Text {
       if (n.scope.empty())
         return "";
       Choices &choices = n.soup.choices();
       const Text &rank = n.scope[choices.below(n.scope.size())];
       n.read(rank);
       Node inner = n.binding(rank);
       Text value = real(inner);
       return "(" + value + ")[" + rank + " := " + rank +
              choices.pick({" - 1", " + 1", " // 2"}) + "]?";
     }},
    {"integer in a real", 6,
     [](Node &n) -> Text { return "(0.5 * " + integer(n) + ")"; }},
};

const Alternative<Node> integerTable[] = {
    {"integer tensor", 25, [](Node &n) { return access(n, Kind::Integer); }},
    {"integer literal", 12,
     [](Node &n) -> Text {
       return n.soup.choices().pick({"1", "0", "3", "-2"});
     }},
    {"coordinate", 25,
     [](Node &n) -> Text {
       if (n.scope.empty())
         return "";
       const Text &rank = n.scope[n.soup.choices().below(n.scope.size())];
       n.read(rank);
       return rank;
     }},
    {"extent", 8,
     [](Node &n) -> Text {
       return "|" + pool[n.soup.choices().below(4)] + "|";
     }},
    {"integer arithmetic", 16,
     [](Node &n) -> Text {
       Text left = integer(n);
       return "(" + left + n.soup.choices().pick({" + ", " - ", " * "}) +
              integer(n) + ")";
     }},
    {"division and remainder", 8,
     [](Node &n) -> Text {
       return "(" + integer(n) +
              n.soup.choices().pick({" // 2", " % 3", " // -3", " % 2"}) + ")";
     }},
    {"division by a value", 6,
     [](Node &n) -> Text {
       Text left = integer(n);
       return "(" + left + n.soup.choices().pick({" // ", " % "}) + integer(n) +
              ")";
     }},
    {"bits of integers", 7,
     [](Node &n) -> Text {
       Text left = integer(n);
       return Text(n.soup.choices().pick({"xor", "band"})) + "(" + left + ", " +
              integer(n) + ")";
     }},
    {"count over a rank", 8,
     [](Node &n) -> Text { return reduceReal(n, "count"); }},
    {"reduction of integers", 8,
     [](Node &n) -> Text {
       return reduction(n, n.soup.choices().pick({"sum", "max", "min"}),
                        [](Node &inner) { return integer(inner); });
     }},
    {"argmax of integers", 7,
     [](Node &n) -> Text {
       return reduction(n, n.soup.choices().pick({"argmax", "argmin"}),
                        [](Node &inner) { return integer(inner); });
     }},
    {"number of a bool", 7,
     [](Node &n) -> Text { return "num(" + boolean(n) + ")"; }},
};

const Alternative<Node> boolTable[] = {
    {"comparison of integers", 40,
     [](Node &n) -> Text {
       Text left = integer(n);
       return "(" + left +
              n.soup.choices().pick(
                  {" < ", " <= ", " == ", " != ", " > ", " >= "}) +
              integer(n) + ")";
     }},
    {"bool tensor", 20, [](Node &n) { return access(n, Kind::Bool); }},
    {"connective", 15,
     [](Node &n) -> Text {
       Text left = boolean(n);
       return "(" + left + n.soup.choices().pick({" and ", " or "}) +
              boolean(n) + ")";
     }},
    {"negation", 11, [](Node &n) -> Text { return "(not " + boolean(n) + ")"; }},
    {"any and all", 10,
     [](Node &n) -> Text {
       return reduction(n, n.soup.choices().pick({"any", "all"}),
                        [](Node &inner) { return boolean(inner); });
     }},
    {"presence as a value", 9,
     [](Node &n) -> Text { return "present(" + real(n) + ")"; }},
};

Text draw(Node &node, Kind kind) {
  Soup &soup = node.soup;
  if (soup.budget == 0) {
    Text leaf = access(node, kind);
    if (!leaf.empty())
      return leaf;
    return kind == Kind::Real ? "0.75" : kind == Kind::Integer ? "2" : "true";
  }
  --soup.budget;
  switch (kind) {
  case Kind::Real:
    return choose(soup.draft, node, realTable);
  case Kind::Integer:
    return choose(soup.draft, node, integerTable);
  case Kind::Bool:
    return choose(soup.draft, node, boolTable);
  }
  return "";
}

Ranks someRanks(Soup &soup, unsigned percent) {
  Ranks ranks;
  for (const Text &rank : pool)
    if (soup.choices().chance(percent))
      ranks.push_back(rank);
  return ranks;
}

const char *typeOf(Soup &soup, Kind kind) {
  switch (kind) {
  case Kind::Real:
    return soup.choices().pick({"f32", "bf16", "f32", "f16", "f64"});
  case Kind::Integer:
    return soup.choices().pick({"i32", "i32", "i8", "i64"});
  default:
    return "bool";
  }
}

} // namespace

std::string drawSoup(Draft &draft) {
  Soup soup{draft, {}, 0, {}, {}};
  for (const Text &rank : pool)
    draft.free(rank, Size::Short);
  // Every rank has an extent.
  draft.input("X", typeOf(soup, Kind::Real), "i,j,k,l");
  soup.tensors.push_back({"X", Kind::Real, {"i", "j", "k", "l"}});
  const std::pair<const char *, Kind> inputs[] = {
      {"Y", Kind::Real}, {"I", Kind::Integer}, {"B", Kind::Bool}};
  for (const auto &[name, kind] : inputs) {
    Ranks ranks = someRanks(soup, 50);
    draft.input(name, typeOf(soup, kind), list(ranks),
                kind == Kind::Real      ? Fill::Normal
                : kind == Kind::Integer ? Fill::Small
                                        : Fill::Label);
    soup.tensors.push_back({name, kind, ranks});
  }
  unsigned statements = 1 + soup.choices().below(4);
  for (unsigned index = 0; index < statements; ++index) {
    bool last = index + 1 == statements;
    Kind kind = soup.choices().pick(
        {Kind::Real, Kind::Real, Kind::Integer, Kind::Bool});
    Tensor tensor{draft.fresh("T"), kind, someRanks(soup, 50)};
    soup.budget = 2 + soup.choices().below(9);
    soup.freed.clear();
    soup.shadowed.clear();
    Node node{soup, tensor.ranks, {}};
    Text value = draw(node, kind);
    // A rank of the left side must not occur only bound on the right.
    for (const Text &rank : tensor.ranks)
      if (soup.shadowed.count(rank) && !soup.freed.count(rank))
        value += " where " + rank + " >= 0";
    draft.statement(at(tensor.name, list(tensor.ranks)) + " = " + value);
    if (last || soup.choices().chance(30)) {
      Text out = "O" + tensor.name;
      draft.output(out,
                   kind == Kind::Real ? draft.storage()
                   : kind == Kind::Integer
                       ? Text(soup.choices().pick({"i32", "i64"}))
                       : "bool",
                   list(tensor.ranks));
      draft.statement(at(out, list(tensor.ranks)) + " = " + tensor.name);
    }
    soup.tensors.push_back(tensor);
  }
  return "+";
}

void listSoup(std::vector<std::string> &names) {
  listNames(names, realTable);
  listNames(names, integerTable);
  listNames(names, boolTable);
  names.push_back("access beside the diagonal");
  names.push_back("shadowed rank");
}

} // namespace attn::fuzz
