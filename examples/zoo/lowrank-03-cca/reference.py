"""Query by query: pooled keys and values of the whole groups before the local
window, then the window's own, under one softmax."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="groups", seed=1, consts=dict(g=4, W=6),
             shape=dict(b=1, h=2, m=24, n=24, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(g=3, W=5),
             shape=dict(b=2, h=1, m=29, n=29, d=7, e=5)),
        dict(name="window_of_one", seed=3, consts=dict(g=5, W=1),
             shape=dict(b=1, h=1, m=13, n=13, d=4, e=3)),
        dict(name="all_in_window", seed=4, consts=dict(g=2, W=16),
             shape=dict(b=1, h=2, m=7, n=7, d=3, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    group, window, d = consts["g"], consts["W"], Q.shape[3]
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for b, h, m in np.ndindex(Q.shape[:3]):
        keys, values, first = [], [], 0
        while first + group <= m - window + 1:  # the group is out of reach
            s = slice(first, first + group)
            last = Q[b, h, first + group - 1]
            weight = softmax(K[b, h, s] @ last / np.sqrt(d))
            keys.append(weight @ K[b, h, s])
            values.append(weight @ V[b, h, s])
            first += group
        key = np.array([*keys, *K[b, h, first:m + 1]])
        value = np.array([*values, *V[b, h, first:m + 1]])
        O[b, h, m] = softmax(key @ Q[b, h, m] / np.sqrt(d)) @ value
    return {"O": O}


def expected():
    return dict(sequence=("m", "n", "c", "r", "t"),
                passes={"c": (3, 1), "i": (3, 1)}, kernels=2,
                workspace="linear",
                why="core tokens of all groups in a kernel before the queries")
