"""Multi-query attention: every head is plain causal attention to the same keys
and values; the last query stands at the last key."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

PORTS = {"Q": "b h m d", "K": "b n d", "V": "b n e"}


def cases():
    return [
        dict(name="prefill", seed=1,
             shape=dict(b=2, h=3, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, shape=dict(b=1, h=5, m=7, n=23, d=5, e=7)),
        dict(name="decode", seed=3, shape=dict(b=3, h=4, m=1, n=29, d=8, e=4)),
        # Queries that stand before the first key have no key: zeros.
        dict(name="few_keys", seed=4, shape=dict(b=1, h=2, m=5, n=3, d=4, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    m, n = Q.shape[2], K.shape[1]
    score = np.einsum("bhmd,bnd->bhmn", Q, K)
    P = softmax(score, np.tri(m, n, n - m, dtype=bool))
    return {"O": np.einsum("bhmn,bne->bhme", P, V)}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none")
