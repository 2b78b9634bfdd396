"""Reference of power_attention.attn: the visible keys of a row as a set, the
blocks by counting 0, 1, 2, 4, .. back."""

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
        dict(name="blocks", seed=1, consts=dict(B=2, W=3, sink=1),
             shape=dict(b=1, h=2, m=32, n=32, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(B=3, W=4, sink=2),
             shape=dict(b=2, h=3, m=37, n=37, d=7, e=5)),
        dict(name="blocks_of_one", seed=3, consts=dict(B=1, W=0, sink=0),
             shape=dict(b=1, h=1, m=41, n=41, d=4, e=3)),
        dict(name="defaults", seed=4,
             shape=dict(b=1, h=1, m=11, n=11, d=4, e=4)),
        dict(name="one_token", seed=5, consts=dict(B=2, W=1, sink=1),
             shape=dict(b=2, h=2, m=1, n=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def visible(row, size, window, sink):
    keys = set(range(sink)) | set(range(row - window + 1, row + 1))
    block, back = row // size, 0
    while block - back >= 0:
        first = (block - back) * size
        keys |= set(range(first, first + size))
        back = 2 * back if back else 1
    return sorted(n for n in keys if 0 <= n <= row)


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    pattern = {"B": 64, "W": 256, "sink": 4, **consts}
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for row in range(Q.shape[2]):
        keys = visible(row, *pattern.values())
        O[:, :, [row]] = attend(Q[:, :, [row]], K[:, :, keys], V[:, :, keys])
    return {"O": O}
