//===- Statements.cpp - the cascade as written, and its passes --*- C++ -*-===//
#include "compiler/explain/Analyse.h"
#include "dialect/PrintExpr.h"
#include "passes/derive/Laws.h"
#include "passes/derive/PassCount.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace attn;
using namespace attn::explain;

static std::string join(ArrayRef<StringAttr> names) {
  std::string text;
  for (StringAttr name : names)
    text += (text.empty() ? "" : " ") + name.str();
  return text;
}

/// Reduction and ranks: "max over n".
static void describe(Operation *op, Statement &statement) {
  if (auto einsum = dyn_cast<EinsumOp>(op)) {
    if (!einsum.isReduction())
      return;
    auto kind = einsum.builtinReduce();
    statement.kind = Statement::Reduction;
    statement.does = (kind ? stringifyReduce(*kind).str()
                           : cast<FlatSymbolRefAttr>(einsum.getMonoidAttr())
                                 .getValue()
                                 .str()) +
                     " over " + join(strings(einsum.getReduced()));
  } else if (auto order = dyn_cast<OrderOp>(op)) {
    statement.kind = Statement::Selection;
    statement.does =
        "order " + order.getFrom().str() + " to " + order.getTo().str();
  } else if (isa<EquationsOp>(op)) {
    statement.kind = Statement::Recurrence;
    statement.does = "equations";
  }
}

/// A mask speaks of coordinates and of integers of the program. Guards (of
/// infinite scores, of empty fibres) compare reals or what the front end named.
static bool isMask(MapOp condition, StringRef text) {
  bool comparesReals = llvm::any_of(condition.getOperandTypes(), [](Type type) {
    return isa<FloatType>(type);
  });
  size_t dot = text.find('.');
  return !comparesReals && text.size() < 80 &&
         text.find('?') == StringRef::npos &&
         (dot == StringRef::npos || llvm::isDigit(text[dot - 1]));
}

/// Conditions of `where` in the map.
static std::string conditionsOf(Operation *op) {
  std::vector<std::string> texts;
  op->walk([&](WhereOp where) {
    auto condition = where.getCondition().getDefiningOp<MapOp>();
    std::string text = condition ? printExpr(where.getCondition()) : "";
    if (condition && isMask(condition, text) &&
        !llvm::is_contained(texts, text))
      texts.push_back(text);
  });
  return llvm::join(texts, " and ");
}

namespace {
/// Definitions that an output needs, operands first.
class Walk {
public:
  Walk(CascadeOp cascade, Report &report) : report(report) {
    for (auto [i, input] : llvm::enumerate(cascade.getBody().getArguments())) {
      Statement statement;
      statement.kind = Statement::Input;
      statement.name = cast<PortAttr>(cascade.getInputs()[i]).getName().str();
      statement.type = typeText(input.getType());
      ports[input] = add(std::move(statement));
    }
    for (Value output : cascade.getReturn().getOutputs())
      if (Operation *op = output.getDefiningOp())
        report.statements[visit(op)].isOutput = true;
    // Reads of what comes later, in recurrences.
    for (auto &[op, number] : numbers)
      for (Value tensor : tensorsOf(op))
        if (int found = numberOf(tensor); found >= 0)
          reads[number].insert(found);
    for (auto &[number, set] : reads)
      report.statements[number].reads.assign(set.begin(), set.end());
  }

private:
  unsigned add(Statement statement) {
    report.statements.push_back(std::move(statement));
    return report.statements.size() - 1;
  }

  static SmallVector<Value> tensorsOf(Operation *op) {
    llvm::SetVector<Value> found;
    op->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (isa<NamedTensorType>(operand.getType()))
          found.insert(operand);
    });
    return found.takeVector();
  }

  int numberOf(Value tensor) {
    Operation *op = tensor.getDefiningOp();
    if (!op)
      return ports.lookup(tensor);
    auto it = numbers.find(op);
    return it == numbers.end() ? -1 : int(it->second);
  }

  unsigned visit(Operation *op) {
    if (auto it = numbers.find(op); it != numbers.end())
      return it->second;
    if (!open.insert(op).second)
      return 0;
    for (Value tensor : tensorsOf(op))
      if (Operation *def = tensor.getDefiningOp())
        visit(def);
    Statement statement;
    statement.name = tensorName(op->getResult(0)).str();
    statement.type = typeText(op->getResultTypes()[0]);
    describe(op, statement);
    statement.where = conditionsOf(op);
    return numbers[op] = add(std::move(statement));
  }

  Report &report;
  DenseMap<Value, unsigned> ports;
  DenseMap<Operation *, unsigned> numbers;
  std::map<unsigned, std::set<unsigned>> reads;
  DenseSet<Operation *> open;
};
} // namespace

void explain::describeStatements(CascadeOp written, Report &report) {
  Walk(written, report);
}

//===----------------------------------------------------------------------===//
// Passes
//===----------------------------------------------------------------------===//

/// A law is told by the statement it rewrote, or by what it made of one.
static bool isAbout(StringRef statement, StringRef name) {
  return statement == name ||
         (statement.starts_with(name) && statement[name.size()] == '.');
}

static Passes describe(const RankPasses &rank, ArrayRef<LawFired> laws) {
  Passes passes;
  passes.count = rank.number();
  if (rank.repeated)
    passes.repeated = rank.repeated.str();
  for (const PassStep &step : rank.chain) {
    PassEnd end{step.statement, step.does, {}};
    for (const LawFired &law : laws)
      if (isAbout(law.statement, step.statement) &&
          !llvm::is_contained(end.laws, law.law))
        end.laws.push_back(law.law);
    passes.chain.push_back(std::move(end));
  }
  return passes;
}

static std::string identityText(StringRef name) {
  for (const LawRow &law : laws())
    if (law.name == name)
      return law.identity.str();
  return "";
}

void explain::describePasses(const Stages &stages, Report &report) {
  for (const LawEvent &event : lawsOf(stages.derived))
    report.laws.push_back(
        {event.law, event.statement, "", identityText(event.law)});
  for (const LawEvent &event : refusalsOf(stages.derived))
    report.refusals.push_back(
        {event.law, event.statement, event.condition, identityText(event.law)});
  for (const RankPasses &rank : countPasses(stages.written)) {
    RankPasses after = passesOver(stages.derived, rank.rank);
    report.passes.push_back(
        {rank.rank.str(), describe(rank, report.laws), describe(after, {})});
  }
}
