//===- Draft.cpp - a random program while it is written ---------*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Draft.h"

namespace attn::fuzz {

unsigned Choices::weighted(const std::vector<unsigned> &weights) {
  unsigned sum = 0;
  for (unsigned weight : weights)
    sum += weight;
  if (replay)
    return note(std::min<unsigned>(next(), weights.size() - 1));
  unsigned left = random() % sum, index = 0;
  while (left >= weights[index])
    left -= weights[index++];
  return note(index);
}

std::string join(const std::string &a, const std::string &b) {
  return a.empty() || b.empty() ? a + b : a + "," + b;
}

std::string at(const std::string &name, const std::string &ranks) {
  return ranks.empty() ? name : name + "[" + ranks + "]";
}

static void append(std::string &list, const std::string &item) {
  list += (list.empty() ? "" : ", ") + item;
}

std::string Draft::input(const std::string &name, const std::string &type,
                         const std::string &axes, Fill fill,
                         const std::string &limit, const char *suffix) {
  if (program.fillings.try_emplace(name, Filling{fill, limit}).second)
    append(inputs, name + ": " + at(type, axes) + suffix);
  return name;
}

void Draft::output(const std::string &name, const std::string &type,
                   const std::string &axes, const char *suffix) {
  append(outputs, name + ": " + at(type, axes) + suffix);
}

std::string Draft::constant(const std::string &name, int value) {
  if (program.consts.count(name))
    return name;
  std::string text = std::to_string(value);
  if (choices.chance(50)) {
    use("literal for a scalar");
    return text;
  }
  use("const scalar");
  program.consts[name] = text;
  append(inputs,
         "const " + name + ": i32" + (choices.chance(50) ? " = 1" : ""));
  return name;
}

std::string Draft::scalar(const std::string &name, int value) {
  if (program.fillings.count(name))
    return name;
  if (program.consts.count(name) || choices.chance(50))
    return constant(name, value);
  program.fillings[name] = {Fill::Label, ""};
  if (choices.chance(50)) {
    use("run-time scalar left to its default");
    program.omitted.insert(name);
    append(inputs, name + ": i32 = " + std::to_string(value));
  } else {
    use("run-time scalar");
    append(inputs, name + ": i32");
  }
  return name;
}

void Draft::relation(const std::string &text) { append(relations, text); }

std::string Draft::named(const std::string &ranks,
                         const std::string &expression) {
  if (!choices.chance(40))
    return "(" + expression + ")";
  use("named subexpression");
  std::string name = fresh("X");
  statement(at(name, ranks) + " = " + expression);
  return name;
}

/// Odd, prime, tile-sized, one more, 1 and 0. The first is the simplest.
static const std::map<Size, std::vector<int64_t>> sizeTable = {
    {Size::Batch, {1, 2, 1, 3, 2, 1, 2, 0}},
    {Size::Heads, {1, 2, 3, 1, 2}},
    {Size::Row, {1, 2, 3, 5, 7, 13, 17, 33, 2, 3, 5, 0}},
    {Size::Key, {1, 2, 3, 5, 7, 13, 16, 17, 31, 33, 64, 65, 67, 130, 0}},
    {Size::Depth, {1, 2, 3, 4, 5, 7, 8, 16, 3, 5, 0}},
    {Size::EvenDepth, {2, 4, 6, 8}},
    {Size::Short, {1, 2, 3, 4, 5}}};

Shape Draft::drawShape() {
  Shape shape;
  for (const auto &[rank, size] : sizes) {
    const std::vector<int64_t> &table = sizeTable.at(size);
    shape[rank] = table[choices.below(table.size())];
  }
  // The interpreter visits every point, so long keys go with few rows.
  auto points = [&] {
    int64_t product = 1;
    for (const auto &entry : shape)
      product *= std::max<int64_t>(entry.second, 1);
    return product;
  };
  // What is shrunk first: other ranks to 4, keys to a tile and one, and so on.
  struct Tier {
    bool keys;
    int64_t least;
  };
  for (Tier tier :
       {Tier{false, 4}, Tier{true, 67}, Tier{false, 1}, Tier{true, 1}})
    while (points() > 40000) {
      auto largest = shape.end();
      for (auto it = shape.begin(); it != shape.end(); ++it) {
        Size size = sizes.at(it->first);
        if (size != Size::EvenDepth && (size == Size::Key) == tier.keys &&
            it->second > tier.least &&
            (largest == shape.end() || it->second > largest->second))
          largest = it;
      }
      if (largest == shape.end())
        break;
      largest->second = std::max(tier.least, (largest->second + 1) / 2);
    }
  for (const auto &[rank, extent] : extents)
    shape[rank] = extent(shape);
  return shape;
}

Case Draft::finish() {
  program.shapes.push_back(drawShape());
  if (choices.chance(30))
    program.shapes.push_back(drawShape());
  program.text = declarations + "cascade f(" + inputs + ")\n  -> (" + outputs +
                 ")" + (relations.empty() ? "" : "\n  with " + relations) +
                 "\n{\n" + body + "}\n";
  return std::move(program);
}

namespace {

const Alternative<Draft> familyTable[] = {
    {"attention", 40, drawAttention},
    {"recurrence", 30, drawRecurrence},
    {"selection", 28, drawSelection},
    {"soup", 14, drawSoup},
};

const char *const draftNames[] = {
    "literal for a scalar", "const scalar", "run-time scalar",
    "run-time scalar left to its default", "named subexpression"};

/// Where the alternatives of a family are listed, and how many programs of a
/// round are there for each: fewer meet those of the small families by chance.
struct Family {
  const char *name;
  unsigned share;
  void (*list)(std::vector<std::string> &);
};
/// What meets a law that nothing else meets is there this much more often.
const std::set<std::string> aloneWithLaw = {
    "mass of all rows as an output", "score less that of the own key",
    "weights less other weights", "latent keys"};
constexpr unsigned moreOfThose = 3;
const Family families[] = {{"attention", 3, listAttention},
                           {"recurrence", 10, listRecurrences},
                           {"selection", 11, listSelections},
                           {"soup", 3, listSoup}};

/// Constructs, each with what it cannot be without.
std::vector<std::set<std::string>> wantedSets() {
  std::map<std::string, std::set<std::string>> needs = {
      {"heads mixed after the normaliser", {"grouped heads", "plain keys"}},
      {"page mask", {"pages of keys"}},
      {"latent keys", {"weighted sum"}},
      {"weights less other weights", {"weighted sum"}},
      {"score less that of the own key", {"as many rows as keys"}},
      {"selection of pages", {"pages of keys"}},
      {"list of keys gathered", {"attention over a list of keys"}},
      {"list of keys as a mask", {"attention over a list of keys"}},
      {"predicate on one part of a sum",
       {"two key sources", "masked scores", "causal mask"}},
      {"selection joined with a window", {"selection as a set", "plain keys"}},
      {"selection as a list", {"plain keys"}},
      {"selection gathered", {"plain keys"}},
      {"top of the mass", {"plain keys"}},
      {"best key gathered", {"plain keys"}},
      {"first and last", {"plain keys"}},
      {"rank in the descending order", {"plain keys"}},
      {"best key as an output", {"plain keys", "scores of small integers"}},
      {"running softmax", {"plain keys"}},
      {"entmax by bisection", {"plain keys"}},
      {"sparsemax", {"plain keys"}}};
  std::vector<std::string> states, extras;
  listStates(states);
  listExtras(extras);
  for (const std::string &name : states)
    needs[name].insert("matrix state");
  for (const std::string &name : extras)
    needs[name].insert("several outputs");
  std::vector<std::set<std::string>> sets;
  for (const Family &family : families) {
    std::vector<std::string> names;
    family.list(names);
    for (const std::string &name : names) {
      std::set<std::string> wanted = needs[name];
      wanted.insert({name, family.name});
      sets.insert(sets.end(),
                  family.share * (aloneWithLaw.count(name) ? moreOfThose : 1),
                  wanted);
    }
  }
  return sets;
}

bool hasAll(const Case &program, const std::set<std::string> &wanted) {
  const std::vector<std::string> &has = program.constructs;
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto &name) {
    return std::find(has.begin(), has.end(), name) != has.end();
  });
}

constexpr unsigned maxRedraws = 8;

} // namespace

Case generate(Choices &choices) {
  static const std::vector<std::set<std::string>> wanted = wantedSets();
  // A program that has not got what it is there for is drawn again.
  for (unsigned left = choices.isReplay() ? 0 : maxRedraws;; --left) {
    Draft draft(choices);
    if (!choices.isReplay())
      // A step prime to their number spreads them over any count of programs.
      draft.wanted = wanted[choices.number * 7919 % wanted.size()];
    choose(draft, draft, familyTable);
    Case program = draft.finish();
    if (left == 0 || hasAll(program, draft.wanted))
      return program;
    choices.restart();
  }
}

std::vector<std::string> constructNames() {
  std::vector<std::string> names(std::begin(draftNames), std::end(draftNames));
  listNames(names, familyTable);
  for (const Family &family : families)
    family.list(names);
  return names;
}

} // namespace attn::fuzz
