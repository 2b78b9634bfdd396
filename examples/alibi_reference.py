"""Reference of alibi.attn: per head a matrix of penalised scores."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="eight_heads", seed=1,
             shape=dict(b=1, h=8, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="one_query", seed=3,
             shape=dict(b=2, h=4, m=1, n=23, d=16, e=16)),
        dict(name="one_key", seed=4,
             shape=dict(b=1, h=2, m=9, n=1, d=4, e=3)),
        dict(name="long_rows", seed=5,
             shape=dict(b=1, h=1, m=131, n=127, d=4, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    b, h, m, d = Q.shape
    n = K.shape[2]
    O = np.zeros((b, h, m, V.shape[3]))
    distance = np.arange(m)[:, None] - np.arange(n)
    for i, j in np.ndindex(b, h):
        slope = 2.0 ** (-8.0 * (j + 1) / h)
        score = Q[i, j] @ K[i, j].T / np.sqrt(d) - slope * distance
        O[i, j] = softmax(score, distance >= 0) @ V[i, j]
    return {"O": O}
