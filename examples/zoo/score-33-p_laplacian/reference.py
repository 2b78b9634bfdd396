"""Reference of p_laplacian.attn: adjacency, degrees, edge gradients to the
power p - 2, one step of message passing."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e", "R": "b h m e"}


def cases():
    def case(name, seed, p, **shape):
        return dict(name=name, seed=seed, shape=shape,
                    scalars=dict(p=p, alpha=0.75, beta=0.25))

    return [
        case("square", 1, 1.5, b=1, h=2, m=16, n=16, d=8, e=8),
        case("prime", 2, 1.25, b=2, h=3, m=13, n=29, d=7, e=5),
        case("ordinary_attention", 3, 2.0, b=1, h=1, m=11, n=7, d=4, e=3),
        case("one_query", 4, 1.0, b=2, h=2, m=1, n=5, d=4, e=4),
        case("far_ends", 5, 3.0, b=1, h=2, m=17, n=3, d=5, e=2),
    ]


def expected():
    return dict(passes={"n": (4, 2), "m": (2, 2)}, kernels=3,
                workspace="linear", sequence=("m", "n"),
                why="rows, then column sums of the normalised map, then "
                    "its use")


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return x | {name: np.array(value, np.float32)
                for name, value in case["scalars"].items()}


def reference(inputs, consts):
    Q, K, V, R = (inputs[name].astype(np.float64) for name in "QKVR")
    p, alpha, beta = (float(inputs[name]) for name in ("p", "alpha", "beta"))
    O = np.zeros(R.shape)
    for i, j in np.ndindex(O.shape[:2]):
        adjacency = softmax(Q[i, j] @ K[i, j].T / np.sqrt(Q.shape[3]))
        degree = adjacency.sum(axis=0)
        ends = V[i, j] / np.sqrt(degree)[:, None]
        gradient = np.linalg.norm(R[i, j][:, None] - ends, axis=2)
        weight = adjacency * gradient ** (p - 2)
        message = weight @ V[i, j] / weight.sum(axis=1, keepdims=True)
        O[i, j] = alpha * message + beta * R[i, j]
    return {"O": O}
