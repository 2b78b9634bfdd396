"""Reference of scalenorm.attn: sentence after sentence, head after head."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal, round_bf16

WEIGHTS = {"Wq": "h d c", "Wk": "h d c", "Wv": "h e c", "Wo": "h e c"}


def expected():
    return dict(passes={"n": (3, 1), "c": (3, 2)}, kernels=3,
                workspace="linear", sequence=("m", "n"),
                why="keys are projected before, heads are joined after; the "
                    "residual reads the features again")


def cases():
    return [
        dict(name="square", seed=1, scalars=dict(g=4.0),
             shape=dict(b=1, m=16, h=2, d=8, e=8, c=16)),
        dict(name="prime", seed=2, scalars=dict(g=3.6),
             shape=dict(b=2, m=29, h=3, d=7, e=5, c=13)),
        dict(name="one_token", seed=3, scalars=dict(g=1.0),
             shape=dict(b=3, m=1, h=2, d=4, e=3, c=5)),
        dict(name="one_channel", seed=4, scalars=dict(g=2.0),
             shape=dict(b=1, m=7, h=1, d=2, e=2, c=1)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {"X": normal(rng, extents(case, "b m c"))}
    for name, ranks in WEIGHTS.items():
        W = rng.standard_normal(extents(case, ranks))
        x[name] = round_bf16(W / np.sqrt(case["shape"]["c"]))
    return {**x, "g": np.array(case["scalars"]["g"], np.float32)}


def reference(inputs, consts):
    X, Wq, Wk, Wv, Wo, g = float64(inputs, "X Wq Wk Wv Wo g")
    Y = X.copy()
    for b, x in enumerate(g * X / np.linalg.norm(X, axis=-1, keepdims=True)):
        for q, k, v, o in zip(Wq, Wk, Wv, Wo):
            Y[b] += attend(x @ q.T, x @ k.T, x @ v.T) @ o
    return {"Y": Y}
