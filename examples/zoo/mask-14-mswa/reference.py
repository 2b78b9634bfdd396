"""Reference of mswa.attn: per head and row, the slice of its window."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def cases():
    return [
        dict(name="doubling", seed=1, w=[2, 4, 8, 16],
             shape=dict(b=1, h=4, m=24, n=24, d=8, e=8)),
        dict(name="prime", seed=2, w=[1, 5, 13],
             shape=dict(b=2, h=3, m=29, n=29, d=7, e=5)),
        dict(name="beyond_the_rows", seed=3, w=[1000, 3],
             shape=dict(b=1, h=2, m=11, n=11, d=4, e=3)),
        dict(name="a_window_of_none", seed=4, w=[0, 2],
             shape=dict(b=1, h=2, m=7, n=7, d=4, e=3)),
        dict(name="one_token", seed=5, w=[4],
             shape=dict(b=3, h=1, m=1, n=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "w": np.array(case["w"], np.int32)}


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        near = slice(max(row - inputs["w"][j] + 1, 0), row + 1)
        O[i, j, row] = attend(Q[i, j, [row]], K[i, j, near], V[i, j, near])[0]
    return {"O": O}
