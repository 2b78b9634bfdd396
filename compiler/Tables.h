//===- Tables.h - the tables of attn/abi.h as constants ---------*- C++ -*-===//
#ifndef ATTN_COMPILER_TABLES_H
#define ATTN_COMPILER_TABLES_H

#include "dialect/Attn.h"
#include "passes/cpu/LowerCascade.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Module.h"

namespace attn {

struct EntryVersion {
  std::string target;
  uint32_t flags, slots;
  llvm::Function *workspace, *run;
};

/// Code of all kernels for one architecture.
struct DeviceImage {
  std::string target, code;
  bool isPtx;
};

/// One port of an entry, stored axes as positions in the rank table.
struct PortInfo {
  std::string name;
  mlir::Type element;
  llvm::SmallVector<int32_t> axes;
  bool output = false, optional = false;
  int32_t into = -1;
  double defaultValue = 0;
};
/// Inputs, then outputs.
std::vector<PortInfo> portsOf(CascadeOp cascade);

/// A postfix program (attn_extent_op) of an extent.
std::vector<int64_t> extentProgram(CascadeOp cascade, ExtentAttr extent);

/// Builds `attn_library` and, for each entry, the exported function
/// `int NAME(const attn_context *, const DLTensor *...)`.
class Tables {
public:
  explicit Tables(llvm::Module &module);
  void addEntry(CascadeOp cascade, llvm::StringRef name,
                llvm::ArrayRef<EntryVersion> versions);
  /// Defines the globals of the kernels' names (attn_cuda_kernel).
  void addKernels(llvm::ArrayRef<DeviceImage> images,
                  llvm::ArrayRef<cpu::DeviceKernel> kernels,
                  llvm::ArrayRef<unsigned> words);
  void finish(llvm::StringRef compilerVersion, llvm::StringRef manifest);

private:
  llvm::Constant *text(llvm::StringRef value);
  llvm::Constant *number(unsigned bits, int64_t value);
  llvm::Constant *record(llvm::ArrayRef<llvm::Constant *> fields);
  /// A pointer to constants; null if there are none.
  llvm::Constant *array(llvm::ArrayRef<llvm::Constant *> values);
  llvm::Constant *extents(CascadeOp cascade,
                          std::vector<llvm::Constant *> &checks,
                          int32_t &count);

  llvm::Module &module;
  std::vector<llvm::Constant *> entries;
  std::vector<std::pair<std::string, unsigned>> wrappers;
};

} // namespace attn
#endif // ATTN_COMPILER_TABLES_H
