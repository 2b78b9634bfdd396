"""Dense attention in f32 as a Halide user would write and schedule it:
blocks of rows in parallel, their scores whole in the cache, register blocks of
four rows by four vectors in both products."""
import math
import os

import halide as hl
import numpy

from peers_cpu_systems import Call

ROWS, LANES = 32, 16


class Halide:
    def __init__(self, threads):
        os.environ["HL_NUM_THREADS"] = str(threads)
        self.version = "Halide"
        self.pipelines = {}

    def calls(self, case):
        if case.dtype != "f32" or case.name != "dense":
            return {}
        key = case.d, case.s
        if key not in self.pipelines:
            self.pipelines[key] = self.pipeline(*key)
        pipeline, params = self.pipelines[key]
        heads = case.b * case.h
        arrays = [x.reshape(heads, case.s, case.d)
                  for x in (case.q, case.k, case.v)]
        out = numpy.zeros_like(arrays[0])
        buffers = [hl.Buffer(x) for x in arrays]
        target = hl.Buffer(out)

        def run(kept=(arrays, buffers)):
            for param, buffer in zip(params, buffers):
                param.set(buffer)
            pipeline.realize(target)
        return {"Halide": Call(run, lambda: out.reshape(case.q.shape))}

    @staticmethod
    def pipeline(depth, keys):
        d, e, m, n, h = (hl.Var(x) for x in "demnh")
        outer, inner, mo, mi, no, ni = (hl.Var(x) for x in (
            "outer", "inner", "mo", "mi", "no", "ni"))
        q, k, v = (hl.ImageParam(hl.Float(32), 3, x) for x in "qkv")
        turned, score, weight, total, most, product, output = (
            hl.Func(x) for x in ("turned", "score", "weight", "total", "most",
                                 "product", "output"))
        turned[n, d, h] = k[d, n, h]
        along = hl.RDom([(0, depth)])
        score[n, m, h] = 0.0
        score[n, m, h] += q[along, m, h] * turned[n, along, h]
        ranges = hl.RDom([(0, keys)])
        shown = hl.Func("shown")
        shown[n, m, h] = score[n, m, h] * hl.f32(1 / math.sqrt(depth))
        most[m, h] = hl.f32(-1e30)
        most[m, h] = hl.max(most[m, h], shown[ranges.x, m, h])
        weight[n, m, h] = hl.fast_exp(shown[n, m, h] - most[m, h])
        total[m, h] = 0.0
        total[m, h] += weight[ranges.x, m, h]
        product[e, m, h] = 0.0
        product[e, m, h] += weight[ranges.x, m, h] * v[e, ranges.x, h]
        output[e, m, h] = product[e, m, h] / total[m, h]

        output.bound(e, 0, depth)
        output.compute_root().split(m, outer, inner, ROWS)
        output.reorder(e, inner, outer, h).vectorize(e, LANES)
        output.fuse(outer, h, outer).parallel(outer)
        turned.compute_root().parallel(h).vectorize(n, LANES)
        blocked = 4 * LANES
        score.compute_at(output, outer).vectorize(n, LANES)
        (score.update().tile(n, m, no, mo, ni, mi, blocked, 4)
         .reorder(ni, mi, along.x, mo, no).vectorize(ni, LANES)
         .unroll(ni).unroll(mi))
        weight.compute_at(output, outer).vectorize(n, LANES)
        for statistic in (most, total):
            statistic.compute_at(output, outer)
            part, lane = hl.RVar("part"), hl.RVar("lane")
            statistic.update().atomic().vectorize(ranges.x, LANES)
        product.compute_at(output, outer).vectorize(e, LANES)
        (product.update().tile(e, m, no, mo, ni, mi, blocked, 4)
         .reorder(ni, mi, ranges.x, mo, no).vectorize(ni, LANES)
         .unroll(ni).unroll(mi))
        output.compile_jit(hl.get_host_target())
        return output, (q, k, v)
