"""Reference of sparse_transformer.attn: the index sets of the publication,
as lists of keys per row and head."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def cases_of(consts):
    return [
        dict(name="square", seed=1, consts=consts(4, 1),
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, consts=consts(5, 2),
             shape=dict(b=2, h=3, m=29, n=29, d=7, e=5)),
        dict(name="stride_of_one", seed=3, consts=consts(1, 1),
             shape=dict(b=1, h=2, m=11, n=11, d=4, e=3)),
        dict(name="stride_beyond_the_rows", seed=4, consts=consts(64, 3),
             shape=dict(b=1, h=4, m=13, n=13, d=4, e=4)),
        dict(name="one_token", seed=5, consts=consts(3, 1),
             shape=dict(b=2, h=2, m=1, n=1, d=4, e=3)),
    ]


def strided_cases():
    return cases_of(lambda l, c: dict(l=l))


def fixed_cases():
    return cases_of(lambda l, c: dict(l=l, c=c))


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def sparse(inputs, keys):
    """Attention of row m, head h to keys(m, h)."""
    Q, K, V = float64(inputs, "Q K V")
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        own = np.array(keys(row, j), int)
        O[i, j, row] = attend(Q[i, j, [row]], K[i, j, own], V[i, j, own])[0]
    return {"O": O}


def strided(inputs, consts):
    l = consts["l"]
    near = lambda m: list(range(max(m - l + 1, 0), m + 1))
    columns = lambda m: list(range(m, -1, -l))
    return sparse(inputs, lambda m, h: columns(m) if h % 2 else near(m))


def fixed(inputs, consts):
    l, c = consts["l"], consts["c"]
    block = lambda m: list(range(m - m % l, m + 1))
    summary = lambda m: [n for n in range(m + 1) if n % l in range(l - c, l)]
    return sparse(inputs, lambda m, h: summary(m) if h % 2 else block(m))


ENTRIES = {"strided": (strided_cases, make_inputs, strided),
           "fixed": (fixed_cases, make_inputs, fixed)}
