"""Token by token: the router's weights, then the sum of the outputs of the
heads that are on."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

BF16 = {"X": "b m c", "Q": "b h m d", "K": "b h n d", "V": "b h n e",
        "Wo": "h e f"}
F32 = {"Ws": "c s", "Wr": "c r"}


def cases():
    return [
        dict(name="half_of_the_heads", seed=1, consts=dict(k=2),
             shape=dict(b=2, h=6, s=2, r=4, m=12, n=12, c=8, d=4, e=4, f=8)),
        dict(name="prime", seed=2, consts=dict(k=3),
             shape=dict(b=1, h=7, s=2, r=5, m=11, n=23, c=5, d=3, e=5, f=7)),
        dict(name="all_heads", seed=3, consts=dict(k=5),
             shape=dict(b=1, h=3, s=1, r=2, m=1, n=9, c=4, d=4, e=2, f=3)),
        dict(name="shared_alone", seed=4, consts=dict(k=0),
             shape=dict(b=1, h=3, s=2, r=1, m=5, n=1, c=3, d=2, e=3, f=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in BF16.items()}
    x |= {name: normal(rng, extents(case, r), "f32")
          for name, r in F32.items()}
    return x | {"Wh": normal(rng, extents(case, "c") + (2,), "f32")}


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    batch, heads, m, d = x["Q"].shape
    shared = x["Ws"].shape[1]
    O = np.zeros((batch, m, x["Wo"].shape[2]))
    for b, row in np.ndindex(batch, m):
        token = x["X"][b, row]
        balance = softmax(token @ x["Wh"])
        routed = softmax(token @ x["Wr"])
        on = np.argsort(-routed, kind="stable")[:consts["k"]]
        weight = dict(enumerate(balance[0] * softmax(token @ x["Ws"])))
        weight |= {shared + i: balance[1] * routed[i] for i in on}
        for h, w in weight.items():
            P = softmax(x["K"][b, h] @ x["Q"][b, h, row] / np.sqrt(d))
            O[b, row] += w * (P @ x["V"][b, h] @ x["Wo"][h])
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                why="heads that are off for a whole tile are skipped; skipping "
                    "them per token needs the tokens sorted by head first",
                today=dict(workspace="linear"))
