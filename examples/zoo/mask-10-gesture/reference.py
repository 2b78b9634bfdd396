"""Reference of gesture.attn: frame after frame, region after region, token
after token."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal, round_bf16

PORTS = {"X": "b t r c", "A": "b u c"}


def expected():
    return dict(passes={"r": (3, 1), "t": (3, 1), "u": (3, 1)}, kernels=3,
                workspace="linear", sequence=("t", "u"),
                why="each step reads tokens that others finish: the regions of"
                " a frame, then the frames of a region")


def cases():
    return [
        dict(name="gesture", seed=1,
             shape=dict(b=1, t=8, r=4, u=10, c=8, h=2, d=4)),
        dict(name="prime", seed=2,
             shape=dict(b=2, t=11, r=3, u=7, c=5, h=3, d=3)),
        dict(name="one_region", seed=3,
             shape=dict(b=1, t=13, r=1, u=5, c=4, h=1, d=4)),
        dict(name="one_frame", seed=4,
             shape=dict(b=2, t=1, r=5, u=1, c=4, h=2, d=2)),
        dict(name="no_speech", seed=5,
             shape=dict(b=1, t=3, r=3, u=0, c=4, h=2, d=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r), "f32")
         for name, r in PORTS.items()}
    for name in ("Ws", "Wt", "Wa"):
        W = rng.standard_normal((4,) + extents(case, "h d c"))
        x[name] = round_bf16(W / np.sqrt(case["shape"]["c"]))
    return x


def heads(x, y, W):
    """Attention of the rows of x to those of y, with its residual."""
    out = x.astype(np.float64)
    for q, k, v, o in np.swapaxes(W, 0, 1):
        out += attend(x @ q.T, y @ k.T, y @ v.T) @ o
    return out


def reference(inputs, consts):
    A, Ws, Wt, Wa = float64(inputs, "A Ws Wt Wa")
    X = inputs["X"].copy()  # in f32: every step stores its output
    Z = np.zeros(X.shape)
    for b in range(len(X)):
        for frame in range(X.shape[1]):
            X[b, frame] = heads(X[b, frame], X[b, frame], Ws)
        for region in range(X.shape[2]):
            X[b, :, region] = heads(X[b, :, region], X[b, :, region], Wt)
        for token in np.ndindex(X.shape[1:3]):
            Z[b][token] = heads(X[b][token][None], A[b], Wa)[0]
    return {"Z": Z}
