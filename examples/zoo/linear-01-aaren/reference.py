"""Aaren: for every prefix of the keys, the softmax-weighted mean of its
values."""

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
        case("square", 1, b=2, h=2, n=48, d=8, e=8),
        case("prime", 2, b=1, h=3, n=61, d=5, e=7),
        case("one-step", 3, b=3, h=2, n=1, d=4, e=3),
        case("narrow", 4, b=1, h=1, n=33, d=1, e=1),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    return {
        "q": normal(rng, (r["h"], r["d"]), "f32"),
        "K": normal(rng, (r["b"], r["h"], r["n"], r["d"])),
        "V": normal(rng, (r["b"], r["h"], r["n"], r["e"])),
    }


def reference(inputs, consts):
    q, k, v = (np.asarray(inputs[i], np.float64) for i in ("q", "K", "V"))
    score = np.einsum("hd,bhnd->bhn", q, k)
    out = np.zeros(v.shape)
    for t in range(v.shape[2]):
        weight = softmax(score[:, :, :t + 1])
        out[:, :, t] = np.einsum("bhn,bhne->bhe", weight, v[:, :, :t + 1])
    return {"O": out}
