"""Sentence by sentence and label by label: pool the sentence with the label's
query, add the pooled vector to each word, normalise, project."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

BF16 = {"K": "b l n d", "V": "b l n e", "X": "b n c", "Wo": "l e c",
        "Wd": "l c f"}


def cases():
    return [
        dict(name="labels", seed=1, len=[16, 9],
             shape=dict(b=2, l=6, n=16, d=4, e=4, c=8, f=3)),
        dict(name="prime", seed=2, len=[19, 7, 13],
             shape=dict(b=3, l=5, n=19, d=3, e=5, c=7, f=2)),
        dict(name="one_word", seed=3, len=[1],
             shape=dict(b=1, l=3, n=1, d=4, e=2, c=5, f=4)),
        dict(name="empty_sentence", seed=4, len=[0, 5],
             shape=dict(b=2, l=2, n=5, d=2, e=3, c=4, f=1)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in BF16.items()}
    return x | {"q": normal(rng, extents(case, "l d"), "f32"),
                "len": np.array(case["len"], np.int32)}


def layernorm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def reference(inputs, consts):
    q, K, V, X, Wo, Wd = (inputs[name].astype(np.float64)
                          for name in ("q", "K", "V", "X", "Wo", "Wd"))
    batch, labels, n, d = K.shape
    O = np.zeros((batch, n, labels, Wd.shape[2]))
    for b, l in np.ndindex(batch, labels):
        words = slice(int(inputs["len"][b]))
        P = softmax(K[b, l, words] @ q[l] / np.sqrt(d))
        context = P @ V[b, l, words] @ Wo[l]
        O[b, words, l] = layernorm(context + X[b, words]) @ Wd[l]
    return {"O": O}


def expected():
    return dict(sequence=("n",), passes={"n": (4, 2)}, kernels=2,
                workspace="none",
                why="a label's context is complete before it is added to the "
                    "words of the sentence",
                today=dict(workspace="linear"))
