"""Reference of nope_temperature.attn: causal softmax of scaled products, the
last query beside the last key."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, lam=[1.0, 1.6],
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, lam=[0.7, 1.2, 2.5],
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="decode", seed=3, lam=[1.3, 1.1],
             shape=dict(b=2, h=2, m=1, n=37, d=8, e=4)),
        # The first ten queries stand before all keys: zeros.
        dict(name="more_queries_than_keys", seed=4, lam=[1.2],
             shape=dict(b=1, h=1, m=17, n=7, d=5, e=4)),
        dict(name="uniform", seed=5, lam=[0.0],
             shape=dict(b=1, h=1, m=11, n=11, d=3, e=2)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "lam": np.array(case["lam"], np.float32)}


def reference(inputs, consts):
    Q, K, V, lam = (np.asarray(inputs[name], np.float64)
                    for name in ("Q", "K", "V", "lam"))
    m, d = Q.shape[2:]
    n = K.shape[2]
    score = np.einsum("h,bhmd,bhnd->bhmn", lam, Q, K) / np.sqrt(d)
    causal = np.tri(m, n, n - m, dtype=bool)
    return {"O": np.einsum("bhmn,bhne->bhme", softmax(score, causal), V)}
