"""The three attentions on matrices: queries from X, keys and values from X or
from slices of it."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

OPTIMISED = {"X": "b n c", "Wq": "h c d", "Wk": "h c d", "Wo": "h e f"}
EFFICIENT = {"X": "b n c", "Wq": "e c", "Wo": "c f"}
SUPER = {"X": "b n c", "A": "n l", "Wq": "e c", "Wo": "c f"}


def sizes(*names):
    """The cases' shapes, restricted to the ranks of an entry."""
    every = [
        ("context", dict(b=2, n=16, c=8, h=2, d=4, e=4, f=8)),
        ("prime", dict(b=1, n=19, c=15, h=3, d=7, e=5, f=11)),
        ("one_token", dict(b=2, n=1, c=6, h=2, d=3, e=3, f=4)),
        ("no_token", dict(b=1, n=0, c=4, h=1, d=4, e=4, f=4)),
    ]
    for seed, (name, shape) in enumerate(every):
        yield dict(name=name, seed=seed,
                   shape={rank: shape[rank] for rank in names})


def optimised_cases():
    return list(sizes("b", "n", "c", "h", "d", "e", "f"))


def efficient_cases():
    return [dict(case, shape=dict(case["shape"], e=case["shape"]["c"]))
            for case in sizes("b", "n", "c", "f")]


def super_cases():
    return [dict(case, shape=dict(case["shape"], l=case["shape"]["n"]))
            for case in efficient_cases()]


def maker(ports):
    def make_inputs(case):
        rng = generator(case)
        x = {}
        for name, ranks in ports.items():
            size = extents(case, ranks)
            fan_in = 1 if name == "X" else max(size[-2], 1)
            x[name] = round_bf16(normal(rng, size) / np.sqrt(fan_in))
        return x

    return make_inputs


def attend(q, k, v):
    return softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


def optimised(inputs, consts):
    X, Wq, Wk, Wo = (inputs[name].astype(np.float64) for name in OPTIMISED)
    width = Wo.shape[1]
    O = np.zeros(X.shape[:2] + Wo.shape[2:])
    for b, h in np.ndindex(X.shape[0], Wq.shape[0]):
        part = X[b, :, h * width:(h + 1) * width]
        O[b] += attend(X[b] @ Wq[h], X[b] @ Wk[h], part) @ Wo[h]
    return {"O": O}


def efficient(inputs, consts):
    X, Wq, Wo = (inputs[name].astype(np.float64) for name in EFFICIENT)
    return {"O": np.stack([attend(x @ Wq, x, x) @ Wo for x in X])}


def aligned(inputs, consts):
    X, A, Wq, Wo = (inputs[name].astype(np.float64) for name in SUPER)
    return {"O": np.stack([attend(x @ Wq, x, A @ x) @ Wo for x in X])}


ENTRIES = {
    "optimised": (optimised_cases, maker(OPTIMISED), optimised),
    "efficient": (efficient_cases, maker(EFFICIENT), efficient),
    "super": (super_cases, maker(SUPER), aligned),
}


def expected():
    return dict(sequence=("m", "n", "l"), passes={"n": (3, 1)}, kernels=2,
                workspace="linear",
                why="super is two passes, as its aligned values need all of X "
                    "before the first; the others are one, and one kernel; efficient "
                    "keeps its scores, whose sum over c is a stream before the "
                    "projection's over the same c",
                today=dict(workspace="quadratic"))
