"""Reference of music.attn: row by row; embeddings counted from the last one,
that of the query's own position, backwards."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h n d", "K": "b h n d", "V": "b h n e", "E": "h r d"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8, r=16)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=29, n=29, d=7, e=5, r=29)),
        dict(name="one_token", seed=3,
             shape=dict(b=3, h=1, m=1, n=1, d=4, e=3, r=1)),
    ]


def local_cases():
    return [
        dict(name="blocks", seed=4, consts=dict(W=4),
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8, r=8)),
        dict(name="ragged", seed=5, consts=dict(W=5),
             shape=dict(b=2, h=3, m=23, n=23, d=7, e=5, r=10)),
        dict(name="one_block", seed=6, consts=dict(W=16),
             shape=dict(b=1, h=1, m=11, n=11, d=4, e=3, r=32)),
        dict(name="pairs", seed=7, consts=dict(W=1),
             shape=dict(b=1, h=2, m=7, n=7, d=4, e=4, r=2)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n", "r"))


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def attend(inputs, first):
    """`first` gives the first key that a row sees."""
    Q, K, V, E = (inputs[name].astype(np.float64) for name in "QKVE")
    O = np.zeros(V.shape)
    for i, j, row in np.ndindex(Q.shape[:3]):
        seen = slice(first(row), row + 1)
        size = row + 1 - seen.start
        score = (K[i, j, seen] + E[j, len(E[j]) - size:]) @ Q[i, j, row]
        weight = softmax(score / np.sqrt(Q.shape[3]))
        O[i, j, row] = weight @ V[i, j, seen]
    return {"O": O}


def reference(inputs, consts):
    return attend(inputs, lambda row: 0)


def local(inputs, consts):
    W = consts["W"]
    return attend(inputs, lambda row: max(row // W - 1, 0) * W)


ENTRIES = {"music": (cases, make_inputs, reference),
           "music_local": (local_cases, make_inputs, local)}
