"""Reference of comateformer.attn: tanh of the scaled products times the
logistic function of the negative Manhattan distances."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, len=[16],
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, len=[29, 11],
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="one_query", seed=3, len=[0, 1, 19],
             shape=dict(b=3, h=1, m=1, n=19, d=1, e=3)),
    ]


def expected():
    return dict(passes={"n": (1, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "len": np.array(case["len"], np.int32)}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        keys, q = K[i, j, :inputs["len"][i]], Q[i, j, row]
        affinity = np.tanh(keys @ q / np.sqrt(len(q)))
        gate = sigmoid(-np.linalg.norm(keys - q, 1, axis=1) / np.sqrt(len(q)))
        O[i, j, row] = (affinity * gate) @ V[i, j, :len(keys)]
    return {"O": O}
