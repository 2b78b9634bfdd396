"""Reference of gem.attn: three self-similarity maps of one head, each from
points on the sphere that moved once to the mean of their neighbours."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax


def cases():
    return [
        dict(name="square", seed=1, scalars=dict(tau=4.0),
             shape=dict(b=1, h=2, m=16, d=8)),
        dict(name="prime", seed=2, scalars=dict(tau=2.5),
             shape=dict(b=2, h=3, m=23, d=7)),
        dict(name="uniform", seed=3, scalars=dict(tau=0.0),
             shape=dict(b=1, h=1, m=11, d=4)),
        dict(name="one_token", seed=4, scalars=dict(tau=3.0),
             shape=dict(b=2, h=1, m=1, d=3)),
    ]


def expected():
    return dict(passes={"n": (6, 2)}, kernels=2, workspace="linear",
                sequence=("m",),
                why="a point moves to a mean over all points before it is "
                    "compared again")


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, "b h m d")) for name in "QKV"}
    return {**x, "tau": np.array(case["scalars"]["tau"], np.float32)}


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def reference(inputs, consts):
    tau = float(inputs["tau"])
    heads = [inputs[name].astype(np.float64) for name in "QKV"]
    O = np.zeros(heads[2].shape)
    for i, j in np.ndindex(O.shape[:2]):
        for x in heads:
            point = unit(x[i, j])
            point = unit(softmax(tau * point @ point.T) @ point)
            O[i, j] += softmax(tau * point @ point.T) @ heads[2][i, j] / 3
    return {"O": O}
