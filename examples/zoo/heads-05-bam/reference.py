"""Each expert is a causal attention layer on the shared keys and values; the
token's router probabilities average the experts' outputs."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

BF16 = {"X": "b m c", "Q": "b x h m d", "K": "b h n d", "V": "b h n e",
        "Wo": "x h e f"}


def cases():
    return [
        dict(name="prefill", seed=1,
             shape=dict(b=1, x=4, h=2, m=12, n=12, c=8, d=4, e=4, f=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, x=3, h=1, m=7, n=19, c=5, d=3, e=5, f=7)),
        dict(name="decode", seed=3,
             shape=dict(b=2, x=2, h=3, m=1, n=23, c=4, d=4, e=2, f=3)),
        dict(name="one_expert", seed=4,
             shape=dict(b=1, x=1, h=2, m=3, n=3, c=4, d=2, e=3, f=5)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in BF16.items()}
    return x | {"Wr": normal(rng, extents(case, "c x"), "f32")}


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    gate = softmax(x["X"] @ x["Wr"])
    experts, heads, m, d = x["Q"].shape[1:]
    n = x["K"].shape[2]
    causal = np.tri(m, n, n - m, dtype=bool)
    O = np.zeros(x["X"].shape[:2] + x["Wo"].shape[3:])
    for i, j, h in np.ndindex(x["Q"].shape[:3]):
        score = x["Q"][i, j, h] @ x["K"][i, h].T / np.sqrt(d)
        y = softmax(score, causal) @ x["V"][i, h] @ x["Wo"][j, h]
        O[i] += gate[i, :, j, None] * y
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none")
