#!/usr/bin/env python3
"""Speed of compiled attention beside PyTorch's on one GPU, in one process: cuDNN
and flash through scaled_dot_product_attention, FlexAttention for what these lack.

    peers_gpu.py ATTNC|FOLDER [--runtime LIB] [--only dense,variants] [--dims 128]
                 [--sizes 1024] [--no-flex]

Programs are compiled by ATTNC (or lie compiled in FOLDER; `--compile ATTNC
FOLDER` fills it, without a GPU), checked against float64 on small shapes, then
timed in bursts of about 8 ms after 150 ms of rest (the card then keeps its
clock), all in turn; medians. Dense attention is also timed under load, without
rest. FLOPs are those of the points that the mask leaves."""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

SCORE = "sum[d](Q * K) / sqrt(|d|)"
WINDOW = PREFIX = 1024


def program(score=SCORE, where="", out="sum[n](softmax[n](S) * V)", extra="",
            ranks="", heads="h"):
    return f"""cascade attend(Q: bf16[b,h,m,d=%d], K: bf16[b,{heads},n,d], V: bf16[b,{heads},n,e=%d]{extra}) -> O: bf16[b,h,m,e]
{"  with " + ranks if ranks else ""}
{{
  S[b,h,m,n] = {score}{" where " + where if where else ""}
  O[b,h,m,e] = {out}
}}
"""


DIFFERENTIAL = """cascade attend(Q: bf16[b,h,m,d=%d], K: bf16[b,h,n,d], V: bf16[b,h,n,e=%d], Q2: bf16[b,h,m,d], K2: bf16[b,h,n,d], lambda: f32[h]) -> O: bf16[b,h,m,e]
{
  S1[b,h,m,n] = sum[d](Q * K) / sqrt(|d|) where n <= m
  S2[b,h,m,n] = sum[d](Q2 * K2) / sqrt(|d|) where n <= m
  O[b,h,m,e]  = sum[n]((softmax[n](S1) - lambda * softmax[n](S2)) * V)
}
"""
PROGRAMS = {
    "full": program(),
    "causal": program(where="n <= m"),
    "window": program(where=f"n <= m and m - n < {WINDOW}"),
    "document": program(where="n <= m and doc[m] == doc[n]",
                        extra=", doc: i32[n]", ranks="m: |n|"),
    "prefix-lm": program(where=f"n <= m or n < {PREFIX}"),
    "soft-cap": program(f"30 * tanh({SCORE} / 30)", "n <= m"),
    "alibi": program(SCORE + " + slope * (n - m)", "n <= m",
                     extra=", slope: f32[h]"),
    "relative": program(SCORE + " + bias[h, m - n]?", "n <= m",
                        extra=", bias: bf16[h,r]"),
    "gqa": program(where="n <= m", ranks="h = (g, y: 4)", heads="g"),
    "sigmoid": program(SCORE + " - log(|n|)", "n <= m",
                       "sum[n](sigmoid(S) * V)"),
    "sinks": program(where="n <= m", extra=", sink: f32[h]",
                     out="sum[n](softmax_sink[n](S, sink) * V)"),
    "differential": DIFFERENTIAL,
}
DENSE = ("full", "causal")


def depths(name, d):
    return (d // 2, d) if name == "differential" else (d, d)


def compile_program(attnc, folder, name, d):
    library = pathlib.Path(folder) / f"libattend_{name}_{d}.so"
    if not attnc:
        return library, 0
    source = library.with_suffix(".attn")
    source.write_text(PROGRAMS[name] % depths(name, d))
    start = time.time()
    subprocess.run([attnc, source, "--target", "cuda:sm_90a", "-o", library],
                   check=True)
    return library, time.time() - start


class Case:
    """Inputs of one shape, what they mean, and what peers are told."""

    def __init__(self, name, b, h, s, d, m=None):
        self.name, self.b, self.h, self.s, self.d = name, b, h, s, d
        self.m = m or s
        g = h // 4 if name == "gqa" else h
        dq, dv = depths(name, d)

        def random(heads, rows, width):
            return torch.randn(b, heads, rows, width, device="cuda",
                               dtype=torch.bfloat16)

        self.q, self.k, self.v = (random(h, self.m, dq), random(g, s, dq),
                                  random(g, s, dv))
        self.o = torch.full((b, h, self.m, dv), float("nan"), device="cuda",
                            dtype=torch.bfloat16)
        self.extra = ()
        if name == "document":
            doc = torch.sort(torch.randint(0, 12, (s,), device="cuda")).values
            self.extra = (doc.int(),)
        elif name == "alibi":
            self.extra = (torch.exp2(-8.0 * torch.arange(
                1, h + 1, device="cuda") / h),)
        elif name == "relative":
            self.extra = (torch.randn(h, 2 * s, device="cuda",
                                      dtype=torch.bfloat16),)
        elif name == "sinks":
            self.extra = (torch.randn(h, device="cuda"),)
        elif name == "differential":
            self.extra = (random(h, self.m, dq), random(h, s, dq),
                          torch.rand(h, device="cuda"))

    def mask(self):
        """mask_mod, or None."""
        name = self.name
        if name in ("full",):
            return None
        if name == "window":
            return lambda b, h, m, n: (n <= m) & (m - n < WINDOW)
        if name == "document":
            doc = self.extra[0]
            return lambda b, h, m, n: (n <= m) & (doc[m] == doc[n])
        if name == "prefix-lm":
            return lambda b, h, m, n: (n <= m) | (n < PREFIX)
        return lambda b, h, m, n: n <= m

    def score(self):
        """score_mod, or None."""
        if self.name == "soft-cap":
            return lambda s, b, h, m, n: 30 * torch.tanh(s / 30)
        if self.name == "alibi":
            slope = self.extra[0]
            return lambda s, b, h, m, n: s + slope[h] * (n - m)
        if self.name == "relative":
            bias = self.extra[0]
            return lambda s, b, h, m, n: s + bias[h, m - n]
        return None

    def pairs(self):
        m = torch.arange(self.m, device="cuda")[:, None]
        n = torch.arange(self.s, device="cuda")[None, :]
        mask = self.mask()
        if not mask:
            return self.m * self.s
        return mask(0, 0, m, n).sum().item()

    def reference(self):
        """In float64."""
        q, k, v = self.q.double(), self.k.double(), self.v.double()
        h, m, n = (torch.arange(x, device="cuda").view(shape) for x, shape in (
            (self.h, (-1, 1, 1)), (self.m, (-1, 1)), (self.s, (1, -1))))
        repeat = self.h // k.shape[1]
        k, v = k.repeat_interleave(repeat, 1), v.repeat_interleave(repeat, 1)
        mask = self.mask()
        absent = ~mask(0, h, m, n) if mask else torch.zeros(
            self.m, self.s, device="cuda", dtype=torch.bool)

        def scores(q, k):
            s = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
            score = self.score()
            if self.name == "relative":
                s = s + self.extra[0].double()[h, (m - n).clamp(min=0)]
            elif score:
                s = score(s, 0, h, m, n)
            return s.masked_fill(absent, float("-inf"))

        s = scores(q, k)
        if self.name == "sigmoid":
            import math
            return torch.sigmoid(s - math.log(self.s)) @ v
        if self.name == "sinks":
            sink = self.extra[0].double().view(1, -1, 1, 1).expand(
                self.b, -1, self.m, 1)
            return torch.softmax(torch.cat((s, sink), -1), -1)[..., :-1] @ v
        p = torch.softmax(s, -1)
        if self.name == "differential":
            other = torch.softmax(scores(self.extra[0].double(),
                                         self.extra[1].double()), -1)
            p = p - self.extra[2].double().view(1, -1, 1, 1) * other
        return p.nan_to_num(0) @ v

    def ours(self, library):
        return lambda: library("attend", self.q, self.k, self.v, *self.extra,
                               out=self.o)

    def sdpa(self, backend):
        def call():
            with sdpa_kernel(backend):
                sdpa(self.q, self.k, self.v, is_causal=self.name != "full",
                     enable_gqa=self.name == "gqa")
        return call

    def flex(self):
        """None where FlexAttention cannot say it."""
        if self.name == "sigmoid":
            return None
        mask, score = self.mask(), self.score()
        block = mask and create_block_mask(mask, None, None, self.m, self.s,
                                           device="cuda")

        def attend(q, k, **options):
            return flex_attention(q, k, self.v, score_mod=score,
                                  block_mask=block,
                                  enable_gqa=self.name == "gqa", **options)

        if self.name == "sinks":
            sink = self.extra[0].view(1, -1, 1)

            def call():  # the sink joins by the logarithm of the sum
                o, lse = attend(self.q, self.k, return_lse=True)
                return o * torch.sigmoid(lse - sink)[..., None].to(o.dtype)
        elif self.name == "differential":
            factor = self.extra[2].view(1, -1, 1, 1).bfloat16()

            def call():
                return attend(self.q, self.k) - factor * attend(*self.extra[:2])
        else:
            def call():
                return attend(self.q, self.k)
        return torch.compile(call, dynamic=False)


def check(library, name, d):
    worst = 0
    shapes = [(2, 4, 257, 257), (1, 4, 1100, 1100), (2, 16, 640, 640)]
    if name not in ("document", "relative"):
        shapes += [(2, 4, 128, 192), (1, 4, 1, 1), (1, 4, 300, 77)]
    for b, h, s, m in shapes:
        case = Case(name, b, h, s, d, m)
        case.ours(library)()
        torch.cuda.synchronize()
        want = case.reference()
        error = ((case.o.double() - want).norm() / want.norm()).item()
        worst = error if error != error else max(worst, error)
    return worst


def burst(call, once, rest=0.15, ms=8):
    """Milliseconds of a call."""
    count = max(1, int(ms / once))
    time.sleep(rest)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / count


def median_times(calls, rounds=5, **how):
    once = {}
    for name, call in calls.items():
        for _ in range(3):
            call()
        torch.cuda.synchronize()
        once[name] = burst(call, 8)
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(burst(call, once[name], **how))
    return {name: sorted(t)[rounds // 2] for name, t in times.items()}


def report(case, calls, sustained=False):
    flops = 2 * case.b * case.h * case.pairs() * (
        case.q.shape[-1] * (2 if case.name == "differential" else 1) + case.d)
    times = median_times(calls)
    line = f"{case.name:12} d={case.d:3} S={case.s:6}"
    for name, ms in times.items():
        line += f" | {name} {flops / ms / 1e9:6.1f}"
        if name != "ours":
            line += f" ({ms / times['ours']:.2f})"
    if sustained:
        loaded = median_times(calls, rounds=3, rest=0, ms=100)
        line += " | under load " + ", ".join(
            f"{flops / ms / 1e9:.1f}" for ms in loaded.values())
    print(line, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("attnc")
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--runtime")
    parser.add_argument("--only", default="dense,variants")
    parser.add_argument("--names", default=",".join(PROGRAMS))
    parser.add_argument("--dims", default="128,64,256")
    parser.add_argument("--sizes", default="1024,4096,16384")
    parser.add_argument("--no-flex", action="store_true")
    options = parser.parse_args()
    names = options.names.split(",")
    dims = [int(d) for d in options.dims.split(",")]
    sizes = [int(s) for s in options.sizes.split(",")]
    wanted = [(name, d) for name in names for d in
              (dims if name in DENSE else (128,))]
    if options.compile:
        for name, d in wanted:
            compile_program(options.attnc, options.folder, name, d)
        return
    global torch, SDPBackend, sdpa_kernel, sdpa, flex_attention
    global create_block_mask
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.flex_attention import (create_block_mask,
                                                   flex_attention)
    from torch.nn.functional import scaled_dot_product_attention as sdpa
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] /
                           "examples/pytorch"))
    from attn_torch import Library
    torch._dynamo.config.cache_size_limit = 1000
    print(torch.cuda.get_device_name(), torch.__version__, "cudnn",
          torch.backends.cudnn.version())
    attnc, folder = options.attnc, tempfile.mkdtemp()
    if pathlib.Path(attnc).is_dir():
        attnc, folder = None, attnc
    for name, d in wanted:
        if ("dense" if name in DENSE else "variants") not in options.only:
            continue
        path, seconds = compile_program(attnc, folder, name, d)
        library = Library(path, options.runtime)
        print(f"{name} d={d}: compiled in {seconds:.2f} s, error "
              f"{check(library, name, d):.1e}", flush=True)
        for s in sizes if name in DENSE else (8192,):
            heads = {"gqa": 32}.get(name, 2048 // max(d, 128))
            case = Case(name, 16384 // s, heads, s, d)
            calls = {"ours": case.ours(library)}
            if name in DENSE or name == "gqa":
                calls["cudnn"] = case.sdpa(SDPBackend.CUDNN_ATTENTION)
            if name in DENSE:
                calls["flash"] = case.sdpa(SDPBackend.FLASH_ATTENTION)
            flex = None if options.no_flex or name in DENSE else case.flex()
            if flex:
                calls["flex"] = flex
            report(case, calls, sustained=name in DENSE)


main()
