"""Reference of relations.attn: sum of p (log p - log q), row by row of the
words that are there."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax


def cases():
    return [
        dict(name="square", seed=1, len=[16, 11],
             shape=dict(b=2, x=3, a=2, n=16, d=8, c=4)),
        dict(name="prime", seed=2, len=[23, 7, 1],
             shape=dict(b=3, x=3, a=3, n=23, d=5, c=7)),
        dict(name="no_word", seed=3, len=[0, 2],
             shape=dict(b=2, x=3, a=1, n=5, d=3, c=2)),
        dict(name="itself", seed=4, len=[13],
             shape=dict(b=1, x=3, a=2, n=13, d=4, c=4)),
    ]


def expected():
    return dict(passes={"n": (3, 1), "m": (1, 1)}, kernels=1,
                workspace="none", sequence=("m", "n"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {"T": normal(rng, extents(case, "b x a n d")),
         "U": normal(rng, extents(case, "b x a n c"))}
    if case["name"] == "itself":  # no divergence
        x["U"] = x["T"].copy()
    return {**x, "len": np.array(case["len"], np.int32)}


def relation(x):
    """The attention of vectors among themselves."""
    return softmax(x @ x.T / np.sqrt(x.shape[1]))


def reference(inputs, consts):
    T, U = (inputs[name].astype(np.float64) for name in "TU")
    L = np.zeros(len(T))
    for i, size in enumerate(inputs["len"]):
        for part in np.ndindex(T.shape[1:3]):
            p = relation(T[i][part][:size])
            q = relation(U[i][part][:size])
            if size:
                L[i] += np.sum(p * (np.log(p) - np.log(q)))
        L[i] /= max(T.shape[2] * size, 1)
    return {"L": L}
