"""Reference of lssar.attn: rows of softplus weights, sharpened above a multiple
of their mean."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, offset=[0.5, 1.0],
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, offset=[0.9, 0.0, 0.25], consts=dict(p=2),
             shape=dict(b=2, h=3, m=31, n=29, d=7, e=5)),
        dict(name="one_query", seed=3, offset=[0.75],
             shape=dict(b=3, h=1, m=1, n=7, d=4, e=3)),
        # No weight of a row is 100 times its mean: zeros.
        dict(name="nothing_left", seed=4, offset=[100.0, 0.5],
             shape=dict(b=1, h=2, m=11, n=11, d=4, e=4)),
    ]


def expected():
    return dict(passes={"n": (3, 2)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                why="the threshold on a weight needs the sum of its row",
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "offset": np.array(case["offset"], np.float32)}


def reference(inputs, consts):
    Q, K, V, offset = (inputs[name].astype(np.float64)
                       for name in ("Q", "K", "V", "offset"))
    depth = Q.shape[3]
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        keys = K[i, j, :row + 1]
        scale = np.log(depth) * np.log(row + 1) / np.sqrt(depth)
        weight = np.logaddexp(0, scale * (keys @ Q[i, j, row]))
        relative = weight / weight.sum() * (row + 1)
        sharp = np.maximum(relative - offset[j], 0) ** consts.get("p", 3)
        if sharp.any():
            O[i, j, row] = sharp @ V[i, j, :row + 1] / sharp.sum()
    return {"O": O}
