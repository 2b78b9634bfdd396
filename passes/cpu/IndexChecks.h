//===- IndexChecks.h - indices that layouts are stored by -------*- C++ -*-===//
#ifndef ATTN_PASSES_CPU_INDEXCHECKS_H
#define ATTN_PASSES_CPU_INDEXCHECKS_H

#include "passes/cpu/Frame.h"

namespace attn::cpu {

/// The status of run() by the page tables and row offsets of the inputs: one
/// of an entry beyond what is stored is at fault (ATTN_RUN_BAD_INDEX), before
/// anything is read through it. Null: no input has any.
mlir::Value emitIndexChecks(CodeBuilder &b, Frame &frame);

} // namespace attn::cpu
#endif // ATTN_PASSES_CPU_INDEXCHECKS_H
