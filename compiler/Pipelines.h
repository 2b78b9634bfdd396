//===- Pipelines.h - which passes run, in which order -----------*- C++ -*-===//
#ifndef ATTN_COMPILER_PIPELINES_H
#define ATTN_COMPILER_PIPELINES_H

namespace attn {

/// Makes every pass of attnc known to pass pipelines by its flag.
void registerPasses();

} // namespace attn
#endif // ATTN_COMPILER_PIPELINES_H
