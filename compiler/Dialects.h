//===- Dialects.h - dialects of attnc and of its lowerings ------*- C++ -*-===//
#ifndef ATTN_COMPILER_DIALECTS_H
#define ATTN_COMPILER_DIALECTS_H

namespace mlir {
class DialectRegistry;
}

namespace attn {

/// Our dialects and the upstream ones that the pipelines produce.
void registerDialects(mlir::DialectRegistry &registry);

} // namespace attn
#endif // ATTN_COMPILER_DIALECTS_H
