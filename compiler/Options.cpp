//===- Options.cpp - the command line of attnc ------------------*- C++ -*-===//
#include "compiler/Options.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CommandLine.h"

using namespace llvm;

namespace {

cl::SubCommand runSub("run", "compile and run in process");
cl::SubCommand interpretSub("interpret", "evaluate in f64, the meaning");
cl::SubCommand zooSub("zoo", "run the examples against their references");
cl::SubCommand fmtSub("fmt", "print a program in its canonical form");
cl::SubCommand explainSub("explain", "say how a program is computed");
cl::SubCommand &compileSub = cl::SubCommand::getTopLevel();

cl::OptionCategory category("attnc options");

// A file is positional in every command but `zoo`.
cl::opt<std::string> file(cl::Positional, cl::desc("FILE"), cl::cat(category),
                          cl::sub(compileSub), cl::sub(runSub),
                          cl::sub(interpretSub), cl::sub(fmtSub),
                          cl::sub(explainSub));
cl::opt<std::string> output("o", cl::desc("What to write"),
                            cl::value_desc("PATH"), cl::cat(category),
                            cl::sub(compileSub));
cl::opt<std::string>
    emit("emit",
         cl::desc("attn, derived, tile, llvm, asm, ptx, cubin, obj or lib"),
         cl::value_desc("STAGE"), cl::cat(category), cl::sub(compileSub));
cl::opt<std::string>
    target("target",
           cl::desc("native (default; ATTN_TARGET if it is set), x86-64, "
                    "x86-64-v3, x86-64-v4, avx512fp16, amx, aarch64, several "
                    "of one architecture (a,b) or all of this machine's, cuda, "
                    "cuda:sm_80, cuda:sm_90a"),
           cl::value_desc("TARGET"), cl::init("native"), cl::cat(category),
           cl::sub(compileSub), cl::sub(runSub), cl::sub(zooSub),
           cl::sub(explainSub));
cl::opt<std::string> entry("entry", cl::desc("Cascade, of several in a file"),
                           cl::value_desc("NAME"), cl::cat(category),
                           cl::sub(compileSub), cl::sub(runSub),
                           cl::sub(interpretSub), cl::sub(explainSub));
cl::list<std::string> consts("const", cl::desc("Value of a const scalar"),
                             cl::value_desc("NAME=VALUE"), cl::cat(category),
                             cl::sub(compileSub), cl::sub(runSub),
                             cl::sub(interpretSub), cl::sub(explainSub));
cl::opt<bool> widePorts("f32", cl::desc("Ports of 16-bit reals are of f32"),
                        cl::cat(category), cl::sub(compileSub), cl::sub(runSub),
                        cl::sub(interpretSub), cl::sub(explainSub));
cl::list<std::string> shape("shape", cl::desc("Extents of ranks"),
                            cl::value_desc("b=1,m=4096,.."), cl::CommaSeparated,
                            cl::cat(category), cl::sub(runSub),
                            cl::sub(interpretSub), cl::sub(explainSub));
cl::list<std::string> inputs("input", cl::desc("An input, else it is random"),
                             cl::value_desc("NAME=FILE.npy|SCALAR"),
                             cl::cat(category), cl::sub(runSub),
                             cl::sub(interpretSub));
cl::list<std::string> outputs("output", cl::desc("Where an output is written"),
                              cl::value_desc("NAME=FILE.npy"),
                              cl::cat(category), cl::sub(runSub),
                              cl::sub(interpretSub));
cl::opt<uint64_t> seed("seed", cl::desc("Of random inputs"),
                       cl::value_desc("S"), cl::cat(category), cl::sub(runSub),
                       cl::sub(interpretSub));
cl::opt<int> threads("threads", cl::desc("0: one for each CPU"),
                     cl::value_desc("T"), cl::cat(category), cl::sub(runSub),
                     cl::sub(zooSub));
cl::opt<bool> check("check",
                    cl::desc("Compare with the interpreter (run), or with the "
                             "canonical form (fmt)"),
                    cl::cat(category), cl::sub(runSub), cl::sub(fmtSub));
cl::opt<bool> bench("bench", cl::desc("Print the time of a call"),
                    cl::cat(category), cl::sub(runSub));
cl::opt<bool> inPlace("i", cl::desc("Rewrite the file"), cl::cat(category),
                      cl::sub(fmtSub));
cl::opt<std::string> html("html", cl::desc("Write the report as a page"),
                          cl::value_desc("PATH"), cl::cat(category),
                          cl::sub(explainSub));
cl::opt<bool> json("json", cl::desc("Print the report as JSON"),
                   cl::cat(category), cl::sub(explainSub));
cl::list<std::string> sequence("sequence",
                               cl::desc("Ranks that grow with the sequence"),
                               cl::value_desc("m,n"), cl::CommaSeparated,
                               cl::cat(category), cl::sub(explainSub));
cl::list<std::string> families("family", cl::desc("Rows of these families"),
                               cl::value_desc("a,b"), cl::CommaSeparated,
                               cl::cat(category), cl::sub(zooSub));
cl::list<std::string> ids("id", cl::desc("These rows"), cl::value_desc("x,y"),
                          cl::CommaSeparated, cl::cat(category),
                          cl::sub(zooSub));
cl::opt<unsigned> cases("cases",
                        cl::desc("The first N cases of a cascade; 0: all"),
                        cl::value_desc("N"), cl::cat(category),
                        cl::sub(zooSub));

bool complain(const Twine &message) {
  errs() << "attnc: " << message << "\n";
  return false;
}

/// `NAME=VALUE` entries of `--flag`.
bool split(const char *flag, const cl::list<std::string> &entries,
           std::vector<attn::NameValue> &result) {
  for (StringRef text : entries) {
    auto [name, value] = text.split('=');
    if (name.empty() || value.empty())
      return complain(Twine("--") + flag + " takes NAME=VALUE, not '" + text +
                      "'");
    for (const attn::NameValue &other : result)
      if (other.first == name)
        return complain(Twine("--") + flag + " gives " + name + " twice");
    result.emplace_back(name, value);
  }
  return true;
}

bool splitShape(attn::Options &options) {
  std::vector<attn::NameValue> pairs;
  if (!split("shape", shape, pairs))
    return false;
  for (auto &[name, value] : pairs) {
    int64_t extent;
    if (StringRef(value).getAsInteger(10, extent) || extent < 0)
      return complain("--shape " + name + "=" + value +
                      ": an extent is a number from 0 on");
    options.shape.emplace_back(name, extent);
  }
  return true;
}

/// The name of the subcommand in use.
std::string commandName() {
  for (cl::SubCommand *sub :
       {&runSub, &interpretSub, &zooSub, &fmtSub, &explainSub})
    if (*sub)
      return sub->getName().str();
  return "";
}

} // namespace

std::optional<attn::Options> attn::parseOptions(int argc,
                                                const char *const *argv) {
  for (cl::SubCommand *sub :
       {&compileSub, &runSub, &interpretSub, &zooSub, &fmtSub, &explainSub})
    cl::HideUnrelatedOptions(category, *sub);
  cl::SetVersionPrinter([](raw_ostream &os) {
    os << "attnc " ATTN_VERSION " (LLVM " LLVM_VERSION_STRING ")\n";
  });
  if (!cl::ParseCommandLineOptions(
          argc, argv,
          "attnc: a compiler for attention variants\n\n"
          "  attnc FILE -o LIB       write LIB, its header and its manifest\n"
          "  attnc FILE --emit attn  print the program at a stage\n"
          "  attnc COMMAND --help    flags of the commands below\n\n"
          "Exit codes: 0 fine, 1 the input is at fault, 2 wrong usage, 3 a "
          "check failed,\n4 the machine lacks something.\n",
          &errs()))
    return std::nullopt;

  Options options;
  options.command = commandName();
  options.file = file;
  options.output = output;
  options.emit = emit;
  options.target = target;
  options.entry = entry;
  options.families.assign(families.begin(), families.end());
  options.ids.assign(ids.begin(), ids.end());
  options.cases = cases;
  options.seed = seed;
  options.threads = threads;
  options.widePorts = widePorts;
  options.check = check;
  options.bench = bench;
  options.inPlace = inPlace;
  options.html = html;
  options.json = json;
  options.sequence.assign(sequence.begin(), sequence.end());
  bool good = split("const", consts, options.consts) &&
              split("input", inputs, options.inputs) &&
              split("output", outputs, options.outputs) && splitShape(options);
  if (good && options.file.empty() && options.command != "zoo")
    good = complain("which file? (attnc --help)");
  if (good && (options.threads < 0 || options.threads > 4096))
    good = complain("--threads takes 0 to 4096");
  return good ? std::optional(options) : std::nullopt;
}
