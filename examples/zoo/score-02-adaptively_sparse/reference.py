"""Reference of adaptively_sparse.attn: the threshold of a row is found exactly,
from its support: the scores above it, in descending order, are tried one after
the other, each support with a scalar root search in f64."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, theta=[0.0, -1.0], len=[16],
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, theta=[1.0, 3.0], len=[29, 7],
             shape=dict(b=2, h=2, m=13, n=29, d=7, e=5)),
        dict(name="one_query", seed=3, theta=[0.5], len=[17, 0, 1],
             shape=dict(b=3, h=1, m=1, n=17, d=4, e=4)),
        dict(name="sharp", seed=4, theta=[-1.0, 2.0], len=[11], scale=16,
             shape=dict(b=1, h=2, m=5, n=11, d=4, e=3)),
    ]


def expected():
    return dict(passes={"n": (43, 12)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                why="a threshold needs the sum above the last one: maximum, 40 "
                    "halvings (10 sweeps of 15 thresholds), weighted values",
                today=dict(passes={"n": 43}, workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    x["Q"] *= np.float32(case.get("scale", 1))
    return {**x, "theta": np.array(case["theta"], np.float32),
            "len": np.array(case["len"], np.int32)}


def entmax(score, alpha):
    """[(alpha - 1) score - tau]_+ ^ (1 / (alpha - 1)), of sum 1."""
    x, power = (alpha - 1) * score, 1 / (alpha - 1)
    ordered = np.sort(x)[::-1]
    for size in range(1, len(x) + 1):
        low = ordered[size] if size < len(x) else ordered[-1] - 1
        if np.sum((ordered[:size] - low) ** power) >= 1:
            break
    high = ordered[size - 1]  # with tau in [low, high] the support is `size`
    for _ in range(200):
        tau = (low + high) / 2
        full = np.sum((ordered[:size] - tau) ** power) >= 1
        low, high = (tau, high) if full else (low, tau)
    return np.maximum(x - low, 0) ** power


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    alpha = 1 + sigmoid(inputs["theta"])
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        size = inputs["len"][i]
        if size:
            score = K[i, j, :size] @ Q[i, j, row] / np.sqrt(Q.shape[3])
            O[i, j, row] = entmax(score, alpha[j]) @ V[i, j, :size]
    return {"O": O}
