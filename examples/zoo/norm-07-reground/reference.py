"""Reference of reground.attn: image and grounding tokens in one list, the
text in another."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"X": "b h m e", "Qs": "b h m d", "Ks": "b h n d", "Vs": "b h n e",
         "Kg": "b h g d", "Vg": "b h g e", "Qt": "b h m d", "Kt": "b h t d",
         "Vt": "b h t e"}


def expected():
    return dict(passes={"c": (3, 1), "t": (3, 1)}, kernels=1,
                workspace="none", sequence=("m", "n", "c", "t"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="image", seed=1, scalars=dict(gamma=0.5, beta=1.0),
             shape=dict(b=2, h=2, m=16, n=16, g=4, t=7, d=8, e=8)),
        dict(name="prime", seed=2, scalars=dict(gamma=-1.0, beta=0.7),
             shape=dict(b=2, h=3, m=29, n=29, g=5, t=13, d=7, e=5)),
        dict(name="no_grounding", seed=3, scalars=dict(gamma=2.0, beta=1.0),
             shape=dict(b=1, h=2, m=11, n=11, g=0, t=3, d=4, e=4)),
        dict(name="no_text", seed=4, scalars=dict(gamma=1.0, beta=0.5),
             shape=dict(b=1, h=2, m=7, n=7, g=2, t=0, d=4, e=4)),
        dict(name="gate_closed", seed=5, scalars=dict(gamma=0.0, beta=1.0),
             shape=dict(b=1, h=1, m=1, n=1, g=3, t=2, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, **{name: np.array(value, np.float32)
                    for name, value in case["scalars"].items()}}


def reference(inputs, consts):
    X, Qs, Ks, Vs, Kg, Vg, Qt, Kt, Vt, gamma, beta = float64(
        inputs, "X Qs Ks Vs Kg Vg Qt Kt Vt gamma beta")
    keys, values = (np.concatenate(pair, axis=2)
                    for pair in ((Ks, Kg), (Vs, Vg)))
    gated = beta * np.tanh(gamma) * attend(Qs, keys, values)
    return {"Y": X + attend(Qt, Kt, Vt) + gated}
