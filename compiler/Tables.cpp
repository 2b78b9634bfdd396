//===- Tables.cpp - the tables of attn/abi.h as constants -------*- C++ -*-===//
// Field order is that of the C structs; LLVM's natural layout is C's.
//===----------------------------------------------------------------------===//
#include "compiler/Tables.h"
#include "compiler/ElementTypes.h"
#include "llvm/IR/IRBuilder.h"

using namespace attn;
using llvm::Constant;

static int32_t rankNumber(CascadeOp cascade, mlir::StringAttr name) {
  int32_t number = 0;
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
    if (rank.getName() == name)
      return number;
    ++number;
  }
  llvm_unreachable("rank is declared");
}

std::vector<PortInfo> attn::portsOf(CascadeOp cascade) {
  std::vector<PortInfo> ports;
  auto add = [&](mlir::ArrayAttr list, mlir::ValueRange tensors, bool output) {
    for (auto [attribute, tensor] :
         llvm::zip(list.getAsRange<PortAttr>(), tensors)) {
      PortAttr port = attribute;
      auto type = mlir::cast<NamedTensorType>(tensor.getType());
      PortInfo info;
      info.name = port.getName().str();
      info.element = type.getElementType();
      info.output = output;
      for (mlir::StringAttr rank : type.getRanks())
        info.axes.push_back(rankNumber(cascade, rank));
      if (port.getInto())
        info.into = cascade.inputIndex(port.getInto());
      if (mlir::TypedAttr init = port.getInit()) {
        info.optional = true;
        if (auto real = mlir::dyn_cast<mlir::FloatAttr>(init))
          info.defaultValue = real.getValueAsDouble();
        else if (auto integer = mlir::dyn_cast<mlir::IntegerAttr>(init))
          info.defaultValue = integer.getType().isInteger(1)
                                  ? double(integer.getValue().getZExtValue())
                                  : double(integer.getValue().getSExtValue());
      }
      ports.push_back(std::move(info));
    }
  };
  add(cascade.getInputs(), cascade.getBody().getArguments(), false);
  add(cascade.getOutputs(), cascade.getReturn().getOperands(), true);
  return ports;
}

//===----------------------------------------------------------------------===//
// Extents
//===----------------------------------------------------------------------===//

static void emitProgram(CascadeOp cascade, ExtentAttr extent,
                        mlir::AffineExpr expr, std::vector<int64_t> &program) {
  if (auto constant = mlir::dyn_cast<mlir::AffineConstantExpr>(expr)) {
    program.insert(program.end(), {ATTN_EXT_CONST, constant.getValue()});
    return;
  }
  if (auto symbol = mlir::dyn_cast<mlir::AffineSymbolExpr>(expr)) {
    int32_t number =
        rankNumber(cascade, extent.getRanks()[symbol.getPosition()]);
    program.insert(program.end(), {ATTN_EXT_LOAD, number});
    return;
  }
  auto binary = mlir::cast<mlir::AffineBinaryOpExpr>(expr);
  emitProgram(cascade, extent, binary.getLHS(), program);
  emitProgram(cascade, extent, binary.getRHS(), program);
  using Kind = mlir::AffineExprKind;
  int64_t op = expr.getKind() == Kind::Add        ? ATTN_EXT_ADD
               : expr.getKind() == Kind::Mul      ? ATTN_EXT_MUL
               : expr.getKind() == Kind::FloorDiv ? ATTN_EXT_FLOORDIV
               : expr.getKind() == Kind::CeilDiv  ? ATTN_EXT_CEILDIV
                                                  : ATTN_EXT_MOD;
  program.insert(program.end(), {op, 0});
}

std::vector<int64_t> attn::extentProgram(CascadeOp cascade, ExtentAttr extent) {
  std::vector<int64_t> program;
  bool first = true;
  for (mlir::AffineExpr result : extent.getMap().getResults()) {
    emitProgram(cascade, extent, result, program);
    if (!first)
      program.insert(program.end(), {ATTN_EXT_MIN, 0});
    first = false;
  }
  return program;
}

Constant *Tables::extents(CascadeOp cascade, std::vector<Constant *> &checks,
                          int32_t &count) {
  std::vector<Constant *> table;
  auto add = [&](llvm::StringRef name, int kind, int64_t value,
                 llvm::ArrayRef<int64_t> program) {
    std::vector<Constant *> words;
    for (int64_t word : program)
      words.push_back(number(64, word));
    table.push_back(
        record({text(name), number(32, kind), number(32, program.size()),
                number(64, value), array(words)}));
  };
  for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
    if (auto known = cascade.staticExtent(rank.getName()))
      add(rank.getName(), ATTN_EXTENT_STATIC, *known, {});
    else if (rank.getExtent())
      add(rank.getName(), ATTN_EXTENT_DERIVED, 0,
          extentProgram(cascade, rank.getExtent()));
    else
      add(rank.getName(), ATTN_EXTENT_AXIS, 0, {});
  }
  // A whole has a place for each of its points.
  for (mlir::Attribute relation : cascade.getRelations()) {
    auto product = mlir::dyn_cast<ProductAttr>(relation);
    if (!product)
      continue;
    std::vector<int64_t> program;
    std::string name;
    for (mlir::StringAttr part : product.getParts()) {
      program.insert(program.end(), {ATTN_EXT_LOAD, rankNumber(cascade, part)});
      if (!name.empty())
        program.insert(program.end(), {ATTN_EXT_MUL, 0});
      name += (name.empty() ? "|" : " |") + part.str() + "|";
    }
    std::string message = "rank " + product.getWhole().str() +
                          " is larger than its parts: |" +
                          product.getWhole().str() + "| > " + name;
    checks.push_back(
        record({number(32, rankNumber(cascade, product.getWhole())),
                number(32, table.size()), number(32, 1), text(message)}));
    add(name, ATTN_EXTENT_DERIVED, 0, program);
  }
  count = table.size();
  return array(table);
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

Tables::Tables(llvm::Module &module) : module(module) {}

Constant *Tables::number(unsigned bits, int64_t value) {
  return llvm::ConstantInt::getSigned(
      llvm::Type::getIntNTy(module.getContext(), bits), value);
}

Constant *Tables::record(llvm::ArrayRef<Constant *> fields) {
  return llvm::ConstantStruct::getAnon(module.getContext(), fields);
}

static llvm::GlobalVariable *addGlobal(llvm::Module &module, Constant *value,
                                       llvm::StringRef name) {
  auto *global =
      new llvm::GlobalVariable(module, value->getType(), /*isConstant=*/true,
                               llvm::GlobalValue::InternalLinkage, value, name);
  return global;
}

Constant *Tables::text(llvm::StringRef value) {
  Constant *data =
      llvm::ConstantDataArray::getString(module.getContext(), value);
  llvm::GlobalVariable *global = addGlobal(module, data, "text");
  global->setUnnamedAddr(llvm::GlobalValue::UnnamedAddr::Global);
  return global;
}

Constant *Tables::array(llvm::ArrayRef<Constant *> values) {
  if (values.empty())
    return llvm::ConstantPointerNull::get(
        llvm::PointerType::get(module.getContext(), 0));
  auto *type = llvm::ArrayType::get(values[0]->getType(), values.size());
  return addGlobal(module, llvm::ConstantArray::get(type, values), "table");
}

void Tables::addEntry(CascadeOp cascade, llvm::StringRef name,
                      llvm::ArrayRef<EntryVersion> versions) {
  std::vector<Constant *> ports;
  for (const PortInfo &port : portsOf(cascade)) {
    auto [code, bits, lanes] = dataTypeOf(port.element);
    std::vector<Constant *> axes;
    for (int32_t axis : port.axes)
      axes.push_back(number(32, axis));
    int flags = (port.output ? ATTN_PORT_OUTPUT : 0) |
                (port.optional ? ATTN_PORT_OPTIONAL : 0);
    ports.push_back(record(
        {text(port.name), number(8, int8_t(code)), number(8, int8_t(bits)),
         number(16, flags), number(32, axes.size()), array(axes),
         number(32, port.into),
         llvm::ConstantFP::get(llvm::Type::getDoubleTy(module.getContext()),
                               port.defaultValue)}));
  }
  std::vector<Constant *> checks, table;
  int32_t numExtents = 0;
  Constant *extentTable = extents(cascade, checks, numExtents);
  for (const EntryVersion &version : versions)
    table.push_back(
        record({text(version.target), number(32, version.flags),
                number(32, version.slots), version.workspace, version.run}));
  entries.push_back(record(
      {text(name), number(32, cascade.getInputs().size()),
       number(32, ports.size()), number(32, numExtents),
       number(32, checks.size()), array(ports), extentTable, array(checks),
       number(32, table.size()), number(32, 0), array(table)}));
  wrappers.emplace_back(name.str(), ports.size());
}

void Tables::addKernels(llvm::ArrayRef<DeviceImage> images,
                        llvm::ArrayRef<cpu::DeviceKernel> kernels,
                        llvm::ArrayRef<unsigned> words) {
  auto *pointer = llvm::PointerType::get(module.getContext(), 0);
  Constant *state = llvm::ConstantAggregateZero::get(
      llvm::ArrayType::get(pointer, ATTN_CUDA_MAX_DEVICES));
  auto writable = [&](Constant *value, llvm::StringRef name) {
    return new llvm::GlobalVariable(
        module, value->getType(),
        /*isConstant=*/false, llvm::GlobalValue::InternalLinkage, value, name);
  };
  std::vector<Constant *> table;
  for (const DeviceImage &image : images) {
    llvm::GlobalVariable *code = addGlobal(
        module,
        llvm::ConstantDataArray::getString(module.getContext(), image.code),
        "image");
    code->setAlignment(llvm::Align(64));
    table.push_back(
        record({text(image.target), code, number(64, image.code.size()),
                number(32, image.isPtx), number(32, 0)}));
  }
  Constant *program = writable(
      record({array(table), number(64, table.size()), state}), "program");
  llvm::StringMap<Constant *> made;
  // A fallback comes before the kernel that names it.
  for (auto [kernel, count] : llvm::zip(kernels, words)) {
    std::vector<Constant *> maps;
    for (const auto &map : kernel.maps) {
      std::vector<Constant *> box;
      for (int size : map.box)
        box.push_back(number(32, size));
      auto *type = llvm::ArrayType::get(box[0]->getType(), box.size());
      maps.push_back(
          record({number(32, map.port), llvm::ConstantArray::get(type, box)}));
    }
    int flags = (kernel.itemABlock ? ATTN_CUDA_ITEM_A_BLOCK : 0) |
                (kernel.tickets ? ATTN_CUDA_TICKETS : 0) |
                (kernel.scratch ? ATTN_CUDA_SCRATCH : 0) |
                (kernel.startsEarly ? ATTN_CUDA_WAITS : 0);
    Constant *fallback = made.lookup(kernel.fallback);
    if (!fallback)
      fallback = llvm::ConstantPointerNull::get(pointer);
    auto *global =
        writable(record({text(kernel.name), program, number(32, kernel.threads),
                         number(32, flags), number(32, count),
                         number(32, kernel.sharedBytes), array(maps),
                         number(64, maps.size()), fallback, state}),
                 kernel.name);
    made[kernel.name] = global;
    if (auto *declared = module.getGlobalVariable(kernel.name, true);
        declared && declared != global) {
      declared->replaceAllUsesWith(global);
      declared->eraseFromParent();
    }
  }
}

void Tables::finish(llvm::StringRef compilerVersion, llvm::StringRef manifest) {
  Constant *table = array(entries);
  Constant *info =
      record({number(32, ATTN_ABI_VERSION), number(32, entries.size()),
              text(compilerVersion), text(manifest), table});
  auto *library = addGlobal(module, info, "attn_library");
  library->setLinkage(llvm::GlobalValue::ExternalLinkage);

  // int NAME(const attn_context *, const DLTensor *...): packs and invokes.
  llvm::LLVMContext &ctx = module.getContext();
  llvm::Type *ptr = llvm::PointerType::get(ctx, 0);
  llvm::Type *i32 = llvm::Type::getInt32Ty(ctx);
  llvm::FunctionCallee invoke = module.getOrInsertFunction(
      "attn_invoke", llvm::FunctionType::get(i32, {ptr, ptr, ptr}, false));
  for (auto [i, wrapper] : llvm::enumerate(wrappers)) {
    auto [name, ports] = wrapper;
    std::vector<llvm::Type *> parameters(ports + 1, ptr);
    auto *function = llvm::Function::Create(
        llvm::FunctionType::get(i32, parameters, false),
        llvm::GlobalValue::ExternalLinkage, name, module);
    llvm::IRBuilder<> b(llvm::BasicBlock::Create(ctx, "", function));
    llvm::Value *tensors =
        b.CreateAlloca(llvm::ArrayType::get(ptr, std::max(ports, 1u)));
    for (unsigned port = 0; port < ports; ++port)
      b.CreateStore(function->getArg(port + 1),
                    b.CreateConstGEP1_32(ptr, tensors, port));
    llvm::Value *entry = b.CreateConstInBoundsGEP2_32(
        llvm::cast<llvm::GlobalVariable>(table)->getValueType(), table, 0, i);
    b.CreateRet(b.CreateCall(invoke, {function->getArg(0), entry, tensors}));
  }
}
