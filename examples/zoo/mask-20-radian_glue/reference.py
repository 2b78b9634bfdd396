"""Reference of radian_glue.attn: sector after sector, the listed cells over
the listed columns."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"j": (3, 1), "a": (1, 1), "i": (1, 1)}, kernels=2,
                workspace="linear", sequence=("m", "n", "i", "j"),
                why="`cell` may list a cell twice: rows are done before the"
                " scatter adds them up")


def cases():
    return [
        dict(name="sectors", seed=1,
             shape=dict(b=1, h=2, m=16, n=12, a=3, i=6, j=5, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=29, n=13, a=5, i=7, j=3, d=7, e=5)),
        dict(name="one_sector", seed=3,
             shape=dict(b=1, h=2, m=7, n=11, a=1, i=9, j=11, d=4, e=3)),
        dict(name="no_column", seed=4,
             shape=dict(b=1, h=2, m=8, n=0, a=2, i=4, j=3, d=4, e=4)),
        dict(name="one_cell", seed=5,
             shape=dict(b=2, h=2, m=1, n=5, a=3, i=1, j=2, d=4, e=4)),
    ]


def sectors(rng, count, lists, length):
    """Deals 0 .. count-1 out to lists of at most `length`, padded with -1."""
    table = np.full((lists, length), -1, np.int32)
    places = rng.permutation(lists * length)[:count]
    table.reshape(-1)[places] = rng.permutation(count)[:len(places)]
    return table


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    b, m, n, a, i, j = extents(case, "b m n a i j")
    return {**x, "cell": np.array([sectors(rng, m, a, i) for _ in range(b)]),
            "column": np.array([sectors(rng, n, a, j) for _ in range(b)])}


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, a in np.ndindex(inputs["cell"].shape[:2]):
        cell, column = inputs["cell"][i, a], inputs["column"][i, a]
        cell, column = cell[cell >= 0], column[column >= 0]
        O[i][:, cell] = attend(Q[i][:, cell], K[i][:, column], V[i][:, column])
    return {"O": O}
