"""Reference of positional.attn: the attention matrices of the positions,
applied to each input, then to the value weights."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"P": "n c", "X": "b n f"}
WEIGHTS = {"Wq": "h d c", "Wk": "h d c", "Wv": "h e f"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=4, h=2, n=16, c=8, d=8, f=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=3, h=3, n=29, c=5, d=7, f=11, e=2)),
        dict(name="one_token", seed=3,
             shape=dict(b=2, h=2, n=1, c=3, d=4, f=1, e=5)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return x | {name: normal(rng, extents(case, r), "f32") / 2
                for name, r in WEIGHTS.items()}


def reference(inputs, consts):
    P, X, Wq, Wk, Wv = (inputs[name].astype(np.float64)
                        for name in ("P", "X", "Wq", "Wk", "Wv"))
    form = np.einsum("hdc,hdk->hck", Wq, Wk) / np.sqrt(Wq.shape[1])
    weight = softmax(P @ form @ P.T)
    return {"O": np.einsum("hmn,bnf,hef->bhme", weight, X, Wv, optimize=True)}
