"""For each token and head, softmax attention whose keys are the layers."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

PORTS = {"Q": "b h t d", "K": "l b h t d", "V": "l b h t e"}


def cases():
    return [
        dict(name="layers", seed=1,
             shape=dict(l=12, b=2, h=2, t=8, d=8, e=8)),
        dict(name="prime", seed=2, shape=dict(l=5, b=1, h=3, t=13, d=7, e=3)),
        dict(name="one_layer", seed=3,
             shape=dict(l=1, b=2, h=1, t=4, d=4, e=5)),
        dict(name="one_token", seed=4,
             shape=dict(l=31, b=1, h=2, t=1, d=3, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    score = np.einsum("bhtd,lbhtd->bhtl", Q, K) / np.sqrt(Q.shape[3])
    return {"O": np.einsum("bhtl,lbhte->bhte", softmax(score), V)}


def expected():
    return dict(sequence=("t",), passes={"l": (3, 1)}, kernels=1,
                workspace="none")
