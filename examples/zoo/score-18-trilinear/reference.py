"""Reference of trilinear.attn: one row of pair scores at a time."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K1": "b h j d", "K2": "b h l d",
         "V1": "b h j e", "V2": "b h l e"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=6, j=6, l=6, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=1, h=2, m=5, j=11, l=13, d=7, e=3)),
        dict(name="one_query", seed=3,
             shape=dict(b=2, h=2, m=1, j=7, l=17, d=4, e=4)),
        dict(name="one_first_key", seed=4,
             shape=dict(b=1, h=2, m=9, j=1, l=19, d=5, e=4)),
        dict(name="one_second_key", seed=5,
             shape=dict(b=1, h=2, m=9, j=23, l=1, d=3, e=4)),
    ]


def expected():
    return dict(passes={"j": (3, 1), "l": (3, 1)}, kernels=1,
                workspace="none", sequence=("m", "j", "l"))


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, K1, K2, V1, V2 = (inputs[name].astype(np.float64) for name in PORTS)
    O = np.zeros(Q.shape[:3] + V1.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        score = (Q[i, j, row] * K1[i, j]) @ K2[i, j].T / np.sqrt(Q.shape[3])
        weight = softmax(score, axis=(0, 1))
        O[i, j, row] = np.sum((weight.T @ V1[i, j]) * V2[i, j], axis=0)
    return {"O": O}
