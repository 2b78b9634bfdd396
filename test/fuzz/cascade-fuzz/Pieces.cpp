//===- Pieces.cpp - random programs cut along their keys --------*- C++ -*-===//
#include "test/fuzz/cascade-fuzz/Pieces.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/Pass/PassManager.h"
#include "passes/derive/Passes.h"

using namespace mlir;
using namespace attn;
using namespace attn::fuzz;

bool fuzz::cutAlongKeys(OwningOpRef<ModuleOp> &module) {
  OwningOpRef<ModuleOp> copy(cast<ModuleOp>(module.get()->clone()));
  CascadeOp cascade = *copy->getOps<CascadeOp>().begin();
  auto isRelated = [](Attribute relation) {
    auto product = dyn_cast<ProductAttr>(relation);
    auto sum = dyn_cast<SumAttr>(relation);
    StringAttr whole = product ? product.getWhole() : sum.getWhole();
    ArrayRef<StringAttr> parts = product ? product.getParts() : sum.getParts();
    return whole == "n" ||
           llvm::any_of(parts, [](StringAttr part) { return part == "n"; });
  };
  if (!cascade.findRank("n") || cascade.getCutAttr() ||
      llvm::any_of(cascade.getRelations(), isRelated))
    return false;
  MLIRContext *context = module->getContext();
  cascade.setCutAttr(StringAttr::get(context, "n"));
  ScopedDiagnosticHandler quiet(context, [](Diagnostic &) {});
  PassManager passes(context);
  passes.addPass(createAttnCut());
  if (failed(passes.run(*copy)))
    return false;
  module = std::move(copy);
  return true;
}

/// Points `from` to `to` of an axis.
static Array slice(const Array &array, unsigned axis, int64_t from,
                   int64_t to) {
  Array piece{array.shape, array.element, {}, {}, {}};
  piece.shape[axis] = to - from;
  int64_t inner = 1, outer = 1;
  for (auto [i, extent] : llvm::enumerate(array.shape))
    if (i != axis)
      (i < axis ? outer : inner) *= extent;
  auto take = [&](const auto &all, auto &some) {
    if (all.empty())
      return;
    for (int64_t o = 0; o < outer; ++o) {
      auto begin = all.begin() + (o * array.shape[axis] + from) * inner;
      some.insert(some.end(), begin, begin + (to - from) * inner);
    }
  };
  take(array.reals, piece.reals);
  take(array.integers, piece.integers);
  take(array.present, piece.present);
  return piece;
}

llvm::Expected<std::vector<Array>>
fuzz::runInPieces(CascadeOp cascade, ArrayRef<Array> inputs,
                  const Extents &extents, const llvm::StringMap<int64_t> &given,
                  int64_t at, RunCascade run) {
  auto module = cascade->getParentOfType<ModuleOp>();
  auto key = StringAttr::get(module.getContext(), "n");
  int64_t extent = extents.lookup(key);
  // Ports are bound by name: an entry takes what it needs of the program's
  // inputs and of the state.
  llvm::StringMap<Array> known;
  auto ports = [](CascadeOp cascade) {
    return cascade.getInputs().getAsRange<PortAttr>();
  };
  auto runPart = [&](const char *suffix,
                     int64_t length) -> llvm::Expected<CascadeOp> {
    auto part =
        module.lookupSymbol<CascadeOp>(cascade.getSymName().str() + suffix);
    std::vector<Array> own;
    for (PortAttr port : ports(part))
      own.push_back(known.lookup(port.getName()));
    InterpretOptions sized;
    for (auto &[rank, size] : given)
      if (part.findRank(rank))
        sized.extents[rank] = rank == "n" ? length : size;
    auto results = run(part, own, sized);
    if (!results)
      return results.takeError();
    for (auto [port, result] :
         llvm::zip(part.getOutputs().getAsRange<PortAttr>(), *results))
      known[port.getName()] = std::move(result);
    return part;
  };
  auto i32 = IntegerType::get(module.getContext(), 32);
  auto bindInputs = [&](int64_t from, int64_t to) {
    known["n_begin"] = Array::integer({}, i32, {from});
    for (auto [port, argument, whole] :
         llvm::zip(ports(cascade), cascade.getBody().getArguments(), inputs)) {
      Array &own = known[port.getName()] = whole;
      auto ranks = cast<NamedTensorType>(argument.getType()).getRanks();
      for (auto [axis, rank] : llvm::enumerate(ranks))
        if (rank == key)
          own = slice(own, axis, from, to);
    }
  };
  for (auto &[rank, size] : extents)
    known[(rank.getValue() + "_extent").str()] =
        Array::integer({}, i32, {size});

  for (auto [suffix, from, to] :
       {std::tuple("_a", int64_t(0), at), std::tuple("_b", at, extent)}) {
    bindInputs(from, to);
    auto part = runPart("_partial", to - from);
    if (!part)
      return part.takeError();
    for (auto port : part->getOutputs().getAsRange<PortAttr>())
      known[(port.getName().getValue() + suffix).str()] = known[port.getName()];
  }
  bindInputs(0, extent); // the finish may read along the keys
  auto merged = runPart("_merge", extent);
  if (!merged)
    return merged.takeError();
  auto finished = runPart("_finish", extent);
  if (!finished)
    return finished.takeError();
  std::vector<Array> outputs;
  for (auto port : cascade.getOutputs().getAsRange<PortAttr>())
    outputs.push_back(known[port.getName()]);
  return outputs;
}
