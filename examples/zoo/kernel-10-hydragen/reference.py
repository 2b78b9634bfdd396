"""Hydragen without its trick: every sequence attends to the shared prefix and
its own suffix, concatenated, the suffix up to the query's position."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal, softmax  # noqa: E402


def cases():
    def case(name, seed, **shape):
        return {"name": name, "shape": shape, "consts": {}, "scalars": {},
                "seed": seed}

    return [
        case("decode", 1, b=4, h=4, g=2, m=1, p=48, n=16, d=8, e=8),
        case("prime", 2, b=3, h=3, g=1, m=5, p=37, n=13, d=5, e=7),
        case("one-prefix-token", 3, b=2, h=2, g=2, m=3, p=1, n=17, d=4, e=3),
        # An empty prefix: rows that stand before their suffix are zeros.
        case("no-prefix", 4, b=3, h=2, g=1, m=4, p=0, n=11, d=3, e=2),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    length = rng.integers(0, r["n"] + 1, r["b"])
    length[:2] = [r["n"], 0]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], r["d"])),
        "K0": normal(rng, (r["g"], r["p"], r["d"])),
        "V0": normal(rng, (r["g"], r["p"], r["e"])),
        "K1": normal(rng, (r["b"], r["g"], r["n"], r["d"])),
        "V1": normal(rng, (r["b"], r["g"], r["n"], r["e"])),
        "len": length.astype(np.int32),
    }


def reference(inputs, consts):
    x = {name: np.asarray(a, np.float64) for name, a in inputs.items()}
    batch, heads, length, d = x["Q"].shape
    prefix, n = x["K0"].shape[1], x["K1"].shape[2]
    share = heads // x["K0"].shape[0]
    out = np.zeros((batch, heads, length, x["V0"].shape[2]))
    for b, h, m in np.ndindex(batch, heads, length):
        g = h // share
        key = np.concatenate([x["K0"][g], x["K1"][b, g]])
        value = np.concatenate([x["V0"][g], x["V1"][b, g]])
        last = int(inputs["len"][b]) - length + m
        own = np.arange(n) <= last
        seen = np.concatenate([np.ones(prefix, bool), own])
        prob = softmax(key @ x["Q"][b, h, m] / np.sqrt(d), seen)
        out[b, h, m] = prob @ value
    return {"O": out}
