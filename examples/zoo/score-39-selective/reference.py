"""Reference of selective.attn: temperatures of all tokens, then causal
attention over scaled queries and scaled values."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid, softmax

PORTS = {"X": "b n c", "Q": "b h n d", "K": "b h n d", "V": "b h n e"}
WEIGHTS = {"wq": "h c", "wv": "h c", "aq": "h", "av": "h"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, n=16, m=16, c=8, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, n=29, m=29, c=5, d=7, e=3)),
        dict(name="one_token", seed=3,
             shape=dict(b=3, h=1, n=1, m=1, c=4, d=4, e=5)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return x | {name: normal(rng, extents(case, r), "f32") / 2
                for name, r in WEIGHTS.items()}


def reference(inputs, consts):
    t = {name: a.astype(np.float64) for name, a in inputs.items()}
    length, depth = t["Q"].shape[2:]

    def temperature(weight, alpha):
        token = np.tanh(np.einsum("hc,bnc->bhn", weight, t["X"]))
        place = np.outer(sigmoid(alpha), np.log(np.arange(1, length + 1)))
        return (token + 1 + place)[..., None]

    query = t["Q"] * temperature(t["wq"], t["aq"]) / np.sqrt(depth)
    value = t["V"] * temperature(t["wv"], t["av"])
    score = query @ t["K"].swapaxes(2, 3)
    return {"O": softmax(score, np.tri(length, dtype=bool)) @ value}
