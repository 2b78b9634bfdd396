"""The attention map of the span's first layer, then one product with the
values of each layer."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "l b h n e"}


def cases():
    return [
        dict(name="span", seed=1,
             shape=dict(l=4, b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(l=3, b=2, h=1, m=5, n=17, d=7, e=5)),
        dict(name="decode", seed=3,
             shape=dict(l=2, b=2, h=3, m=1, n=13, d=4, e=3)),
        dict(name="few_keys", seed=4,
             shape=dict(l=2, b=1, h=2, m=7, n=4, d=3, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    m, n = Q.shape[2], K.shape[2]
    score = np.einsum("bhmd,bhnd->bhmn", Q, K) / np.sqrt(Q.shape[3])
    P = softmax(score, np.tri(m, n, n - m, dtype=bool))
    return {"O": np.stack([P @ value for value in V])}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none")
