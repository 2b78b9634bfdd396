#!/usr/bin/env python3
"""Decoding on the GPU: right on odd shapes and any strides, equal bit by bit from
run to run, in a captured graph too; then its share of the copy bandwidth.

    test/perf/decode_gpu.py ATTNC
"""
import pathlib
import subprocess
import sys
import tempfile

import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "examples" / "pytorch"))
from attn_torch import Library

GROUP, DEPTH = 4, 128


def compiled(attnc):
    folder = pathlib.Path(tempfile.mkdtemp())
    subprocess.run([attnc, HERE / "decode.attn", "--target", "cuda", "-o",
                    folder / "libdecode.so"], check=True)
    return Library(folder / "libdecode.so")


def tensors(b, g, n, offset=0):
    def make(*shape):
        count = torch.Size(shape).numel()
        flat = torch.randn(count + offset, device="cuda", dtype=torch.bfloat16)
        return flat[offset:].view(shape)
    return (make(b, g * GROUP, DEPTH), make(b, g, n, DEPTH),
            make(b, g, n, DEPTH))


def reference(q, k, v):
    b, g = k.shape[:2]
    q, k, v = q.double().view(b, g, GROUP, DEPTH), k.double(), v.double()
    s = q @ k.transpose(-1, -2) / DEPTH ** 0.5
    return (s.softmax(-1) @ v).view(b, g * GROUP, DEPTH)


def check(lib):
    worst = 0.0
    cases = [(1, 1, 1, 0), (2, 3, 77, 0), (1, 8, 5000, 0), (3, 2, 129, 0),
             (1, 1, 65536, 0), (65, 8, 300, 0), (2, 3, 1000, 1)]
    for b, g, n, offset in cases:
        q, k, v = tensors(b, g, n, offset)
        layouts = [(q, k, v)]
        # Keys before heads, as caches have them.
        turned = [t.transpose(1, 2).contiguous().transpose(1, 2) for t in (k, v)]
        layouts.append((q, *turned))
        want = reference(q, k, v)
        for inputs in layouts:
            out = torch.full_like(q, float("nan"))
            lib("decode", *inputs, out=out)
            again = torch.full_like(q, float("nan"))
            lib("decode", *inputs, out=again)
            torch.cuda.synchronize()
            error = ((out.double() - want).norm() / want.norm()).item()
            assert error < 4e-3, (b, g, n, offset, error)
            assert torch.equal(out, again), (b, g, n, offset)
            worst = max(worst, error)
    print(f"decode: {len(cases)} shapes, 2 layouts: error {worst:.1e}, "
          "the same bits again")


def milliseconds(body, calls):
    """Of a call, replayed from a graph that is long enough for its start not to
    count; median of 15."""
    body()
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        body()
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(calls):
            body()
    times = []
    for _ in range(15):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) / calls)
    return sorted(times)[len(times) // 2]


def main():
    lib = compiled(sys.argv[1])
    check(lib)
    a = torch.randn(1 << 30, device="cuda", dtype=torch.bfloat16)
    c = torch.empty_like(a)
    for _ in range(3):
        copies = [torch.cuda.Event(enable_timing=True) for _ in range(2)]
        copies[0].record()
        for _ in range(10):
            c.copy_(a)
        copies[1].record()
        torch.cuda.synchronize()
    copy = 2 * a.nbytes * 10 / copies[0].elapsed_time(copies[1]) / 1e6
    print(f"{torch.cuda.get_device_name()}: copy {copy:.0f} GB/s")
    del a, c
    for b, n in ((64, 8192), (1, 65536), (16, 8192), (8, 32768), (1, 8192)):
        # Two sets in turn, so that no cache has the next one.
        sets = [tensors(b, 8, n) for _ in range(2)]
        q, k, v = sets[0]
        out = torch.empty_like(q)
        want = reference(q[:1], k[:1], v[:1])
        lib("decode", q, k, v, out=out)
        error = ((out[:1].double() - want).norm() / want.norm()).item()

        def turn():
            for inputs in sets:
                lib("decode", *inputs, out=out)

        pairs = max(3, int(4e9 / (k.nbytes + v.nbytes)))
        time = milliseconds(turn, pairs) / 2
        rate = (k.nbytes + v.nbytes) / time / 1e6
        print(f"B={b:<3} n={n:<6} {time * 1e3:8.1f} us {rate:6.0f} GB/s "
              f"{rate / copy:6.1%} of copy, error {error:.1e}")
        assert error < 4e-3


if __name__ == "__main__":
    main()
