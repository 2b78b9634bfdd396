"""Head by head on matrices: project keys and values to few rows, attend."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

BF16 = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="self", seed=1,
             shape=dict(b=2, h=2, m=24, n=24, d=8, e=8, r=6)),
        dict(name="prime", seed=2,
             shape=dict(b=1, h=3, m=13, n=29, d=5, e=7, r=11)),
        dict(name="one_row", seed=3,
             shape=dict(b=1, h=2, m=7, n=9, d=4, e=3, r=1)),
        dict(name="no_keys", seed=4,
             shape=dict(b=1, h=1, m=3, n=0, d=4, e=2, r=4)),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    x = {name: normal(rng, extents(case, p)) for name, p in BF16.items()}
    for name in ("E", "F"):
        weight = normal(rng, (r["r"], r["n"])) / np.sqrt(max(r["n"], 1))
        x[name] = round_bf16(weight)
    return x


def reference(inputs, consts):
    Q, K, V, E, F = (inputs[name].astype(np.float64)
                     for name in ("Q", "K", "V", "E", "F"))
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for b, h in np.ndindex(Q.shape[:2]):
        score = Q[b, h] @ (E @ K[b, h]).T / np.sqrt(Q.shape[3])
        O[b, h] = softmax(score) @ (F @ V[b, h])
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (1, 1), "r": (3, 1)},
                kernels=2, workspace="none",
                today=dict(workspace="linear"))
