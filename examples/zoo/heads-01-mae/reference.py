"""The experts as the publication draws them: each is an attention layer of
its own that lacks one head; their outputs are averaged by the gate."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

BF16 = {"X": "b m c", "Q": "b h m d", "K": "b h n d", "V": "b h n e",
        "Wo": "h e f"}
F32 = {"W1": "c r", "W2": "r h"}


def cases():
    return [
        dict(name="self", seed=1,
             shape=dict(b=2, h=4, m=12, n=12, c=8, d=4, e=4, f=8, r=6, i=4)),
        dict(name="prime", seed=2,
             shape=dict(b=1, h=3, m=13, n=29, c=5, d=7, e=5, f=11, r=3, i=3)),
        dict(name="two_heads", seed=3,
             shape=dict(b=1, h=2, m=1, n=7, c=3, d=4, e=2, f=3, r=1, i=2)),
        dict(name="no_keys", seed=4,
             shape=dict(b=1, h=3, m=5, n=0, c=4, d=4, e=3, f=2, r=2, i=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in BF16.items()}
    return x | {name: normal(rng, extents(case, r), "f32")
                for name, r in F32.items()}


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    heads, d = x["Q"].shape[1], x["Q"].shape[3]
    gate = softmax(np.tanh(x["X"] @ x["W1"]) @ x["W2"])
    P = softmax(np.einsum("bhmd,bhnd->bhmn", x["Q"], x["K"]) / np.sqrt(d))
    O = 0
    for i in range(heads):
        others = [h for h in range(heads) if h != i]
        expert = np.einsum("bhmn,bhne,hef->bmf", P[:, others],
                           x["V"][:, others], x["Wo"][others])
        O = O + gate[..., i, None] * expert * heads / (heads - 1)
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                today=dict(passes={"n": 2}, workspace="linear"))
