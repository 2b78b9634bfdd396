"""Reference of hepos.attn: each head takes its strided slice of the source."""

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
        dict(name="summary", seed=1,
             shape=dict(b=2, h=8, m=6, n=40, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(s=3),
             shape=dict(b=3, h=5, m=7, n=29, d=7, e=5)),
        dict(name="no_stride", seed=3, consts=dict(s=1),
             shape=dict(b=1, h=2, m=5, n=11, d=4, e=3)),
        dict(name="heads_without_a_key", seed=4, consts=dict(s=7),
             shape=dict(b=2, h=9, m=3, n=4, d=4, e=4)),
        dict(name="decode", seed=5,
             shape=dict(b=3, h=4, m=1, n=33, d=4, e=4)),
        dict(name="no_source", seed=6,
             shape=dict(b=1, h=4, m=2, n=0, d=4, e=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    length = rng.integers(0, case["shape"]["n"] + 1, extents(case, "b"))
    length[0] = case["shape"]["n"]
    return {**x, "len": length.astype(np.int32)}


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    stride = consts.get("s", 4)
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j in np.ndindex(Q.shape[:2]):
        own = slice(j % stride, int(inputs["len"][i]), stride)
        O[i, j] = attend(Q[i, j], K[i, j, own], V[i, j, own])
    return {"O": O}
