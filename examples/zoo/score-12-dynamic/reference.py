"""Reference of dynamic.attn: the rounds of one sentence and one vector, over
the words that are there."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

WEIGHTS = {"W": "h d c", "bias": "h d"}


def cases():
    return [
        dict(name="sentences", seed=1, len=[16, 9, 1],
             shape=dict(b=3, h=2, n=16, c=8, d=6)),
        dict(name="prime", seed=2, len=[23, 17], consts=dict(rounds=3),
             shape=dict(b=2, h=3, n=23, c=5, d=7)),
        dict(name="one_round", seed=3, len=[7, 3], consts=dict(rounds=1),
             shape=dict(b=2, h=1, n=7, c=4, d=3)),
        dict(name="one_word", seed=4, len=[1], consts=dict(rounds=2),
             shape=dict(b=1, h=2, n=1, c=3, d=5)),
        dict(name="no_word", seed=5, len=[0, 2],
             shape=dict(b=2, h=1, n=5, c=3, d=4)),
    ]


def expected():
    return dict(passes={"n": (6, 2)}, kernels=1, workspace="linear",
                sequence=("n",),
                why="every round needs the vector of the last one")


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r), "f32") / 2
         for name, r in WEIGHTS.items()}
    return {**x, "X": normal(rng, extents(case, "b n c")),
            "len": np.array(case["len"], np.int32)}


def reference(inputs, consts):
    X, W, bias = (inputs[name].astype(np.float64)
                  for name in ("X", "W", "bias"))
    Z = np.zeros((len(X), *bias.shape))
    for i, j in np.ndindex(Z.shape[:2]):
        words = X[i, :inputs["len"][i]] @ W[j].T + bias[j]
        words = np.where(words > 0, words, 0.1 * words)
        score = np.zeros(len(words))
        for _ in range(consts.get("rounds", 2)):
            Z[i, j] = np.tanh(softmax(score) @ words)
            score += words @ Z[i, j]
    return {"Z": Z}
