//===- tile.cpp - a tile kernel against the FMA peak ------------*- C++ -*-===//
// Usage: tile FILE.mlir ENTRY f32|bf16 DEPTH HEADS KEYS... [asm FILE]: compiles
// causal attention given as a tile kernel and prints its share of the peak.
//===----------------------------------------------------------------------===//
#include "attn/runtime.h"
#include "compiler/Jit.h"
#include "dialect/tile/Tile.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/Format.h"
#include <ctime>
#include <random>

using namespace attn;

/// Of this thread on a CPU: other processes do not count.
static double seconds() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

__attribute__((target("avx512f,fma"))) static float
fmaChains(long steps) {
  typedef float Vector __attribute__((vector_size(64)));
  Vector sums[16], a, b;
  for (int lane = 0; lane < 16; ++lane) {
    a[lane] = 0.999f + 1e-4f * lane;
    b[lane] = 1e-3f * lane;
  }
  for (int i = 0; i < 16; ++i)
    sums[i] = b * float(i);
  for (long step = 0; step < steps; ++step)
    for (int i = 0; i < 16; ++i)
      sums[i] = sums[i] * a + b;
  for (int i = 1; i < 16; ++i)
    sums[0] += sums[i];
  return sums[0][3];
}

int main(int argc, char **argv) {
  mlir::MLIRContext context;
  context.loadDialect<AttnDialect, tile::TileDialect,
                      mlir::arith::ArithDialect>();
  auto module = mlir::parseSourceFile<mlir::ModuleOp>(argv[1], &context);
  if (!module)
    return 1;
  bool isHalf = llvm::StringRef(argv[3]) == "bf16";
  int64_t depth = atoi(argv[4]), heads = atoi(argv[5]);
  CodegenOptions options;
  options.targets = {llvm::cantFail(findTarget(
      getenv("TARGET") ? getenv("TARGET") : "x86-64-v4"))};
  options.entryFlags = ATTN_ENTRY_FLUSH_DENORMALS;
  double start = seconds();
  auto generated = llvm::cantFail(generate(*module, options));
  if (const char *path = getenv("DUMP")) {
    std::error_code ec;
    llvm::raw_fd_ostream os(path, ec);
    os << *generated.module;
  }
  auto jit = llvm::cantFail(Jit::compile(std::move(generated)));
  const attn_entry_desc *entry = jit->find(argv[2]);
  llvm::outs() << "compiled in " << llvm::format("%.2f", seconds() - start)
               << " s\n";
  attn_context *one = attn_context_create(1);
  for (int a = 6; a < argc; ++a) {
    int64_t keys = atoi(argv[a]);
    int64_t shape[4] = {1, heads, keys, depth};
    std::vector<char> data[4];
    DLTensor tensors[4], *pointers[4];
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    for (int i = 0; i < 4; ++i) {
      int64_t count = heads * keys * depth;
      data[i].resize(count * (isHalf ? 2 : 4));
      for (int64_t j = 0; j < count; ++j) {
        float x = normal(random);
        if (isHalf)
          reinterpret_cast<uint16_t *>(data[i].data())[j] =
              llvm::bit_cast<uint32_t>(x) >> 16;
        else
          reinterpret_cast<float *>(data[i].data())[j] = x;
      }
      tensors[i] = attn_tensor(data[i].data(),
                               isHalf ? ATTN_DTYPE_BFLOAT : ATTN_DTYPE_FLOAT,
                               isHalf ? 16 : 32, 4, shape);
      pointers[i] = &tensors[i];
    }
    double best = 1e30, spent = 0, peak = 0;
    for (int run = 0; run < 3 || spent < 2; ++run) {
      volatile float keep = 0;
      double t0 = seconds();
      keep = keep + fmaChains(400'000);
      double t1 = seconds();
      peak = std::max(peak, 2.0 * 16 * 16 * 400'000 / (t1 - t0));
      if (attn_invoke(one, entry, pointers)) {
        llvm::errs() << attn_last_error() << "\n";
        return 1;
      }
      double time = seconds() - t1;
      best = std::min(best, time);
      spent += time;
    }
    double flops = 4.0 * depth * heads * keys * (keys + 1) / 2;
    llvm::outs() << llvm::format(
        "%s keys %6ld  %9.3f ms  %6.1f GF/s  peak %5.1f  %4.1f%%\n", argv[3],
        long(keys), best * 1e3, flops / best / 1e9, peak / 1e9,
        100 * flops / best / peak);
  }
}
