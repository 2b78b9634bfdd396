//===- attn-lsp-server.cpp - editor support for .mlir -----------*- C++ -*-===//
// MLIR's language server with the dialects of attnc.
//===----------------------------------------------------------------------===//
#include "compiler/Dialects.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  attn::registerDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
