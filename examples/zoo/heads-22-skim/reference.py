"""One attention map per head from the layout, applied to the values of every
layer; the kept tokens of a row by descending probability, -1 behind the last
one."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

def cases():
    return [
        dict(name="page", seed=1, consts=dict(k=4),
             shape=dict(b=1, h=2, n=16, c=6, d=8, l=3, e=8)),
        dict(name="prime", seed=2, consts=dict(k=5),
             shape=dict(b=2, h=1, n=23, c=5, d=3, l=2, e=7)),
        dict(name="short_page", seed=3, consts=dict(k=8),
             shape=dict(b=1, h=3, n=5, c=4, d=4, l=1, e=2)),
        dict(name="one_token", seed=4, consts=dict(k=2),
             shape=dict(b=2, h=1, n=1, c=3, d=2, l=2, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    fan_in = np.sqrt(case["shape"]["c"])
    return {
        "L": normal(rng, extents(case, "b n c")),
        "Wq": round_bf16(normal(rng, extents(case, "h c d")) / fan_in),
        "Wk": round_bf16(normal(rng, extents(case, "h c d")) / fan_in),
        "V": normal(rng, extents(case, "l b h n e")),
    }


def reference(inputs, consts):
    L, Wq, Wk, V = (inputs[name].astype(np.float64)
                    for name in ("L", "Wq", "Wk", "V"))
    layers, batch, heads, n, _ = V.shape
    O = np.zeros(V.shape)
    J = np.full((batch, heads, n, consts["k"]), -1, np.int32)
    for b, h in np.ndindex(batch, heads):
        P = softmax((L[b] @ Wq[h]) @ (L[b] @ Wk[h]).T / np.sqrt(Wq.shape[2]))
        for layer in range(layers):
            O[layer, b, h] = P @ V[layer, b, h]
        best = np.argsort(-P, axis=1, kind="stable")[:, :consts["k"]]
        J[b, h, :, :best.shape[1]] = best
    return {"O": O, "J": J}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                why="the largest probabilities are the largest scores; "
                    "projections recomputed per tile, or two kernels more",
                today=dict(passes={"n": 2}, workspace="linear"))
