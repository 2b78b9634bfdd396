//===- Laws.h - which laws a program met ------------------------*- C++ -*-===//
// What a pass did is read off the stages it left, so that no pass has to count:
// a law that does not show in the program did nothing.
#ifndef ATTN_TEST_FUZZ_LAWS_H
#define ATTN_TEST_FUZZ_LAWS_H

#include "dialect/Attn.h"
#include "mlir/IR/BuiltinOps.h"
#include <map>
#include <string>
#include <vector>

namespace attn::fuzz {

/// One program after each pass, by the pass's name, and after the "schedule".
using Stages = std::map<std::string, mlir::ModuleOp>;

std::vector<std::string> lawsOf(const Stages &stages);
/// Names of all laws that are counted.
std::vector<std::string> lawNames();

} // namespace attn::fuzz
#endif // ATTN_TEST_FUZZ_LAWS_H
