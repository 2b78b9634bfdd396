"""Expanded queries of each head from the normalised latent, then causal
attention to the one key and value head."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

def cases():
    return [
        dict(name="prefill", seed=1,
             shape=dict(b=1, h=4, m=12, n=12, c=16, r=6, d=16, e=16)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=5, n=23, c=7, r=3, d=13, e=11)),
        dict(name="decode", seed=3,
             shape=dict(b=3, h=5, m=1, n=17, c=8, r=4, d=8, e=8)),
        dict(name="few_keys", seed=4,
             shape=dict(b=1, h=2, m=4, n=3, c=5, r=1, d=4, e=2)),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    down = normal(rng, extents(case, "c r")) / np.sqrt(r["c"])
    up = normal(rng, extents(case, "h r d")) / np.sqrt(r["r"])
    return {
        "X": normal(rng, extents(case, "b m c")),
        "Wdq": round_bf16(down),
        "Wuq": round_bf16(up),
        "K": normal(rng, extents(case, "b n d")),
        "V": normal(rng, extents(case, "b n e")),
    }


def reference(inputs, consts):
    X, Wdq, Wuq, K, V = (inputs[name].astype(np.float64)
                         for name in ("X", "Wdq", "Wuq", "K", "V"))
    m, n, d = X.shape[1], K.shape[1], K.shape[2]
    latent = X @ Wdq
    latent /= np.sqrt((latent**2).mean(-1, keepdims=True) + 1e-6)
    O = []
    for head in Wuq:
        score = latent @ head @ np.swapaxes(K, 1, 2) / np.sqrt(d)
        O.append(softmax(score, np.tri(m, n, n - m, dtype=bool)) @ V)
    return {"O": np.stack(O, 1)}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                today=dict(workspace="linear"))
