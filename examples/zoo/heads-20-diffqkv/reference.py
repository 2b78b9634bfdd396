"""Query head by query head, with the key head and the value head it maps to;
the selective variant sorts a row's probabilities and keeps the first k."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

PORTS = {"Q": "b h m d", "K": "b g n d", "V": "b w n e"}


def cases():
    return [
        dict(name="prefill", seed=1,
             shape=dict(b=1, h=8, w=4, g=1, m=16, n=16, d=4, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=6, w=6, g=2, m=7, n=19, d=3, e=5)),
        dict(name="decode", seed=3,
             shape=dict(b=2, h=8, w=4, g=2, m=1, n=23, d=4, e=6)),
        dict(name="few_keys", seed=4,
             shape=dict(b=1, h=2, w=2, g=1, m=5, n=3, d=2, e=3)),
    ]


def selective_cases():
    kept = (5, 3, 8, 2)
    return [dict(case, consts=dict(k=k)) for case, k in zip(cases(), kept)]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def attention(inputs, keep):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    batch, heads, m, d = Q.shape
    keys, n = K.shape[1:3]
    values = V.shape[1]
    O = np.zeros((batch, heads, m, V.shape[3]))
    for b, h in np.ndindex(batch, heads):
        value = h * values // heads
        key = value * keys // values
        score = Q[b, h] @ K[b, key].T / np.sqrt(d)
        causal = np.tri(m, n, n - m, dtype=bool)
        P = softmax(score, causal)
        for row in range(m):
            order = [i for i in np.argsort(-P[row], kind="stable")
                     if causal[row, i]]
            kept = order[:keep]
            O[b, h, row] = P[row, kept] @ V[b, value, kept]
    return {"O": O}


def reference(inputs, consts):
    return attention(inputs, None)


def selective(inputs, consts):
    return attention(inputs, consts["k"])


ENTRIES = {"diffqkv": (cases, make_inputs, reference),
           "selective_v": (selective_cases, make_inputs, selective)}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                why="of diffqkv; selective_v is 4 passes, at best 2: the "
                    "scores decide which values are read",
                today=dict(workspace="linear"))
