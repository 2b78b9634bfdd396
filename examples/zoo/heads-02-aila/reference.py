"""Attention over the layer axis, written per token: one query, one key and
one value from each layer below."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

def cases():
    return [
        dict(name="layers", seed=1, shape=dict(b=2, l=6, t=16, c=8, d=4)),
        dict(name="prime", seed=2, shape=dict(b=1, l=7, t=13, c=5, d=3)),
        dict(name="first_layer", seed=3, shape=dict(b=2, l=1, t=5, c=4, d=4)),
        dict(name="nothing_below", seed=4, shape=dict(b=1, l=0, t=3, c=4, d=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    fan_in = np.sqrt(case["shape"]["c"])
    return {
        "X": normal(rng, extents(case, "b t c")),
        "Y": normal(rng, extents(case, "b l t c")),
        "Wq": round_bf16(normal(rng, extents(case, "c d")) / fan_in),
        "Wk": round_bf16(normal(rng, extents(case, "c d")) / fan_in),
    }


def reference(inputs, consts):
    X, Y, Wq, Wk = (inputs[name].astype(np.float64)
                    for name in ("X", "Y", "Wq", "Wk"))
    O = np.zeros(X.shape)
    for b, t in np.ndindex(X.shape[:2]):
        keys = Y[b, :, t] @ Wk
        score = keys @ (X[b, t] @ Wq) / np.sqrt(Wq.shape[1])
        O[b, t] = softmax(score) @ Y[b, :, t]
    return {"O": O}


def expected():
    return dict(sequence=("t",), passes={"l": (3, 1)}, kernels=1,
                workspace="none")
