"""Reference of elite.attn: two attentions and their weighted sum."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "Kg": "b h n d", "Vg": "b h n e",
         "Kl": "b h l d", "Vl": "b h l e"}


def expected():
    return dict(passes={"n": (3, 1), "l": (3, 1)}, kernels=1,
                workspace="none", sequence=("m", "n", "l"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="image", seed=1, scalars=dict(lam=0.6),
             shape=dict(b=2, h=2, m=16, n=7, l=12, d=8, e=8)),
        dict(name="prime", seed=2, scalars=dict(lam=1.0),
             shape=dict(b=2, h=3, m=29, n=13, l=11, d=7, e=5)),
        dict(name="no_local_feature", seed=3, scalars=dict(lam=0.5),
             shape=dict(b=1, h=2, m=5, n=3, l=0, d=4, e=4)),
        dict(name="one_of_each", seed=4, scalars=dict(lam=-0.25),
             shape=dict(b=1, h=1, m=1, n=1, l=1, d=4, e=3)),
        dict(name="local_branch_off", seed=5, scalars=dict(lam=0.0),
             shape=dict(b=1, h=2, m=7, n=5, l=4, d=4, e=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "lam": np.array(case["scalars"]["lam"], np.float32)}


def reference(inputs, consts):
    Q, Kg, Vg, Kl, Vl, lam = float64(inputs, "Q Kg Vg Kl Vl lam")
    return {"O": attend(Q, Kg, Vg) + lam * attend(Q, Kl, Vl)}
