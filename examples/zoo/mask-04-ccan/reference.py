"""Reference of ccan.attn: per target token, attention to the whole source and
to the slice around its aligned position."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal, sigmoid

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="longer_source", seed=1, consts=dict(R=2),
             shape=dict(b=1, h=2, m=12, n=20, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(R=3),
             shape=dict(b=2, h=3, m=29, n=13, d=7, e=5)),
        dict(name="aligned_key_only", seed=3, consts=dict(R=0),
             shape=dict(b=1, h=1, m=7, n=11, d=4, e=3)),
        dict(name="window_holds_all", seed=4, consts=dict(R=50),
             shape=dict(b=1, h=2, m=9, n=17, d=4, e=4)),
        dict(name="one_target", seed=5,
             shape=dict(b=2, h=2, m=1, n=19, d=4, e=4)),
        dict(name="one_source", seed=6,
             shape=dict(b=1, h=2, m=5, n=1, d=4, e=4)),
        dict(name="no_source", seed=7,
             shape=dict(b=1, h=2, m=5, n=0, d=4, e=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "w": normal(rng, extents(case, "h d"), "f32")}


def reference(inputs, consts):
    Q, K, V, w = float64(inputs, "Q K V w")
    radius, (rows, keys) = consts.get("R", 3), (Q.shape[2], K.shape[2])
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        q, centre = Q[i, j, row], int(np.floor(row * keys / rows))
        near = slice(max(centre - radius, 0), centre + radius + 1)
        everywhere = attend(q[None], K[i, j], V[i, j])[0]
        nearby = attend(q[None], K[i, j, near], V[i, j, near])[0]
        gate = sigmoid(w[j] @ q)
        O[i, j, row] = gate * everywhere + (1 - gate) * nearby
    return {"O": O}
