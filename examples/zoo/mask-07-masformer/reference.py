"""Reference of masformer.attn: each row and its slice of the past."""

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
        dict(name="local_layer", seed=1, consts=dict(B=4),
             shape=dict(b=1, h=2, m=24, n=24, d=8, e=8)),
        dict(name="full_layer", seed=2, consts=dict(B=4, full="true"),
             shape=dict(b=1, h=2, m=24, n=24, d=8, e=8)),
        dict(name="prime", seed=3, consts=dict(B=5),
             shape=dict(b=2, h=3, m=29, n=29, d=7, e=5)),
        dict(name="blocks_of_one", seed=4, consts=dict(B=1),
             shape=dict(b=1, h=1, m=13, n=13, d=4, e=3)),
        dict(name="default_block", seed=5,
             shape=dict(b=1, h=2, m=11, n=11, d=4, e=4)),
        dict(name="one_token", seed=6, consts=dict(B=3),
             shape=dict(b=2, h=2, m=1, n=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    size, full = consts.get("B", 1024), consts.get("full") == "true"
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for row in range(Q.shape[2]):
        first = 0 if full else max(row // size - 1, 0) * size
        past = np.s_[:, :, first:row + 1]
        O[:, :, [row]] = attend(Q[:, :, [row]], K[past], V[past])
    return {"O": O}
