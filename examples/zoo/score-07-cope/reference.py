"""Reference of cope.attn: gates summed from the query backwards give each key
its fractional position, whose embedding is interpolated."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e", "E": "h d i"}


def closed_gates(x):
    """Keys opposed to all queries: gates near 0, positions in [0, 1)."""
    x["Q"][:] = abs(x["Q"])
    x["K"][:] = -4 * abs(x["K"])


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8, i=32)),
        dict(name="prime", seed=2,
             shape=dict(b=1, h=2, m=13, n=29, d=7, e=5, i=4)),
        dict(name="clipped_positions", seed=3,
             shape=dict(b=2, h=1, m=23, n=23, d=4, e=4, i=3)),
        dict(name="one_position", seed=4,
             shape=dict(b=1, h=2, m=9, n=9, d=4, e=4, i=1)),
        dict(name="one_query", seed=5,
             shape=dict(b=2, h=3, m=1, n=11, d=8, e=3, i=6)),
        dict(name="more_queries_than_keys", seed=6,
             shape=dict(b=1, h=2, m=19, n=7, d=5, e=4, i=5)),
        dict(name="closed_gates", seed=7, inputs=closed_gates,
             shape=dict(b=1, h=2, m=12, n=12, d=8, e=4, i=5)),
    ]


def expected():
    return dict(passes={"n": (4, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    case.get("inputs", lambda x: None)(x)
    return x


def reference(inputs, consts):
    Q, K, V, E = (inputs[name].astype(np.float64) for name in "QKVE")
    b, h, m, d = Q.shape
    n, positions = K.shape[2], E.shape[2]
    O = np.zeros((b, h, m, V.shape[3]))
    for i, j, row in np.ndindex(b, h, m):
        q, seen = Q[i, j, row], min(row + 1, n)
        score = K[i, j, :seen] @ q / np.sqrt(d)
        position = np.cumsum(sigmoid(score)[::-1])[::-1]
        position = np.minimum(position, positions - 1)
        logits = q @ E[j]
        below = np.floor(position).astype(int)
        above = np.ceil(position).astype(int)
        part = position - below
        bias = (1 - part) * logits[below] + part * logits[above]
        O[i, j, row] = softmax(score + bias) @ V[i, j, :seen]
    return {"O": O}
