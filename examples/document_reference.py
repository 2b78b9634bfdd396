"""Reference of document.attn: plain causal attention inside each document."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import extents, generator, normal, softmax


def packed(rng, n):
    """Sorted documents with padding at the end."""
    length = rng.integers(n // 2, n + 1)
    doc = np.sort(rng.integers(0, 4, length))
    return np.concatenate([doc, np.full(n - length, -1)])


def interleaved(rng, n):
    """Documents and padding in no order."""
    return rng.integers(-1, 3, n)


def padding(rng, n):
    return np.full(n, -1)


def cases():
    return [
        dict(name="packed", seed=1, inputs=packed,
             shape=dict(b=2, h=2, m=24, n=24, d=8, e=8)),
        dict(name="prime", seed=2, inputs=packed,
             shape=dict(b=3, h=1, m=29, n=29, d=7, e=11)),
        dict(name="one_token", seed=3, inputs=packed,
             shape=dict(b=4, h=2, m=1, n=1, d=4, e=4)),
        dict(name="interleaved", seed=4, inputs=interleaved,
             shape=dict(b=2, h=2, m=23, n=23, d=5, e=3)),
        dict(name="padding_only", seed=5, inputs=padding,
             shape=dict(b=1, h=2, m=7, n=7, d=4, e=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    Q = normal(rng, extents(case, "b h m d"))
    K = normal(rng, extents(case, "b h n d"))
    V = normal(rng, extents(case, "b h n e"))
    b, n = extents(case, "b n")
    doc = np.array([case["inputs"](rng, n) for _ in range(b)], np.int32)
    return {"Q": Q, "K": K, "V": V, "doc": doc}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    doc = inputs["doc"]
    b, h, n, d = Q.shape
    O = np.zeros((b, h, n, V.shape[3]))
    for i, j in np.ndindex(b, h):
        for document in set(doc[i][doc[i] >= 0]):
            own = np.flatnonzero(doc[i] == document)
            score = Q[i, j, own] @ K[i, j, own].T / np.sqrt(d)
            causal = np.tri(own.size, dtype=bool)
            O[i, j, own] = softmax(score, causal) @ V[i, j, own]
    return {"O": O}
