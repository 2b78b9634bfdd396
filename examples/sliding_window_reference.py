"""Reference of sliding_window.attn: each query and its window of keys."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import extents, generator, normal, softmax

DEPTH = 128  # static in the program
PER_GROUP = 4


def cases():
    return [
        dict(name="window", seed=1, consts=dict(W=5),
             shape=dict(b=1, h=4, g=1, m=12, n=12)),
        dict(name="prime", seed=2, consts=dict(W=7),
             shape=dict(b=1, h=4, g=1, m=13, n=29)),
        dict(name="rows_beyond_the_keys", seed=3, consts=dict(W=3),
             shape=dict(b=1, h=8, g=2, m=17, n=5)),
        dict(name="one_query", seed=4, consts=dict(W=4),
             shape=dict(b=3, h=4, g=1, m=1, n=11)),
        dict(name="own_position_only", seed=5, consts=dict(W=1),
             shape=dict(b=1, h=4, g=1, m=7, n=7)),
        dict(name="nothing_in_the_window", seed=6, consts=dict(W=0),
             shape=dict(b=1, h=4, g=1, m=5, n=5)),
        dict(name="default_window", seed=7,
             shape=dict(b=1, h=4, g=1, m=19, n=19)),
        dict(name="large_scores", seed=8, consts=dict(W=6), scale=32,
             shape=dict(b=1, h=4, g=1, m=11, n=11)),
    ]


def make_inputs(case):
    rng = generator(case)
    Q = normal(rng, extents(case, "b h m") + (DEPTH,))
    K = normal(rng, extents(case, "b g n") + (DEPTH,))
    V = normal(rng, extents(case, "b g n") + (DEPTH,))
    return {"Q": Q * np.float32(case.get("scale", 1)), "K": K, "V": V}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    window, n = consts.get("W", 1024), K.shape[2]
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        group = j // PER_GROUP
        seen = np.arange(max(row - window + 1, 0), min(row + 1, n))
        score = K[i, group, seen] @ Q[i, j, row] / np.sqrt(DEPTH)
        O[i, j, row] = softmax(30 * np.tanh(score / 30)) @ V[i, group, seen]
    return {"O": O}
