"""Head by head: projections to a head size that the model width does not
bound, attention, and the sum of the heads' output projections."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

def cases():
    return [
        dict(name="head_size_is_length", seed=1,
             shape=dict(b=2, h=2, n=12, c=8, d=12, e=12, f=8)),
        dict(name="prime", seed=2,
             shape=dict(b=1, h=3, n=17, c=5, d=19, e=23, f=7)),
        dict(name="small_heads", seed=3,
             shape=dict(b=1, h=4, n=9, c=16, d=2, e=3, f=16)),
        dict(name="one_token", seed=4,
             shape=dict(b=2, h=1, n=1, c=3, d=6, e=5, f=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {"X": normal(rng, extents(case, "b n c"))}
    for name, ranks in (("Wq", "h c d"), ("Wk", "h c d"), ("Wv", "h c e"),
                        ("Wo", "h e f")):
        size = extents(case, ranks)
        x[name] = round_bf16(normal(rng, size) / np.sqrt(size[1]))
    return x


def reference(inputs, consts):
    X, Wq, Wk, Wv, Wo = (inputs[name].astype(np.float64)
                         for name in ("X", "Wq", "Wk", "Wv", "Wo"))
    O = np.zeros(X.shape[:2] + Wo.shape[2:])
    for i, j in np.ndindex(X.shape[0], Wq.shape[0]):
        q, k, v = X[i] @ Wq[j], X[i] @ Wk[j], X[i] @ Wv[j]
        O[i] += softmax(q @ k.T / np.sqrt(q.shape[1])) @ v @ Wo[j]
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                why="projections fold into the attention kernel, absorbed or "
                    "recomputed per tile; by cost they are kernels before it")
