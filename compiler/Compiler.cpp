//===- Compiler.cpp - attention compiled at run time ------------*- C++ -*-===//
#include "attn/Compiler.h"
#include "compiler/Backend.h"
#include "compiler/Manifest.h"
#include "compiler/Tables.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace attn;

struct Kernel::Code {
  std::unique_ptr<Jit> jit;
  const attn_entry_desc *entry;
  std::string name;
  std::vector<Port> ports;
};

const std::string &Kernel::name() const { return code->name; }
const std::vector<Port> &Kernel::ports() const { return code->ports; }
const attn_entry_desc *Kernel::entry() const { return code->entry; }

int Kernel::operator()(const std::vector<DLTensor *> &tensors,
                       const attn_context *context) const {
  // attn_invoke reads num_ports pointers.
  std::vector<DLTensor *> all = tensors;
  all.resize(std::max<size_t>(all.size(), code->ports.size()));
  return attn_invoke(context, code->entry, all.data());
}

static std::vector<Port> describePorts(CascadeOp cascade) {
  std::vector<Port> ports;
  for (const PortInfo &info : portsOf(cascade)) {
    Port port;
    port.name = info.name;
    port.type = typeName(info.element);
    for (int32_t axis : info.axes)
      port.ranks.push_back(
          mlir::cast<RankAttr>(cascade.getRanks()[axis]).getName().str());
    port.isOutput = info.output;
    port.hasDefault = info.optional;
    ports.push_back(std::move(port));
  }
  return ports;
}

Result<Kernel> Compiler::compile(std::string_view text,
                                 std::string_view name) const {
  std::string messages;
  llvm::raw_string_ostream os(messages);
  auto fail = [&](const llvm::Twine &message) {
    os << message;
    return Result<Kernel>::failure(messages);
  };
  text::ImportOptions import;
  for (auto &[constant, value] : options.consts)
    import.consts[constant] = value;
  import.entry = options.entry;
  import.widePorts = options.widePorts;
  std::unique_ptr<Program> program = loadText(name, text, import, os);
  if (!program)
    return Result<Kernel>::failure(messages);
  CascadeOp cascade;
  for (auto candidate : program->module->getOps<CascadeOp>()) {
    if (options.entry.empty() ? isOfCut(candidate)
                              : candidate.getSymName() != options.entry)
      continue;
    if (cascade)
      return fail("several cascades: Options::entry says which");
    cascade = candidate;
  }
  if (!cascade)
    return fail("there is no cascade " + options.entry);
  auto code = std::make_shared<Kernel::Code>();
  code->name = cascade.getSymName().str();
  code->ports = describePorts(cascade);
  auto jit = jitCompile(*program, options.target, os);
  if (!jit)
    return fail(llvm::toString(jit.takeError()));
  code->jit = std::move(*jit);
  code->entry = code->jit->find(symbolName(code->name));
  Kernel kernel;
  kernel.code = std::move(code);
  return kernel;
}

Result<Kernel> Compiler::compileFile(const std::string &path) const {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return Result<Kernel>::failure(path + ": " + buffer.getError().message());
  return compile((*buffer)->getBuffer(), path);
}
