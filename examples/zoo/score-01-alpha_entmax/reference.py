"""Reference of alpha_entmax.attn: the weights [x - tau]_+^(1/(alpha-1)), tau
bisected until they sum to 1 in f64. The 40 halvings of the program leave tau
wrong by 2^-40 at most. And of monotonic.attn: the closed form of the alignment,
p cumprod(1 - p) cumsum(last / cumprod(1 - p)), and moving sums for the
chunks."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, alpha=[1.5, 1.25],
             shape=dict(b=1, h=2, m=12, n=12, d=8, e=8)),
        dict(name="prime", seed=2, alpha=[1.3, 2.0],
             shape=dict(b=1, h=2, m=13, n=29, d=7, e=5)),
        dict(name="one_query", seed=3, alpha=[1.1, 1.5, 1.9],
             shape=dict(b=2, h=3, m=1, n=17, d=4, e=4)),
        dict(name="one_key", seed=4, alpha=[1.7],
             shape=dict(b=2, h=1, m=5, n=1, d=4, e=3)),
        dict(name="equal_scores", seed=5, alpha=[1.5, 2.0], scale=0,
             shape=dict(b=1, h=2, m=3, n=11, d=4, e=4)),
        dict(name="large_scores", seed=6, alpha=[1.2, 2.0], scale=16,
             shape=dict(b=1, h=2, m=7, n=23, d=5, e=4)),
    ]


def monotonic_cases():
    return [
        dict(name="square", seed=7, r=[-1.0, 0.0],
             shape=dict(b=1, h=2, m=12, n=12, d=8, e=8)),
        dict(name="prime", seed=8, r=[-2.0, 1.0, -0.5], consts=dict(w=3),
             shape=dict(b=2, h=3, m=7, n=23, d=5, e=3)),
        dict(name="hard_monotonic", seed=9, r=[-1.0], consts=dict(w=1),
             shape=dict(b=1, h=1, m=5, n=11, d=4, e=4)),
        dict(name="chunk_beyond_the_start", seed=10, r=[0.5], consts=dict(w=9),
             shape=dict(b=2, h=1, m=3, n=5, d=4, e=2)),
        dict(name="one_key", seed=11, r=[0.0, 2.0],
             shape=dict(b=1, h=2, m=3, n=1, d=3, e=2)),
    ]


def expected():
    return dict(passes={"n": (43, 12)}, kernels=1, workspace="linear",
                sequence=("m", "n"),
                why="a threshold needs the sum above the last one: maximum, 40 "
                    "halvings (10 sweeps of 15 thresholds), weighted values; in "
                    "monotonic a point needs its neighbours on both sides: rows "
                    "of a recurrence in two directions stay",
                today=dict(passes={"n": 43}, workspace="quadratic"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    x["Q"] *= np.float32(case.get("scale", 1))
    return {**x, "alpha": np.array(case["alpha"], np.float32)}


def entmax(score, alpha):
    """The alpha-entmax of one row, alpha > 1."""
    x = (alpha - 1) * score

    def weights(tau):
        return np.maximum(x - tau, 0) ** (1 / (alpha - 1))

    below, above = x.max() - 1, x.max()  # they sum to >= 1 and to 0
    while below < (tau := (below + above) / 2) < above:
        below, above = (tau, above) if weights(tau).sum() >= 1 else (below, tau)
    return weights(below) / weights(below).sum()


def reference(inputs, consts):
    Q, K, V, alpha = (inputs[name].astype(np.float64)
                      for name in ("Q", "K", "V", "alpha"))
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        score = K[i, j] @ Q[i, j, row] / np.sqrt(Q.shape[3])
        O[i, j, row] = entmax(score, alpha[j]) @ V[i, j]
    return {"O": O}


def monotonic_inputs(case):
    rng = generator(case)
    ports = {**PORTS, "Q'": PORTS["Q"], "K'": PORTS["K"]}
    x = {name: normal(rng, extents(case, r)) for name, r in ports.items()}
    keep = rng.integers(0, 2, case["shape"]["h"]) / 0.5  # half of the heads
    keep[0] = 2
    return {**x, "r": np.array(case["r"], np.float32),
            "keep": keep.astype(np.float32)}


def chunks(alignment, score, w):
    """Each endpoint's probability over the softmax of the w keys up to it."""
    weight = np.exp(score)
    total = np.convolve(weight, np.ones(w))[:len(score)]
    share = np.convolve((alignment / total)[::-1], np.ones(w))[:len(score)]
    return weight * share[::-1]


def monotonic(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    O = np.zeros(x["Q"].shape[:3] + x["V"].shape[3:])
    scale = np.sqrt(x["Q"].shape[3])
    for i, j in np.ndindex(O.shape[:2]):
        alignment = np.eye(1, x["K"].shape[2])[0]
        for row in range(O.shape[2]):
            energy = x["K"][i, j] @ x["Q"][i, j, row] / scale + x["r"][j]
            stop = sigmoid(energy)
            on = np.cumprod(np.append(1, 1 - stop[:-1]))
            alignment = stop * on * np.cumsum(alignment / on)
            score = x["K'"][i, j] @ x["Q'"][i, j, row] / scale
            weight = chunks(alignment, score, consts.get("w", 4))
            O[i, j, row] = x["keep"][j] * (weight @ x["V"][i, j])
    return {"O": O}


ENTRIES = {"alpha_entmax": (cases, make_inputs, reference),
           "monotonic": (monotonic_cases, monotonic_inputs, monotonic)}
