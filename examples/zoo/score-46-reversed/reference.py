"""Reference of reversed.attn: the transposed attention matrix of each head,
children weighed by their message and their choice of head."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h n d", "K": "b h m d", "V": "b h n e"}


def unselected(sel):
    """Child 0 chooses among the heads but the first, child 1 none at all."""
    sel[:, 0, 0] = -np.inf
    sel[:, :, 1] = -np.inf


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=4, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="one_parent", seed=3,
             shape=dict(b=2, h=2, m=1, n=17, d=4, e=4)),
        dict(name="one_child", seed=4,
             shape=dict(b=3, h=2, m=11, n=1, d=4, e=3)),
        dict(name="one_head", seed=5,
             shape=dict(b=1, h=1, m=37, n=41, d=2, e=1)),
        dict(name="unselected", seed=6, inputs=unselected,
             shape=dict(b=2, h=3, m=7, n=9, d=5, e=4)),
    ]


def expected():
    return dict(passes={"m": (3, 2), "n": (1, 1)}, kernels=2,
                workspace="linear", sequence=("m", "n"),
                why="a child's weights sum over all parents before one gathers")


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    x["sel"] = normal(rng, extents(case, "b h n"), "f32")
    msg = rng.random(extents(case, "b n"))
    case.get("inputs", lambda sel: None)(x["sel"])
    return {**x, "msg": msg.astype(np.float32)}


def reference(inputs, consts):
    Q, K, V, sel, msg = (inputs[name].astype(np.float64)
                         for name in ("Q", "K", "V", "sel", "msg"))
    b, h, n, d = Q.shape
    O = np.zeros((b, h, K.shape[2], V.shape[3]))
    for i in range(b):
        choice = softmax(sel[i], axis=0)
        for j in range(h):
            parents = softmax(Q[i, j] @ K[i, j].T / np.sqrt(d), axis=1)
            sent = (choice[j] * msg[i])[:, None] * V[i, j]
            O[i, j] = parents.T @ sent
    return {"O": O}
