//===- Compiler.cpp - attention compiled at run time ------------*- C++ -*-===//
#include "attn/Compiler.h"
#include "compiler/Backend.h"
#include "compiler/ElementTypes.h"
#include "compiler/KernelCache.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace attn;

struct Kernel::Code {
  std::unique_ptr<Jit> jit;
  const attn_entry_desc *entry;
  std::string name;
  std::vector<Port> ports;
  bool isCached;
};

const std::string &Kernel::name() const { return code->name; }
const std::vector<Port> &Kernel::ports() const { return code->ports; }
const attn_entry_desc *Kernel::entry() const { return code->entry; }
bool Kernel::isCached() const { return code->isCached; }

int Kernel::operator()(const std::vector<DLTensor *> &tensors,
                       const attn_context *context) const {
  // attn_invoke reads num_ports pointers.
  std::vector<DLTensor *> all = tensors;
  all.resize(std::max<size_t>(all.size(), code->ports.size()));
  return attn_invoke(context, code->entry, all.data());
}

static std::vector<Port> describePorts(const attn_entry_desc &entry) {
  std::vector<Port> ports;
  for (const attn_port_desc &desc :
       llvm::ArrayRef(entry.ports, entry.num_ports)) {
    Port port;
    port.name = desc.name;
    port.type = typeName(DLDataType{desc.dtype_code, desc.dtype_bits, 1});
    for (int32_t axis : llvm::ArrayRef(desc.axes, desc.ndim))
      port.ranks.push_back(entry.extents[axis].name);
    port.isOutput = desc.flags & ATTN_PORT_OUTPUT;
    port.hasDefault = desc.flags & ATTN_PORT_OPTIONAL;
    ports.push_back(std::move(port));
  }
  return ports;
}

/// The cascade that the options mean, checked; null after a message.
static CascadeOp choose(Program &program, const std::string &entry,
                        llvm::raw_ostream &os) {
  CascadeOp cascade;
  for (auto candidate : program.module->getOps<CascadeOp>()) {
    if (entry.empty() ? isOfCut(candidate) : candidate.getSymName() != entry)
      continue;
    if (cascade) {
      os << "several cascades: Options::entry says which";
      return {};
    }
    cascade = candidate;
  }
  if (!cascade)
    os << "there is no cascade " << entry;
  return cascade;
}

/// Everything that code depends on besides the target.
static std::vector<std::string> inputsOf(const Compiler::Options &options,
                                         llvm::StringRef text,
                                         llvm::StringRef name) {
  std::vector<std::string> parts = {
      text.str(), name.ends_with(".mlir") ? "mlir" : "attn", options.entry,
      options.widePorts ? "f32" : ""};
  for (auto &[constant, value] : options.consts) {
    parts.push_back(constant);
    parts.push_back(value);
  }
  return parts;
}

Result<Kernel> Compiler::compile(std::string_view text,
                                 std::string_view name) const {
  std::string messages;
  llvm::raw_string_ostream os(messages);
  auto fail = [&](const llvm::Twine &message) {
    os << message;
    return Result<Kernel>::failure(messages);
  };
  auto target = codegenOptions(options.target);
  if (!target)
    return fail(llvm::toString(target.takeError()));
  auto finish = [&](CachedKernel object, bool isCached) {
    auto jit = Jit::link(std::move(object.object));
    if (!jit)
      return fail(llvm::toString(jit.takeError()));
    auto code = std::make_shared<Kernel::Code>();
    code->entry = (*jit)->find(symbolName(object.cascade));
    code->jit = std::move(*jit);
    code->name = std::move(object.cascade);
    code->ports = describePorts(*code->entry);
    code->isCached = isCached;
    Kernel kernel;
    kernel.code = std::move(code);
    return Result<Kernel>(std::move(kernel));
  };

  KernelCache cache(options.cache ? *options.cache
                                  : KernelCache::defaultDirectory());
  std::vector<std::string> inputs = inputsOf(options, text, name);
  std::string key = KernelCache::key(
      llvm::SmallVector<llvm::StringRef>(inputs.begin(), inputs.end()),
      *target);
  if (auto known = cache.find(key))
    return finish(std::move(*known), /*isCached=*/true);

  text::ImportOptions import;
  for (auto &[constant, value] : options.consts)
    import.consts[constant] = value;
  import.entry = options.entry;
  import.widePorts = options.widePorts;
  std::unique_ptr<Program> program = loadText(name, text, import, os);
  CascadeOp cascade =
      program ? choose(*program, options.entry, os) : CascadeOp();
  if (!cascade)
    return Result<Kernel>::failure(messages);
  auto generated = generateCode(*program, options.target, os);
  if (!generated)
    return fail(llvm::toString(generated.takeError()));
  auto object = Jit::compileObject(std::move(*generated));
  if (!object)
    return fail(llvm::toString(object.takeError()));
  std::string cascadeName = cascade.getSymName().str();
  cache.store(key, cascadeName, (*object)->getBuffer());
  return finish({cascadeName, std::move(*object)}, /*isCached=*/false);
}

Result<Kernel> Compiler::compileFile(const std::string &path) const {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return Result<Kernel>::failure(path + ": " + buffer.getError().message());
  return compile((*buffer)->getBuffer(), path);
}
