"""Reference of prefix_global.attn: the mask cell by cell, the buckets of the
bias as T5 computes them."""

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
        dict(name="page", seed=1, consts=dict(G=4, R=3),
             shape=dict(b=1, h=2, m=24, n=24, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(G=5, R=2),
             shape=dict(b=2, h=3, m=29, n=29, d=7, e=5)),
        dict(name="no_prefix", seed=3, consts=dict(G=0, R=1),
             shape=dict(b=1, h=1, m=17, n=17, d=4, e=3)),
        dict(name="prefix_beyond_the_page", seed=4,
             shape=dict(b=1, h=2, m=7, n=7, d=4, e=4)),
        dict(name="far_buckets", seed=5, consts=dict(G=1, R=20),
             shape=dict(b=1, h=1, m=141, n=141, d=4, e=2)),
        dict(name="one_token", seed=6, consts=dict(G=0, R=0),
             shape=dict(b=2, h=2, m=1, n=1, d=4, e=3)),
        dict(name="no_token", seed=7, consts=dict(G=2, R=1),
             shape=dict(b=1, h=2, m=0, n=0, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "bias": normal(rng, extents(case, "h") + (32,), "f32")}


def bucket(offset):
    """16 buckets a side: 8 of one offset each, then logarithmic up to 128."""
    side, far = 16 * (offset > 0), abs(offset)
    if far < 8:
        return side + far
    steps = 8 * np.log(far / 8) / np.log(128 / 8)
    return side + min(8 + int(steps + 1e-9), 15)


def reference(inputs, consts):
    Q, K, V, table = float64(inputs, "Q K V bias")
    G, R, n = consts.get("G", 512), consts.get("R", 127), K.shape[2]
    seen = np.zeros((n, n), bool)
    bias = np.zeros((Q.shape[1], n, n))
    for row, key in np.ndindex(n, n):
        seen[row, key] = row < G or key < G or abs(row - key) <= R
        bias[:, row, key] = table[:, bucket(key - row)]
    return {"O": attend(Q, K, V, seen, bias, scale=1)}
