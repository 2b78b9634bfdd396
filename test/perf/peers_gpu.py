#!/usr/bin/env python3
"""Speed of compiled attention beside cuDNN on one GPU, in one process.

    peers_gpu.py ATTNC [RUNTIME]

Programs are compiled by ATTNC, checked against float32 attention on a few
heads, then timed in bursts of about 8 ms after 150 ms of rest (the card then
keeps its clock), our launches and cuDNN's in turn; medians. Causal figures count
the points that the mask leaves."""
import pathlib
import subprocess
import sys
import tempfile
import time

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention as sdpa

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "examples/pytorch"))
from attn_torch import Library  # noqa: E402

PROGRAM = """cascade attend(Q: bf16[b,h,m,d={d}], K: bf16[b,h,n,d], V: bf16[b,h,n,e={d}]) -> O: bf16[b,h,m,e]
{{
  S[b,h,m,n] = sum[d](Q * K) / sqrt(|d|){where}
  O[b,h,m,e] = sum[n](softmax[n](S) * V)
}}
"""
MASKS = {"full": "", "causal": " where n <= m"}


def compile_program(attnc, folder, d, mask):
    source = folder / f"attend_{mask}_{d}.attn"
    source.write_text(PROGRAM.format(d=d, where=MASKS[mask]))
    library = folder / f"libattend_{mask}_{d}.so"
    start = time.time()
    subprocess.run([attnc, source, "--target", "cuda:sm_90a", "-o", library],
                   check=True)
    return library, time.time() - start


def burst(call, once):
    """Milliseconds of a call."""
    count = max(1, int(8 / once))
    time.sleep(0.15)
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    for _ in range(count):
        call()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / count


def median_times(calls, rounds=7):
    once = {}
    for name, call in calls.items():
        for _ in range(3):
            call()
        torch.cuda.synchronize()
        once[name] = burst(call, 8)
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(burst(call, once[name]))
    return {name: sorted(t)[rounds // 2] for name, t in times.items()}


def check(library, mask, d):
    worst = 0
    for m, n in (257, 257), (192, 128), (1, 1), (1000, 1000):
        q, k, v = (torch.randn(2, 3, s, d, device="cuda", dtype=torch.bfloat16)
                   for s in (m, n, n))
        o = torch.full_like(q, float("nan"))
        library("attend", q, k, v, out=o)
        torch.cuda.synchronize()
        want = sdpa(q.double(), k.double(), v.double(), is_causal=mask == "causal")
        error = ((o.double() - want).norm() / want.norm()).item()
        worst = error if error != error else max(worst, error)
    return worst


def main():
    attnc = sys.argv[1]
    runtime = sys.argv[2] if len(sys.argv) > 2 else None
    print(torch.cuda.get_device_name(), torch.__version__,
          "cudnn", torch.backends.cudnn.version())
    with tempfile.TemporaryDirectory() as name:
        for d in 128, 64:
            for mask in MASKS:
                path, seconds = compile_program(attnc, pathlib.Path(name), d, mask)
                library = Library(path, runtime)
                print(f"{mask} d={d}: compiled in {seconds:.2f} s, error "
                      f"{check(library, mask, d):.1e}", flush=True)
                for s in 1024, 4096, 16384:
                    b, h = 16384 // s, 16
                    q, k, v = (torch.randn(b, h, s, d, device="cuda",
                                           dtype=torch.bfloat16)
                               for _ in range(3))
                    o = torch.empty_like(q)

                    def cudnn():
                        with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
                            sdpa(q, k, v, is_causal=mask == "causal")

                    times = median_times({
                        "ours": lambda: library("attend", q, k, v, out=o),
                        "cudnn": cudnn})
                    flops = 4 * b * h * s * s * d
                    if mask == "causal":
                        flops /= 2
                    ours, theirs = (flops / times[n] / 1e9
                                    for n in ("ours", "cudnn"))
                    print(f"{mask:8} d={d:3} S={s:6} ours {ours:6.1f} cudnn "
                          f"{theirs:6.1f} TFLOP/s, ratio {ours / theirs:.2f}",
                          flush=True)


main()
