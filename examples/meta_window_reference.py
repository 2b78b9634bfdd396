"""Meta tokens and a sliding window: the keys of both sources, concatenated,
under one softmax; only the keys of the sequence are masked."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import generator, normal, softmax  # noqa: E402


def cases():
    def case(name, seed, window, **shape):
        return {"name": name, "shape": shape, "consts": {"W": window},
                "scalars": {}, "seed": seed}

    return [
        case("prefill", 1, 8, b=2, h=4, g=2, m=32, r=4, n=32, d=8, e=8),
        case("prime", 2, 7, b=3, h=3, g=1, m=5, r=3, n=37, d=5, e=7),
        case("decode", 3, 16, b=3, h=4, g=4, m=1, r=2, n=41, d=4, e=3),
        case("one-of-each", 4, 1, b=2, h=2, g=1, m=3, r=1, n=11, d=3, e=1),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    length = rng.integers(0, r["n"] + 1, r["b"])
    length[:2] = [r["n"], 0]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], r["d"])),
        "Km": normal(rng, (r["g"], r["r"], r["d"])),
        "Vm": normal(rng, (r["g"], r["r"], r["e"])),
        "K": normal(rng, (r["b"], r["g"], r["n"], r["d"])),
        "V": normal(rng, (r["b"], r["g"], r["n"], r["e"])),
        "len": length.astype(np.int32),
    }


def reference(inputs, consts):
    x = {name: np.asarray(a, np.float64) for name, a in inputs.items()}
    batch, heads, length, d = x["Q"].shape
    meta, n = x["Km"].shape[1], x["K"].shape[2]
    share = heads // x["Km"].shape[0]
    out = np.zeros((batch, heads, length, x["Vm"].shape[2]))
    for b, h, m in np.ndindex(batch, heads, length):
        g = h // share
        key = np.concatenate([x["Km"][g], x["K"][b, g]])
        value = np.concatenate([x["Vm"][g], x["V"][b, g]])
        last = int(inputs["len"][b]) - length + m
        own = (np.arange(n) <= last) & (np.arange(n) > last - consts["W"])
        seen = np.concatenate([np.ones(meta, bool), own])
        prob = softmax(key @ x["Q"][b, h, m] / np.sqrt(d), seen)
        out[b, h, m] = prob @ value
    return {"O": out}
