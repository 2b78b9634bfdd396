"""Keys and values of a group merged with the learned weights, then grouped
attention head by head; the last group may be incomplete."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

BF16 = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}
GROUP = 2


def cases():
    return [
        dict(name="groups", seed=1,
             shape=dict(b=2, h=4, m=12, n=12, d=8, e=8)),
        dict(name="prime", seed=2, shape=dict(b=1, h=6, m=7, n=23, d=5, e=3)),
        dict(name="odd_head", seed=3, shape=dict(b=1, h=5, m=4, n=9, d=3, e=7)),
        dict(name="one_query", seed=4,
             shape=dict(b=3, h=2, m=1, n=1, d=4, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in BF16.items()}
    return x | {name: normal(rng, extents(case, "h"), "f32")
                for name in ("wk", "wv")}


def reference(inputs, consts):
    Q, K, V, wk, wv = (inputs[name].astype(np.float64)
                       for name in ("Q", "K", "V", "wk", "wv"))
    heads, d = Q.shape[1], Q.shape[3]
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for h in range(heads):
        first = h // GROUP * GROUP
        mates = slice(first, first + GROUP)
        key = np.einsum("h,bhnd->bnd", wk[mates], K[:, mates])
        value = np.einsum("h,bhne->bne", wv[mates], V[:, mates])
        score = Q[:, h] @ np.swapaxes(key, 1, 2) / np.sqrt(d)
        O[:, h] = softmax(score) @ value
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                why="merged per tile; by cost the merge is a kernel before it",
                today=dict(workspace="linear"))
