//===- Ptx.cpp - instructions that LLVM has no operation for ----*- C++ -*-===//
#include "passes/gpu/hopper/Ptx.h"

using namespace mlir;
using namespace attn;
using namespace attn::cpu;
using namespace attn::gpu;

gpu::Values gpu::inlineAsm(CodeBuilder &b, StringRef text,
                           StringRef constraints, TypeRange results,
                           ValueRange operands, bool sideEffects) {
  MLIRContext *ctx = b.getContext();
  Type type;
  if (results.size() == 1)
    type = results[0];
  else if (results.size() > 1)
    type = LLVM::LLVMStructType::getLiteral(ctx, SmallVector<Type>(results));
  auto op = LLVM::InlineAsmOp::create(
      b, type ? TypeRange(type) : TypeRange(), operands, text, constraints,
      sideEffects, /*is_align_stack=*/false, LLVM::TailCallKind::None,
      LLVM::AsmDialectAttr::get(ctx, LLVM::AsmDialect::AD_ATT), ArrayAttr());
  if (results.size() <= 1)
    return Values(op->getResults());
  Values values;
  for (size_t i = 0; i < results.size(); ++i)
    values.push_back(LLVM::ExtractValueOp::create(
        b, op->getResult(0), ArrayRef<int64_t>{static_cast<int64_t>(i)}));
  return values;
}

//===----------------------------------------------------------------------===//
// Barriers and copies
//===----------------------------------------------------------------------===//

void gpu::barrierInit(CodeBuilder &b, Value address, int count) {
  inlineAsm(
      b, "mbarrier.init.shared::cta.b64 [$0], " + std::to_string(count) + ";",
      "r", {}, address);
}

void gpu::barrierInitFence(CodeBuilder &b) {
  inlineAsm(b,
            "fence.mbarrier_init.release.cluster;\n"
            "fence.proxy.async.shared::cta;",
            "", {}, {});
}

void gpu::barrierExpect(CodeBuilder &b, Value address, Value bytes) {
  inlineAsm(b, "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;",
            "r,r,~{memory}", {}, {address, bytes});
}

void gpu::barrierArrive(CodeBuilder &b, Value address, Value condition) {
  Value flag = arith::ExtUIOp::create(b, b.getI32Type(), condition);
  inlineAsm(b,
            "{\n.reg .pred p;\n"
            "setp.ne.b32 p, $1, 0;\n"
            "@p mbarrier.arrive.shared::cta.b64 _, [$0];\n}",
            "r,r,~{memory}", {}, {address, flag});
}

void gpu::barrierWait(CodeBuilder &b, Value address, Value parity) {
  inlineAsm(b,
            "{\n.reg .pred done;\n"
            "again:\n"
            "mbarrier.try_wait.parity.shared::cta.b64 done, [$0], $1;\n"
            "@done bra over;\n"
            "bra again;\n"
            "over:\n}",
            "r,r,~{memory}", {}, {address, parity});
}

void gpu::copyBox(CodeBuilder &b, Value address, Value map,
                  ValueRange coordinates, Value barrier) {
  std::string text = "cp.async.bulk.tensor." +
                     std::to_string(coordinates.size()) +
                     "d.shared::cluster.global.mbarrier::complete_tx::bytes "
                     "[$0], [$1, {",
              constraints = "r,l";
  for (size_t i = 0; i < coordinates.size(); ++i) {
    text += (i ? ", $" : "$") + std::to_string(i + 2);
    constraints += ",r";
  }
  text += "}], [$" + std::to_string(coordinates.size() + 2) + "];";
  Values operands{address, map};
  llvm::append_range(operands, coordinates);
  operands.push_back(barrier);
  inlineAsm(b, text, constraints + ",r,~{memory}", {}, operands);
}

void gpu::storeBox(CodeBuilder &b, Value address, Value map,
                   ValueRange coordinates) {
  std::string text = "cp.async.bulk.tensor." +
                     std::to_string(coordinates.size()) +
                     "d.global.shared::cta.bulk_group [$0, {",
              constraints = "l";
  for (size_t i = 0; i < coordinates.size(); ++i) {
    text += (i ? ", $" : "$") + std::to_string(i + 1);
    constraints += ",r";
  }
  text += "}], [$" + std::to_string(coordinates.size() + 1) + "];";
  Values operands{map};
  llvm::append_range(operands, coordinates);
  operands.push_back(address);
  inlineAsm(b, text, constraints + ",r,~{memory}", {}, operands);
}

void gpu::commitStores(CodeBuilder &b) {
  inlineAsm(b, "cp.async.bulk.commit_group;", "~{memory}", {}, {});
}

void gpu::waitStores(CodeBuilder &b, bool done) {
  inlineAsm(b,
            done ? "cp.async.bulk.wait_group 0;"
                 : "cp.async.bulk.wait_group.read 0;",
            "~{memory}", {}, {});
}

void gpu::sharedFence(CodeBuilder &b) {
  inlineAsm(b, "fence.proxy.async.shared::cta;", "~{memory}", {}, {});
}

void gpu::prefetchMap(CodeBuilder &b, Value map) {
  inlineAsm(b, "prefetch.tensormap [$0];", "l", {}, map);
}

void gpu::storeWord(CodeBuilder &b, Value address, Value word) {
  inlineAsm(b, "st.shared.b32 [$0], $1;", "r,r,~{memory}", {}, {address, word});
}

void gpu::storeWordIf(CodeBuilder &b, Value condition, Value address,
                      Value word) {
  inlineAsm(b, "@$0 st.shared.b32 [$1], $2;", "b,r,r,~{memory}", {},
            {condition, address, word});
}

Value gpu::loadWord(CodeBuilder &b, Value address) {
  return inlineAsm(b, "ld.shared.b32 $0, [$1];", "=r,r,~{memory}",
                   b.getI32Type(), address)[0];
}

void gpu::storeMatrices(CodeBuilder &b, Value address, ValueRange pairs) {
  Values operands{address};
  llvm::append_range(operands, pairs);
  inlineAsm(b,
            "stmatrix.sync.aligned.m8n8.x4.shared.b16 [$0], {$1, $2, $3, $4};",
            "r,r,r,r,r,~{memory}", {}, operands);
}

void gpu::setRegisters(CodeBuilder &b, int count, bool more) {
  inlineAsm(b,
            std::string("setmaxnreg.") + (more ? "inc" : "dec") +
                ".sync.aligned.u32 " + std::to_string(count) + ";",
            "", {}, {});
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

// Fields of a descriptor, in units of 16 bytes.
constexpr int64_t rowBytes = 128, eightRows = 8 * rowBytes / 16;
constexpr int64_t stepInRow = 32 / 16;             // 16 columns of 2 bytes
constexpr int64_t stepOfRows = 16 * rowBytes / 16; // 16 rows

static Value descriptor(CodeBuilder &b, const SharedMatrix &m, Value row) {
  Value address = m.address;
  if (row)
    address = b.add(address, b.mul(row, b.i32(rowBytes)));
  Value field = arith::ExtUIOp::create(
      b, b.getI64Type(), arith::ShRUIOp::create(b, address, b.i32(4)));
  // Leading offset: the distance of panels where the product crosses them.
  int64_t leading = m.transposed ? m.rows * rowBytes / 16 : 1;
  int64_t constant = leading << 16 | eightRows << 32 | int64_t(1) << 62;
  return b.bitOr(field, b.i64(constant));
}

/// Where step `k` of 16 along the reduced rank is.
static int64_t stepOffset(const SharedMatrix &m, int64_t k) {
  if (m.transposed)
    return k * stepOfRows;
  return k / 4 * (m.rows * rowBytes / 16) + k % 4 * stepInRow;
}

gpu::Values gpu::startProduct(CodeBuilder &b, Type element, int64_t columns,
                              int64_t depth, const SharedMatrix *a, Value aRow,
                              ArrayRef<Value> fragments, const SharedMatrix &bm,
                              ArrayRef<Value> sum,
                              std::optional<SomeDepth> some) {
  int64_t registers = columns / 2, steps = depth / 16;
  auto operand = [](int64_t i) { return "$" + std::to_string(i); };
  std::string list;
  for (int64_t i = 0; i < registers; ++i)
    list += (i ? "," : "") + operand(i);
  int64_t next = registers + static_cast<int64_t>(sum.size());
  int64_t firstA = next, firstB = next + (a ? 1 : fragments.size());

  std::string type = element.isBF16() ? "bf16" : "f16";
  std::string name = "wgmma.mma_async.sync.aligned.m64n" +
                     std::to_string(columns) + "k16.f32." + type + "." + type;
  auto multiply = [&](int64_t k, const std::string &matrix) {
    bool adds = k > 0 || !sum.empty();
    std::string text =
        std::string("setp.ne.b32 p, ") + (adds ? "1" : "0") + ", 0;\n";
    std::string from;
    if (a) {
      text += "add.s64 da, " + operand(firstA) + ", " +
              std::to_string(stepOffset(*a, k)) + ";\n";
      from = "da";
    } else {
      from = "{";
      for (int64_t r = 0; r < 4; ++r)
        from += (r ? "," : "") + operand(firstA + 4 * k + r);
      from += "}";
    }
    text += "add.s64 db, " + matrix + ";\n";
    text += name + " {" + list + "}, " + from + ", db, p, 1, 1";
    if (a)
      text += a->transposed ? ", 1" : ", 0";
    return text + (bm.transposed ? ", 1;\n" : ", 0;\n");
  };
  const std::string fence = "wgmma.fence.sync.aligned;\n",
                    commit = "wgmma.commit_group.sync.aligned;\n";
  auto group = [&](int64_t count) {
    std::string text = fence;
    for (int64_t k = 0; k < count; ++k)
      text += multiply(k, operand(firstB) + ", " +
                              std::to_string(stepOffset(bm, k)));
    return text + commit;
  };
  std::string text = "{\n.reg .pred p;\n.reg .b64 da, db;\n";
  if (some) {
    // Each way is one group that writes the sums, or ptxas has them run one
    // after the other: where there is nothing, zeros are added.
    std::string halves = operand(firstB + 1), zeros = operand(firstB + 2);
    text += ".reg .b32 low;\nand.b32 low, " + halves + ", 3;\n" +
            "setp.eq.b32 p, low, 3;\n@p bra WHOLE;\n" +
            "setp.eq.b32 p, low, 0;\n@p bra NOTHING;\n" + group(steps / 2) +
            "bra.uni STARTED;\nNOTHING:\n" + fence +
            multiply(0, zeros + ", 0") + commit + "bra.uni STARTED;\nWHOLE:\n" +
            group(steps) + "STARTED:\n}";
  } else {
    text += group(steps) + "}";
  }

  std::string constraints;
  for (int64_t i = 0; i < registers; ++i)
    constraints += "=f,";
  for (size_t i = 0; i < sum.size(); ++i)
    constraints += std::to_string(i) + ",";
  Values operands(sum);
  if (a) {
    operands.push_back(descriptor(b, *a, aRow));
    constraints += "l,";
  } else {
    llvm::append_range(operands, fragments);
    for (size_t i = 0; i < fragments.size(); ++i)
      constraints += "r,";
  }
  operands.push_back(descriptor(b, bm, {}));
  constraints += "l,";
  if (some) {
    operands.push_back(some->halves);
    // Not swizzled, and no distance between rows.
    operands.push_back(arith::ExtUIOp::create(
        b, b.getI64Type(), arith::ShRUIOp::create(b, some->zeros, b.i32(4))));
    constraints += "r,l,";
  }
  constraints += "~{memory}";
  SmallVector<Type> types(registers, b.getF32Type());
  return inlineAsm(b, text, constraints, types, operands);
}

gpu::Values gpu::waitProducts(CodeBuilder &b, int pending,
                              ArrayRef<Value> values) {
  // Tied to the wait, so that nobody reads them before it.
  std::string constraints;
  for (size_t i = 0; i < values.size(); ++i)
    constraints += "=f,";
  for (size_t i = 0; i < values.size(); ++i)
    constraints += std::to_string(i) + ",";
  SmallVector<Type> types(values.size(), b.getF32Type());
  return inlineAsm(
      b, "wgmma.wait_group.sync.aligned " + std::to_string(pending) + ";",
      constraints + "~{memory}", types, values);
}

void gpu::keepBehind(CodeBuilder &b, ArrayRef<Value> values) {
  // A fence that depends on them, and does no harm where it is done.
  std::string code = "{\n.reg .pred p;\nsetp.ne.b32 p, 0, 0;\n", constraints;
  for (size_t i = 0; i < values.size(); ++i) {
    code += "setp.gt.or.f32 p, $" + std::to_string(i) + ", 0f7F7FFFFF, p;\n";
    constraints += (i ? ",f" : "f");
  }
  code += "@p fence.proxy.async.shared::cta;\n}";
  inlineAsm(b, code, constraints + ",~{memory}", TypeRange{}, values);
}

Value gpu::packPair(CodeBuilder &b, Type element, Value low, Value high) {
  // Has to stay behind the wait that it follows: intrinsics keep their place
  // within a block.
  auto pair = VectorType::get(2, element);
  StringRef name =
      element.isBF16() ? "llvm.nvvm.ff2bf16x2.rn" : "llvm.nvvm.ff2f16x2.rn";
  return LLVM::BitcastOp::create(b, b.getI32Type(),
                                 intrinsic(b, name, pair, {high, low}));
}
