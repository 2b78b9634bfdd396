#!/usr/bin/env python3
"""Attention on the CPU beside PyTorch (SDPA and FlexAttention), ONNX Runtime,
Halide and IREE, and beside what the machine can do.

    peers_cpu.py BUILD [--threads T] [--only causal,decode] [--types bf16,f32]
                 [--dims 64,128] [--sizes 512,2048,8192] [--keys 8192,32768]
                 [--batch 1,16] [--no-flex] [--plot FILE.png] [--compile]

BUILD is a build folder. One process, the same threads and inputs for all; calls
in turns, the order turned around each time; medians. Every output is compared
with float64 on some rows. The limits (products, exponentials, bytes) are read
by turns with the calls, and runs beside a slow reading of the matrix unit (a
virtual machine's has spells of a quarter of its rate) do not count. Threads
that wait sleep, so that none of one system runs beside another's call. A system
that is not installed is left out with a message."""
import argparse
import ctypes
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

os.environ |= {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}

from peers_cpu_cases import DECODES, PROGRAMS, Case
from peers_cpu_systems import OnnxRuntime, Ours, Torch


class Limits:
    """Rates of the machine, read now."""

    def __init__(self, library, threads):
        self.library, self.threads = ctypes.CDLL(str(library)), threads
        for name in ("matrix", "fma", "exp", "stream"):
            getattr(self.library, f"attn_limit_{name}").restype = \
                ctypes.c_double
        self.best = 0

    def read(self, name):
        return getattr(self.library, f"attn_limit_{name}")(self.threads)

    def stream(self, arrays):
        """Bytes a second of reading the arrays one after the other."""
        rates = [self.library.attn_limit_stream(
            ctypes.c_void_p(x.ctypes.data), ctypes.c_size_t(x.nbytes),
            self.threads) for x in arrays]
        return len(rates) / sum(1 / rate for rate in rates)

    def seconds(self, case):
        """What the case takes at the limits that are read now, and whether the
        matrix unit runs at its rate."""
        if case.is_decode:
            return case.bytes() / self.stream((case.k, case.v)), True
        matrix = self.read("matrix") if case.dtype == "bf16" else 0
        if not matrix:
            # The exponentials are a few hundredths, and not counted.
            return case.flops() / self.read("fma"), True
        self.best = max(self.best, matrix)
        seconds = case.flops() / matrix + case.pairs() / self.read("exp")
        return seconds, matrix >= 0.75 * self.best


def measure(case, calls, limits, seconds):
    """Medians of seconds by name, and of our share of the limit: NaN where all
    of its readings were slow."""
    for call in calls.values():
        call.run()
    times, shares = {name: [] for name in calls}, []
    begin, turn = time.time(), 0
    while turn < 3 or (time.time() - begin < seconds and turn < 50):
        order = list(calls)[::-1 if turn % 2 else 1]
        for name in order:
            before, quiet = limits.seconds(case)
            start = time.perf_counter()
            calls[name].run()
            took = time.perf_counter() - start
            after, still = limits.seconds(case)
            times[name].append((took, quiet and still))
            if name == "ours" and quiet and still:
                shares.append((before + after) / 2 / took)
        turn += 1

    def median(runs):
        counted = [t for t, quiet in runs if quiet]
        return statistics.median(counted or [t for t, _ in runs])
    return ({name: median(runs) for name, runs in times.items()},
            statistics.median(shares) if shares else float("nan"))


def wanted(options):
    names = options.only.split(",") if options.only else [
        *PROGRAMS, "decode", "decode-i8"]
    dims, sizes, keys, batches = (
        [int(x) for x in text.split(",")] for text in (
            options.dims, options.sizes, options.keys, options.batch))
    for name in names:
        if name in DECODES:
            for batch in batches:
                for s in keys:
                    yield name, "bf16", 128, s, batch
            continue
        for dtype in options.types.split(","):
            for d in dims:
                for s in sizes:
                    yield name, dtype, d, s, 1


def systems(options, folder):
    build = pathlib.Path(options.build)
    found = [Ours(build / "bin/attnc", build / "lib/libattn_runtime.so.1",
                  options.threads, folder)]
    for name, make in (
            ("PyTorch", lambda: Torch(options.threads, not options.no_flex)),
            ("ONNX Runtime", lambda: OnnxRuntime(options.threads)),
            ("Halide", lambda: halide(options.threads)),
            ("IREE", iree)):
        try:
            found.append(make())
            print(found[-1].version)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    return found


def halide(threads):
    from peers_cpu_halide import Halide
    return Halide(threads)


def iree():
    from peers_cpu_iree import Iree
    return Iree()


def compile_times(options, ours):
    """In a process that has the compiler loaded, cold and found on disk."""
    files = {ours.source(Case(name, dtype, d, 16))
             for name, dtype, d, _, _ in wanted(options)}
    subprocess.run([pathlib.Path(options.build) / "bin/attn-perf-compile",
                    *sorted(files)], check=True)


def plot(rows, path):
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    labels = [label for label, _, _, ratio in rows if ratio]
    ratios = [ratio for *_, ratio in rows if ratio]
    figure, axes = pyplot.subplots(figsize=(8, 0.22 * len(labels) + 1))
    axes.barh(labels[::-1], ratios[::-1])
    axes.axvline(1, color="black")
    axes.set_xlabel("speed over the best peer's")
    axes.set_xscale("log")
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only")
    parser.add_argument("--types", default="bf16,f32")
    parser.add_argument("--dims", default="64,128")
    parser.add_argument("--sizes", default="512,2048,8192")
    parser.add_argument("--keys", default="8192,32768")
    parser.add_argument("--batch", default="1,16")
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--no-flex", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--plot")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()
    found = systems(options, folder)
    if options.compile:
        compile_times(options, found[0])
        return 0
    limits = Limits(pathlib.Path(options.build) / "lib/libattn-perf-limits.so",
                    options.threads)
    print(f"{options.threads} threads; matrix unit "
          f"{limits.read('matrix') / 1e12:.2f} TFLOP/s, f32 "
          f"{limits.read('fma') / 1e9:.0f} GFLOP/s, exponentials "
          f"{limits.read('exp') / 1e9:.1f} G/s\n")
    print("| case | type | d | keys | batch | ours, ms | of the limit | "
          "best peer | ratio | others, ms | error |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    rows, worst = [], 0
    for name, dtype, d, s, batch in wanted(options):
        case = Case(name, dtype, d, s, batch)
        calls = {}
        for system in found:
            calls |= system.calls(case)
        bound = 2e-5 if dtype == "f32" else 2e-2
        errors = {}
        for peer, call in list(calls.items()):
            try:
                call.run()
                errors[peer] = case.error(call.result())
            except Exception as fault:  # of a peer; the others go on
                if peer == "ours":
                    raise
                errors[peer] = float("nan")
                print(f"{peer} fails on {name}: {str(fault)[:200]}",
                      file=sys.stderr)
            if not errors[peer] < bound and peer != "ours":
                print(f"{peer} is left out of {name}: error "
                      f"{errors[peer]:.1e}", file=sys.stderr)
                del calls[peer]
        worst = max(worst, 0 if errors["ours"] < bound else 1)
        times, share = measure(case, calls, limits, options.seconds)
        mine = times.pop("ours")
        best = min(times, key=times.get) if times else None
        ratio = times[best] / mine if best else None
        others = ", ".join(f"{peer} {t * 1e3:.2f}"
                           for peer, t in times.items())
        rows.append((f"{name} {dtype} d={d} {s} x{batch}", mine, share, ratio))
        print(f"| {name} | {dtype} | {d} | {s} | {batch} | {mine * 1e3:.2f} | "
              f"{'slow' if share != share else f'{share:.0%}'} | "
              f"{best or '-'} | "
              f"{f'{ratio:.2f}' if ratio else '-'} | {others or '-'} | "
              f"{errors['ours']:.0e} |", flush=True)
    ratios = [ratio for *_, ratio in rows if ratio]
    if ratios:
        print(f"\ngeometric mean of the ratios: "
              f"{statistics.geometric_mean(ratios):.2f}")
    if options.plot:
        plot(rows, options.plot)
    return 3 if worst else 0


if __name__ == "__main__":
    sys.exit(main())
