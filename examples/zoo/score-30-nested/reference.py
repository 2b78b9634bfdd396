"""Reference of nested.attn: the values of each query, those of named subjects
replaced, are averaged."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e", "Q'": "b h m c",
         "K'": "b h s j c", "V'": "b h s j e"}


def cases():
    return [
        dict(name="one_subject", seed=1, subject=[[-1, 0, -1, -1, -1, -1]],
             shape=dict(b=1, h=2, m=16, n=6, d=8, e=8, c=4, s=1, j=5)),
        dict(name="prime", seed=2,
             subject=[[-1, 1, -1, 0, -1, 2, -1], [2, -1, -1, 1, 1, -1, 0]],
             shape=dict(b=2, h=3, m=13, n=7, d=5, e=3, c=7, s=3, j=11)),
        dict(name="no_subject", seed=3, subject=[[-1, -1, -1]],
             shape=dict(b=1, h=1, m=5, n=3, d=4, e=4, c=2, s=2, j=3)),
        dict(name="one_word", seed=4, subject=[[0], [-1]],
             shape=dict(b=2, h=1, m=3, n=1, d=3, e=2, c=3, s=1, j=1)),
    ]


def expected():
    return dict(passes={"n": (3, 1), "j": (3, 1)}, kernels=1,
                workspace="linear", sequence=("m", "n", "j"),
                why="nested values of a query are kept, one for each subject")


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "subject": np.array(case["subject"], np.int32)}


def reference(inputs, consts):
    t = {name: inputs[name].astype(np.float64) for name in PORTS}
    O = np.zeros(t["Q"].shape[:3] + t["V"].shape[3:])
    for i, j in np.ndindex(O.shape[:2]):
        outer = softmax(t["Q"][i, j] @ t["K"][i, j].T
                        / np.sqrt(t["Q"].shape[3]))
        for word, subject in enumerate(inputs["subject"][i]):
            value = t["V"][i, j, word]
            if subject >= 0:
                score = t["Q'"][i, j] @ t["K'"][i, j, subject].T
                inner = softmax(score / np.sqrt(t["Q'"].shape[3]))
                value = inner @ t["V'"][i, j, subject]
            O[i, j] += outer[:, word, None] * value
    return {"O": O}
