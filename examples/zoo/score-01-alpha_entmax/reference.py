"""Reference of alpha_entmax.attn: the weights [x - tau]_+^(1/(alpha-1)), tau
bisected until they sum to 1 in f64. The 40 halvings of the program leave tau
wrong by 2^-40 at most."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal

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
