"""Reference of sinklora.attn: the sequence is rolled, cut into groups, and
each group attends within itself."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="half_shifted", seed=1, shift=[0, 4, 0, 4],
             consts=dict(G=8, sink=2),
             shape=dict(b=1, h=4, m=24, n=24, d=8, e=8)),
        dict(name="prime", seed=2, shift=[3, 0, 2], consts=dict(G=6, sink=1),
             shape=dict(b=2, h=3, m=29, n=29, d=7, e=5)),
        dict(name="no_sink", seed=3, shift=[0, 2], consts=dict(G=4, sink=0),
             shape=dict(b=1, h=2, m=11, n=11, d=4, e=3)),
        dict(name="defaults", seed=4, shift=[0, 3],
             shape=dict(b=1, h=2, m=7, n=7, d=4, e=4)),
        dict(name="one_token", seed=5, shift=[1], consts=dict(G=2, sink=0),
             shape=dict(b=2, h=1, m=1, n=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "shift": np.array(case["shift"], np.int32)}


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    size, sink, n = consts.get("G", 2048), consts.get("sink", 4), K.shape[2]
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for j, shift in enumerate(inputs["shift"]):
        rolled = np.roll(np.arange(n), -shift)
        for first in range(0, n, size):
            group = rolled[first:first + size]
            for row in group:
                keys = [k for k in range(row + 1) if k < sink or k in group]
                O[:, j, [row]] = attend(Q[:, j, [row]], K[:, j, keys],
                                        V[:, j, keys])
    return {"O": O}
