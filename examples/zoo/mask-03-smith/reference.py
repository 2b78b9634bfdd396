"""Reference of smith.attn: block after block without its padding, then the
documents without their empty blocks."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h s j d", "K": "b h s j d", "V": "b h s j e",
         "Wq": "a f h e", "Wk": "a f h e", "Wv": "a g h e"}


def expected():
    return dict(passes={"j": (3, 1), "t": (3, 1)}, kernels=2,
                workspace="linear", sequence=("s", "i", "j", "t"),
                why="blocks meet only when every one has its first output; scores of "
                    "blocks, s x s, are read for every column of the projected "
                    "sum, and kept",
                today=dict(workspace="quadratic"))


def cases():
    return [
        dict(name="document", seed=1,
             shape=dict(b=2, h=2, s=4, i=8, j=8, d=8, e=4, a=2, f=4, g=8)),
        dict(name="prime", seed=2,
             shape=dict(b=3, h=3, s=5, i=7, j=7, d=5, e=3, a=2, f=7, g=5)),
        dict(name="one_block", seed=3,
             shape=dict(b=1, h=2, s=1, i=11, j=11, d=4, e=4, a=1, f=4, g=3)),
        dict(name="blocks_of_one_token", seed=4,
             shape=dict(b=2, h=1, s=6, i=1, j=1, d=4, e=4, a=2, f=4, g=4)),
        dict(name="all_padding", seed=5, blocks=0,
             shape=dict(b=1, h=2, s=3, i=4, j=4, d=4, e=4, a=2, f=4, g=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    b, s, j = extents(case, "b s j")
    length = rng.integers(1, j + 1, (b, s))
    for i, blocks in enumerate(rng.integers(1, s + 1, b)):
        length[i, case.get("blocks", blocks):] = 0
    return {**x, "len": length.astype(np.int32)}


def reference(inputs, consts):
    Q, K, V, Wq, Wk, Wv = float64(inputs, "Q K V Wq Wk Wv")
    length = inputs["len"]
    O = np.zeros(Q.shape[:4] + V.shape[4:])
    D = np.zeros((len(Q), len(Wv), Q.shape[2], Wv.shape[1]))
    for i, s in np.ndindex(length.shape):
        own = np.s_[i, :, s, :length[i, s]]
        O[own] = attend(Q[own], K[own], V[own])
    for i in range(len(Q)):
        real = np.flatnonzero(length[i])
        z = O[i, :, real, 0]
        q, k, v = (np.einsum("afhe,she->asf", w, z) for w in (Wq, Wk, Wv))
        D[i][:, real] = attend(q, k, v)
    return {"O": O, "D": D}
