"""The full n x n matrix of the publication: G^T Z G, scaled on both sides by
its row sums to the power -1/2, times the values. The data are drawn so that the
truncated inverse leaves all row sums positive."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal  # noqa: E402

def cases():
    def case(name, seed, block, steps, **shape):
        return dict(name=name, seed=seed, consts=dict(B=block, steps=steps),
                    shape=shape)

    return [
        case("blocks", 1, 4, 8, b=2, h=2, n=16, d=8, e=8),
        case("prime", 2, 5, 6, b=1, h=3, n=23, d=5, e=7),
        case("one_block", 3, 16, 3, b=1, h=1, n=11, d=3, e=2),
        case("one_token", 4, 4, 2, b=2, h=1, n=1, d=4, e=3),
        case("no_steps", 5, 3, 0, b=1, h=2, n=7, d=4, e=1),
    ]


def make_inputs(case):
    rng = generator(case)
    return {"Q": normal(rng, extents(case, "b h n d")),
            "V": normal(rng, extents(case, "b h n e"))}


def gauss(x, y):
    distance = ((x[:, None] - y[None]) ** 2).sum(2)
    return np.exp(-distance / (2 * np.sqrt(x.shape[1])))


def reference(inputs, consts):
    Q, V = (inputs[name].astype(np.float64) for name in "QV")
    O = np.zeros(V.shape)
    for b, h in np.ndindex(Q.shape[:2]):
        x, size = Q[b, h], consts["B"]
        T = np.array([x[i:i + size].mean(0) for i in range(0, len(x), size)])
        C, G = gauss(T, T), gauss(T, x)
        Z = C / abs(C).sum(0).max() ** 2
        for _ in range(consts["steps"]):
            Z = 2 * Z - Z @ C @ Z
        S = G.T @ Z @ G
        scale = S.sum(1) ** -0.5
        O[b, h] = scale[:, None] * S * scale @ V[b, h]
    return {"O": O}


def expected():
    return dict(sequence=("n", "l", "p", "q", "r"), passes={"n": (4, 4)},
                kernels=4, workspace="linear",
                why="means, degrees, weighted sums of the values and the "
                    "output each need the one before complete; the inverse of the "
                    "l x l landmarks, l = n / B, is iterated as a whole",
                today=dict(workspace="quadratic"))
