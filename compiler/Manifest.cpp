//===- Manifest.cpp - what a compiled library says of itself ----*- C++ -*-===//
#include "compiler/Manifest.h"
#include "attn/abi.h"
#include "compiler/ElementTypes.h"
#include "compiler/Tables.h"
#include "mlir/IR/AffineExpr.h"
#include "llvm/Support/JSON.h"

using namespace attn;

static std::string format(mlir::AffineExpr expr,
                          llvm::ArrayRef<mlir::StringAttr> ranks) {
  if (auto constant = mlir::dyn_cast<mlir::AffineConstantExpr>(expr))
    return std::to_string(constant.getValue());
  if (auto symbol = mlir::dyn_cast<mlir::AffineSymbolExpr>(expr))
    return "|" + ranks[symbol.getPosition()].str() + "|";
  auto binary = mlir::cast<mlir::AffineBinaryOpExpr>(expr);
  std::string left = format(binary.getLHS(), ranks);
  std::string right = format(binary.getRHS(), ranks);
  using Kind = mlir::AffineExprKind;
  if (expr.getKind() == Kind::CeilDiv)
    return "ceildiv(" + left + ", " + right + ")";
  llvm::StringRef op = expr.getKind() == Kind::Add        ? " + "
                       : expr.getKind() == Kind::Mul      ? " * "
                       : expr.getKind() == Kind::FloorDiv ? " // "
                                                          : " % ";
  return ("(" + left + op + right + ")").str();
}

static std::string format(ExtentAttr extent) {
  std::string text;
  for (mlir::AffineExpr result : extent.getMap().getResults())
    text = text.empty()
               ? format(result, extent.getRanks())
               : "min(" + text + ", " + format(result, extent.getRanks()) + ")";
  return text;
}

static llvm::json::Array shapeOf(CascadeOp cascade, const PortInfo &port) {
  llvm::json::Array shape;
  for (int32_t axis : port.axes)
    shape.push_back(
        mlir::cast<RankAttr>(cascade.getRanks()[axis]).getName().str());
  return shape;
}

std::string attn::writeManifest(mlir::ModuleOp cascades,
                                const CodegenOptions &options,
                                llvm::ArrayRef<std::string> workspace) {
  llvm::json::Array entries;
  for (auto [i, cascade] : llvm::enumerate(cascades.getOps<CascadeOp>())) {
    llvm::json::Array inputs, outputs, ranks;
    for (const PortInfo &port : portsOf(cascade)) {
      llvm::json::Object object{{"name", port.name},
                                {"type", typeName(port.element)},
                                {"ranks", shapeOf(cascade, port)}};
      if (port.optional)
        object["default"] = port.defaultValue;
      if (port.into >= 0)
        object["into"] = mlir::cast<PortAttr>(cascade.getInputs()[port.into])
                             .getName()
                             .str();
      (port.output ? outputs : inputs).push_back(std::move(object));
    }
    for (auto rank : cascade.getRanks().getAsRange<RankAttr>()) {
      llvm::json::Object object{{"name", rank.getName().str()}};
      if (auto known = cascade.staticExtent(rank.getName()))
        object["extent"] = *known;
      else if (rank.getExtent())
        object["extent"] = format(rank.getExtent());
      else
        object["extent"] = "dynamic";
      ranks.push_back(std::move(object));
    }
    llvm::json::Object entry{{"name", cascade.getSymName().str()},
                             {"symbol", symbolName(cascade.getSymName())},
                             {"inputs", std::move(inputs)},
                             {"outputs", std::move(outputs)},
                             {"ranks", std::move(ranks)},
                             {"workspace", workspace[i]}};
    if (auto doc = cascade.getDoc())
      entry["doc"] = *doc;
    entries.push_back(std::move(entry));
  }
  llvm::json::Array targets;
  for (const Target *target : options.targets)
    targets.push_back(target->name);
  llvm::json::Object manifest{{"compiler", compilerVersion()},
                              {"abi", ATTN_ABI_VERSION},
                              {"targets", std::move(targets)},
                              {"entries", std::move(entries)}};
  std::string text;
  llvm::raw_string_ostream os(text);
  os << llvm::formatv("{0:2}", llvm::json::Value(std::move(manifest))) << "\n";
  return text;
}

//===----------------------------------------------------------------------===//
// Header
//===----------------------------------------------------------------------===//

/// A comment must not be ended by what it quotes.
static std::string quoted(llvm::StringRef text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    result += text[i];
    bool opens = text[i] == '/' && i + 1 < text.size() && text[i + 1] == '*';
    bool closes = text[i] == '*' && i + 1 < text.size() && text[i + 1] == '/';
    if (opens || closes)
      result += ' ';
  }
  return result;
}

static std::string describe(CascadeOp cascade, const PortInfo &port) {
  std::string text = typeName(port.element) + "[";
  for (auto [i, axis] : llvm::enumerate(port.axes)) {
    mlir::StringAttr rank =
        mlir::cast<RankAttr>(cascade.getRanks()[axis]).getName();
    text += (i ? "," : "") + rank.str();
    if (auto known = cascade.staticExtent(rank))
      text += "=" + std::to_string(*known);
  }
  text += "]";
  if (port.into >= 0)
    text +=
        " into " +
        mlir::cast<PortAttr>(cascade.getInputs()[port.into]).getName().str();
  if (port.optional)
    text += " (NULL: " + llvm::formatv("{0}", port.defaultValue).str() + ")";
  return text;
}

std::string attn::writeHeader(mlir::ModuleOp cascades, llvm::StringRef stem,
                              llvm::StringRef source) {
  std::string guard = "ATTN_GENERATED_";
  for (char c : stem)
    guard += llvm::isAlnum(c) ? llvm::toUpper(c) : '_';
  guard += "_H";
  std::string text;
  llvm::raw_string_ostream os(text);
  os << "/* " << stem << ".h - written by " << compilerVersion() << "\n *\n"
     << " * Each function returns an attn_status (attn/runtime.h); a null\n"
     << " * context means the default one of the process.\n */\n"
     << "#ifndef " << guard << "\n#define " << guard << "\n\n"
     << "#include \"attn/runtime.h\"\n\n#ifdef __cplusplus\nextern \"C\" {\n"
     << "#endif\n";
  if (!source.empty())
    os << "\n/* Compiled from:\n\n" << quoted(source.rtrim()) << "\n*/\n";
  for (auto cascade : cascades.getOps<CascadeOp>()) {
    std::vector<PortInfo> ports = portsOf(cascade);
    os << "\n/*";
    if (auto doc = cascade.getDoc())
      os << " " << quoted(*doc) << "\n *";
    for (const PortInfo &port : ports)
      os << " " << (port.output ? "out " : "in  ") << port.name << ": "
         << describe(cascade, port) << "\n *";
    os << "/\nint " << symbolName(cascade.getSymName())
       << "(const attn_context *context";
    for (const PortInfo &port : ports)
      os << ",\n    " << (port.output ? "" : "const ") << "DLTensor *"
         << symbolName(port.name);
    os << ");\n";
  }
  os << "\n#ifdef __cplusplus\n}\n#endif\n#endif /* " << guard << " */\n";
  return text;
}
