//===- attn-opt.cpp - mlir-opt for the dialects of attnc --------*- C++ -*-===//
#include "compiler/Dialects.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "passes/Passes.h"
#include "passes/derive/Passes.h"
#include "passes/schedule/Passes.h"

int main(int argc, char **argv) {
  attn::registerAttnPasses();
  attn::registerAttnDerivePasses();
  attn::registerAttnSchedulePasses();
  mlir::DialectRegistry registry;
  attn::registerDialects(registry);
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv, "attn-opt: passes over attention cascades\n", registry));
}
