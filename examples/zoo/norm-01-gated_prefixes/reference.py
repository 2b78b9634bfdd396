"""Reference of gated_prefixes.attn: gated prefixes and text in one list of
keys."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal, sigmoid

PORTS = {"Q": "b h m d", "Kp": "s h p d", "Vp": "s h p e",
         "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"c": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n", "c"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="two_aspects", seed=1,
             shape=dict(b=2, h=2, m=8, n=12, s=2, p=4, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=13, n=29, s=3, p=7, d=7, e=5)),
        dict(name="no_aspect", seed=3,
             shape=dict(b=1, h=2, m=5, n=11, s=0, p=3, d=4, e=4)),
        dict(name="prefixes_alone", seed=4,
             shape=dict(b=1, h=2, m=3, n=0, s=2, p=5, d=4, e=4)),
        dict(name="one_query", seed=5,
             shape=dict(b=3, h=1, m=1, n=7, s=1, p=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "gate": normal(rng, extents(case, "s"), "f32")}


def reference(inputs, consts):
    Q, Kp, Vp, K, V = float64(inputs, "Q Kp Vp K V")
    gates = sigmoid(inputs["gate"])
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, h in np.ndindex(Q.shape[:2]):
        keys, values = (np.concatenate(
            [g * x for g, x in zip(gates, prefix[:, h])] + [text[i, h]])
            for prefix, text in ((Kp, K), (Vp, V)))
        O[i, h] = attend(Q[i, h], keys, values)
    return {"O": O}
