"""Query by query: the keys of its block up to itself, and a key and a value
for each earlier block, under one softmax."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="blocks", seed=1, consts=dict(B=4),
             shape=dict(b=2, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(B=5),
             shape=dict(b=1, h=3, m=23, n=23, d=5, e=7)),
        dict(name="one_block", seed=3, consts=dict(B=16),
             shape=dict(b=1, h=1, m=7, n=7, d=4, e=3)),
        dict(name="one_token", seed=4, consts=dict(B=4),
             shape=dict(b=2, h=2, m=1, n=1, d=3, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def summary(q, k, v):
    """Key and value of a block."""
    weight = softmax(k @ q.max(0) / np.sqrt(k.shape[1]))
    return k.max(0), weight @ v


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    size, d = consts["B"], Q.shape[3]
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for b, h, m in np.ndindex(Q.shape[:3]):
        start = m // size * size
        blocks = [slice(i, i + size) for i in range(0, start, size)]
        past = [summary(Q[b, h, s], K[b, h, s], V[b, h, s]) for s in blocks]
        key = np.array([*K[b, h, start:m + 1], *(k for k, _ in past)])
        value = np.array([*V[b, h, start:m + 1], *(v for _, v in past)])
        O[b, h, m] = softmax(key @ Q[b, h, m] / np.sqrt(d)) @ value
    return {"O": O}


def expected():
    return dict(sequence=("m", "n", "c", "r", "p", "t"),
                passes={"c": (3, 1), "i": (4, 2)}, kernels=2,
                workspace="linear",
                why="a block's keys are pooled before they are weighed; all "
                    "summaries in a kernel before the queries")
