"""Reference of sentinel.attn: regions and sentinel are one list of candidates,
whose last weight is beta."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid, softmax

PORTS = {"V": "b n e", "H": "b i", "H0": "b i", "X": "b x", "M": "b e"}
WEIGHTS = {"Wv": "c e", "Wg": "c i", "Ws": "c e", "w": "c",
           "Wx": "e x", "Wh": "e i"}


def cases():
    return [
        dict(name="regions", seed=1,
             shape=dict(b=2, n=49, e=8, i=6, x=4, c=5)),
        dict(name="prime", seed=2,
             shape=dict(b=3, n=13, e=7, i=5, x=3, c=11)),
        dict(name="one_region", seed=3,
             shape=dict(b=2, n=1, e=4, i=3, x=2, c=2)),
        dict(name="no_region", seed=4,
             shape=dict(b=2, n=0, e=3, i=4, x=2, c=3)),
    ]


def expected():
    return dict(passes={"u": (3, 1)}, kernels=1, workspace="none",
                sequence=("n", "u"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return x | {name: normal(rng, extents(case, r), "f32") / 2
                for name, r in WEIGHTS.items()}


def reference(inputs, consts):
    t = {name: a.astype(np.float64) for name, a in inputs.items()}
    batch, regions, depth = t["V"].shape
    O, beta = np.zeros((batch, depth)), np.zeros(batch)
    for i in range(batch):
        gate = sigmoid(t["Wx"] @ t["X"][i] + t["Wh"] @ t["H0"][i])
        known = gate * np.tanh(t["M"][i])
        features = np.vstack([t["V"][i] @ t["Wv"].T, t["Ws"] @ known])
        score = np.tanh(features + t["Wg"] @ t["H"][i]) @ t["w"]
        weight = softmax(score)
        beta[i] = weight[-1]
        O[i] = weight @ np.vstack([t["V"][i], known])
    return {"O": O, "beta": beta}
