"""Sentence by sentence and head by head: bilinear scores of the words against
the context vector, and the weighted mean of the words."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

def cases():
    return [
        dict(name="sentences", seed=1, len=[16, 5],
             shape=dict(b=2, n=16, d=8, e=6, h=4, r=3)),
        dict(name="prime", seed=2, len=[23, 17, 2],
             shape=dict(b=3, n=23, d=7, e=5, h=3, r=5)),
        dict(name="one_word", seed=3, len=[1],
             shape=dict(b=1, n=1, d=4, e=3, h=2, r=1)),
        dict(name="empty_sentence", seed=4, len=[0, 7],
             shape=dict(b=2, n=7, d=3, e=4, h=1, r=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, ranks), "f32")
         for name, ranks in (("c", "e"), ("A", "h r e"), ("B", "h r d"))}
    return x | {"X": normal(rng, extents(case, "b n d")),
                "len": np.array(case["len"], np.int32)}


def reference(inputs, consts):
    X, c, A, B = (inputs[name].astype(np.float64)
                  for name in ("X", "c", "A", "B"))
    O = np.zeros((len(X), len(A), X.shape[2]))
    for b, h in np.ndindex(O.shape[:2]):
        words = X[b, :inputs["len"][b]]
        score = np.tanh((A[h] @ c) * (words @ B[h].T)).sum(1)
        O[b, h] = softmax(score) @ words
    return {"O": O}


def expected():
    return dict(sequence=("n",), passes={"n": (3, 1)}, kernels=1,
                workspace="none", why="the context factor U is a small table")
