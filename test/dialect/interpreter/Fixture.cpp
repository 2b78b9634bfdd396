//===- Fixture.cpp - cascades in short notation, interpreted ----*- C++ -*-===//
#include "Fixture.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace attn;
using namespace attn::test;
using llvm::formatv;

static SmallVector<StringRef> fields(StringRef list, char separator) {
  SmallVector<StringRef> parts;
  list.split(parts, separator, -1, false);
  return parts;
}

/// ["a", "b"] of a,b
static std::string quoted(StringRef list) {
  return "[" +
         llvm::join(llvm::map_range(fields(list, ','),
                                    [](StringRef name) {
                                      return ("\"" + name + "\"").str();
                                    }),
                    ", ") +
         "]";
}

static std::string coordinates(StringRef list) {
  return "^bb0(" +
         llvm::join(llvm::map_range(fields(list, ','),
                                    [](StringRef name) {
                                      return ("%" + name + ": i32").str();
                                    }),
                    ", ") +
         "):\n";
}

static std::string tensorType(StringRef ranks, StringRef element) {
  return formatv("!attn.tensor<{0}, {1}>", quoted(ranks), element);
}

static StringRef wordAfter(ArrayRef<StringRef> words, StringRef key,
                           size_t offset = 1) {
  auto it = llvm::find(words, key);
  return it == words.end() ? "" : *(it + offset);
}

/// einsum, order and guard headers.
static std::string expandHeader(StringRef line) {
  SmallVector<StringRef> words = fields(line, ' ');
  if (words.front() == "}")
    return "} guard {\n" +
           coordinates(words.size() > 3 ? words[2] : StringRef());
  StringRef names = words[1], space = wordAfter(words, "over");
  if (space == "-")
    space = "";
  std::string all = space.str();
  if (words.front() == "order") {
    StringRef from = wordAfter(words, "from");
    auto [outer, to] = space.rsplit(',');
    if (to.empty())
      std::swap(outer, to);
    return formatv("%{0} = attn.order \"{0}\" over {1} from \"{2}\" to \"{3}\" "
                   "{{\n{4}",
                   names, quoted(space), from, to,
                   coordinates((outer + "," + from).str()));
  }
  std::string text =
      formatv("%{0} = attn.einsum {1} over {2}", fields(names, ',').front(),
              quoted(names), quoted(space));
  if (fields(names, ',').size() > 1)
    text = formatv("%{0}:{1} = attn.einsum {2} over {3}",
                   fields(names, ',').front(), fields(names, ',').size(),
                   quoted(names), quoted(space));
  if (StringRef kind = wordAfter(words, "reduce"); !kind.empty()) {
    StringRef ranks = wordAfter(words, "reduce", 2);
    text += kind.starts_with("@")
                ? (" reduce " + kind + " ").str()
                : (" reduce #attn.reduce<" + kind + "> ").str();
    text += quoted(ranks);
    all += ("," + ranks).str();
  }
  return text + " {\n" + coordinates(all);
}

/// @ranks:element
static std::string expandTypes(StringRef line) {
  std::string text;
  while (true) {
    auto [before, rest] = line.split('@');
    text += before;
    if (before.size() == line.size())
      return text;
    auto [ranks, element] = rest.split(':');
    StringRef name = element.take_while(llvm::isAlnum);
    text += tensorType(ranks, name);
    line = element.drop_front(name.size());
  }
}

/// The types of the indices of a read.
static std::string expandRead(std::string line) {
  size_t read = line.find("read %");
  if (read == std::string::npos)
    return line;
  size_t open = line.find('[', read), close = line.find(']', open);
  size_t count = fields(StringRef(line).slice(open + 1, close), ',').size();
  std::string types;
  for (size_t i = 0; i < count; ++i)
    types += i ? ", i32" : " : i32";
  line.insert(close, types);
  return line.insert(read, "attn.");
}

static std::string expandBody(StringRef body) {
  std::string text;
  for (StringRef line : fields(body, '\n')) {
    line = line.trim();
    if (line.starts_with("einsum ") || line.starts_with("order ") ||
        line.starts_with("} guard"))
      text += expandHeader(line);
    else
      text += expandTypes(expandRead(line.str())) + "\n";
  }
  return text;
}

static std::string ports(ArrayRef<StringRef> names) {
  return llvm::join(
      llvm::map_range(names,
                      [](StringRef name) {
                        return formatv("#attn.port<\"{0}\">", name).str();
                      }),
      ", ");
}

static std::string expand(const Program &program) {
  std::string ranks, arguments;
  for (StringRef rank : fields(program.ranks, ' ')) {
    auto [name, extent] = rank.split('=');
    ranks += ranks.empty() ? "" : ", ";
    ranks += "#attn.rank<\"" + name.str() + "\"";
    if (extent.starts_with("|")) // |n| or |n|+1: of another rank
      ranks += formatv(", <()[s0] -> (s0 {0}), [\"{1}\"]>",
                       extent.ltrim('|').split('|').second,
                       extent.ltrim('|').split('|').first);
    else if (!extent.empty())
      ranks += (", <() -> (" + extent + ")>").str();
    ranks += ">";
  }
  SmallVector<StringRef> names;
  for (StringRef input : fields(program.inputs, ' ')) {
    auto [name, type] = input.split('@');
    names.push_back(name);
    arguments += arguments.empty() ? "" : ", ";
    arguments += "%" + name.str() + ": " +
                 tensorType(type.split(':').first, type.split(':').second);
  }
  return formatv("{0}\nattn.cascade @test attributes {{ranks = [{1}], "
                 "relations = [{2}], inputs = [{3}], outputs = [{4}]} {{\n"
                 "^bb0({5}):\n{6}}\n",
                 program.before, ranks, program.relations, ports(names),
                 ports(fields(program.outputs, ' ')), arguments,
                 expandBody(program.body));
}

InterpreterTest::InterpreterTest() {
  ctx.loadDialect<AttnDialect, arith::ArithDialect>();
}

llvm::Expected<std::vector<Array>>
InterpreterTest::interpret(const Program &program, std::vector<Array> inputs,
                           InterpretOptions options) {
  std::string text = expand(program);
  auto module = parseSourceString<ModuleOp>(text, &ctx);
  EXPECT_TRUE(module) << text;
  if (!module)
    return makeError("does not parse");
  auto cascade = *module->getOps<CascadeOp>().begin();
  return attn::interpret(cascade, inputs, options);
}

std::vector<std::vector<double>>
InterpreterTest::values(const Program &program, std::vector<Array> inputs,
                        InterpretOptions options) {
  auto outputs = interpret(program, std::move(inputs), options);
  std::vector<std::vector<double>> result;
  if (!outputs) {
    ADD_FAILURE() << llvm::toString(outputs.takeError());
    return result;
  }
  for (const Array &array : *outputs) {
    auto &values = result.emplace_back();
    for (size_t i = 0; i < array.present.size(); ++i)
      values.push_back(!array.present[i] ? absent
                       : array.isReal()  ? array.reals[i]
                                         : double(array.integers[i]));
  }
  return result;
}

std::vector<double> InterpreterTest::value(const Program &program,
                                           std::vector<Array> inputs,
                                           InterpretOptions options) {
  auto all = values(program, std::move(inputs), options);
  return all.empty() ? std::vector<double>() : all.front();
}

std::string InterpreterTest::error(const Program &program,
                                   std::vector<Array> inputs,
                                   InterpretOptions options) {
  auto outputs = interpret(program, std::move(inputs), options);
  return outputs ? "no error" : llvm::toString(outputs.takeError());
}

Array InterpreterTest::reals(ArrayRef<int64_t> shape,
                             std::vector<double> values) {
  return Array::real(shape, Float64Type::get(&ctx), std::move(values));
}

Array InterpreterTest::vector(std::vector<double> values) {
  int64_t size = values.size();
  return reals({size}, std::move(values));
}

Array InterpreterTest::integers(ArrayRef<int64_t> shape,
                                std::vector<int64_t> values) {
  return Array::integer(shape, IntegerType::get(&ctx, 32), std::move(values));
}

Array InterpreterTest::bools(std::vector<int64_t> values) {
  int64_t size = values.size();
  return Array::integer({size}, IntegerType::get(&ctx, 1), std::move(values));
}

void attn::test::expectValues(const std::vector<double> &actual,
                              const std::vector<double> &expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i) {
    auto show = [](double v) {
      return v == absent ? std::string("absent") : std::to_string(v);
    };
    bool equal =
        std::isnan(expected[i])
            ? std::isnan(actual[i])
            : actual[i] == expected[i] || std::abs(actual[i] - expected[i]) <=
                                              1e-12 * std::abs(expected[i]);
    EXPECT_TRUE(equal) << "at " << i << ": " << show(actual[i]) << ", not "
                       << show(expected[i]);
  }
}
