"""IREE as a peer of peers_cpu.py: attention as batched products and a softmax in
linalg, compiled for this CPU. On two cores that took 2.5 s for 4 heads of 2,048
keys at d=64 where its own attention operation took 6.7 s, and data tiling changed
nothing."""
import math
from importlib.metadata import version

import iree.compiler
import iree.runtime
import numpy

from peers_cpu_systems import Call

LONGEST = 2048  # more takes minutes

SOURCE = """
#id = affine_map<(h, m, n) -> (h, m, n)>
func.func @attend(%q: {q}, %k: {q}, %v: {q}) -> {q} {{
  %zero = arith.constant 0.0 : f32
  %low = arith.constant 0xFF800000 : f32
  %scale = arith.constant {scale:e} : f32
  %scores = tensor.empty() : {s}
  %cleared = linalg.fill ins(%zero : f32) outs(%scores : {s}) -> {s}
  %dots = linalg.batch_matmul
      indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>,
                       affine_map<(b, m, n, k) -> (b, n, k)>,
                       affine_map<(b, m, n, k) -> (b, m, n)>]
      ins(%q, %k : {q}, {q}) outs(%cleared : {s}) -> {s}
  %masked = linalg.generic {{
      indexing_maps = [#id, #id],
      iterator_types = ["parallel", "parallel", "parallel"]}}
      ins(%dots : {s}) outs(%scores : {s}) {{
  ^bb0(%x: f32, %old: f32):
    %scaled = arith.mulf %x, %scale : f32
    %m = linalg.index 1 : index
    %n = linalg.index 2 : index
    %seen = arith.cmpi {test}, %n, %m : index
    %kept = arith.select %seen, %scaled, %low : f32
    linalg.yield {value} : f32
  }} -> {s}
  %p = linalg.softmax dimension(2) ins(%masked : {s}) outs(%scores : {s}) -> {s}
  %out = tensor.empty() : {q}
  %empty = linalg.fill ins(%zero : f32) outs(%out : {q}) -> {q}
  %o = linalg.batch_matmul ins(%p, %v : {s}, {q}) outs(%empty : {q}) -> {q}
  return %o : {q}
}}
"""


class Iree:
    def __init__(self):
        self.config = iree.runtime.Config("local-task")
        self.version = f"IREE {version('iree-base-compiler')}"

    def calls(self, case):
        if case.name not in ("dense", "causal") or case.dtype != "f32" or \
                case.s > LONGEST:
            return {}
        heads = case.b * case.h
        source = SOURCE.format(
            q=f"tensor<{heads}x{case.s}x{case.d}xf32>",
            s=f"tensor<{heads}x{case.s}x{case.s}xf32>",
            scale=1 / math.sqrt(case.d), test="sle",
            value="%kept" if case.name == "causal" else "%scaled")
        code = iree.compiler.compile_str(
            source, target_backends=["llvm-cpu"],
            extra_args=["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"])
        context = iree.runtime.SystemContext(config=self.config)
        context.add_vm_module(
            iree.runtime.VmModule.copy_buffer(context.instance, code))
        attend = context.modules.module["attend"]
        inputs = [iree.runtime.asdevicearray(
            self.config.device, numpy.ascontiguousarray(
                x.reshape(heads, case.s, case.d)))
            for x in (case.q, case.k, case.v)]
        out = []

        def run():
            out[:] = [attend(*inputs)]
        return {"IREE": Call(
            run, lambda: out[0].to_host().reshape(case.q.shape))}
