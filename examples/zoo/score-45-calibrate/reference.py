"""Reference of calibrate.attn: whole attention matrices, edited column by
column, their rows brought back to sum 1."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def heavy_keys(x):
    """Keys along the mean query: strong sinks."""
    x["Q"][..., 0] = np.maximum(abs(x["Q"][..., 0]), 1)
    x["K"][:, :, 2::5, 0] = 4


def cases():
    return [
        dict(name="square", seed=1, scalars=dict(alpha=1.5, beta=0.4),
             shape=dict(b=1, h=4, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, scalars=dict(alpha=1.1, beta=0.3),
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="one_query", seed=3, scalars=dict(alpha=0.5, beta=0.25),
             shape=dict(b=2, h=3, m=1, n=11, d=4, e=4)),
        dict(name="one_key", seed=4, scalars=dict(alpha=0.5, beta=0.5),
             shape=dict(b=1, h=2, m=7, n=1, d=4, e=3)),
        dict(name="more_queries_than_keys", seed=5,
             scalars=dict(alpha=0.7, beta=0.0),
             shape=dict(b=1, h=3, m=31, n=7, d=5, e=4)),
        dict(name="heavy_keys", seed=6, scalars=dict(alpha=2.0, beta=0.1),
             inputs=heavy_keys,
             shape=dict(b=2, h=4, m=23, n=23, d=6, e=4)),
        dict(name="every_key_but_the_first", seed=7,
             scalars=dict(alpha=0.0, beta=0.4),
             shape=dict(b=1, h=3, m=9, n=9, d=4, e=4)),
    ]


def expected():
    return dict(passes={"n": (4, 2), "m": (2, 2)}, kernels=3,
                workspace="linear", sequence=("m", "n"),
                why="rows, then column means of the normalised map, then "
                    "its use",
                today=dict(passes={"n": 3}))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    x["hs"] = rng.random(extents(case, "h")) < 0.5
    x["hs"][0] = True
    for name, value in case["scalars"].items():
        x[name] = np.array(value, np.float32)
    case.get("inputs", lambda x: None)(x)
    return x


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    alpha, beta = float(inputs["alpha"]), float(inputs["beta"])
    b, h, m, d = Q.shape
    n = K.shape[2]
    causal = np.arange(n) <= np.arange(m)[:, None]
    O = np.zeros((b, h, m, V.shape[3]))
    Z = np.zeros((b, h, n), bool)
    for i, j in np.ndindex(b, h):
        P = softmax(Q[i, j] @ K[i, j].T / np.sqrt(d), causal)
        if inputs["hs"][j]:
            Z[i, j] = P.mean(axis=0) > alpha / n
            Z[i, j, 0] = False
        sinks = Z[i, j]
        rest = P[:, ~sinks].sum(axis=1, keepdims=True)
        wanted = 1 - beta * (1 - rest)  # what the other keys shall sum to
        gain = np.divide(wanted, rest, out=np.zeros_like(rest),
                         where=rest != 0)
        O[i, j] = (P * np.where(sinks, beta, gain)) @ V[i, j]
    return {"O": O, "Z": Z}
