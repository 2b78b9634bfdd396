"""Image by image: keys and values are the image's own, followed by the rows
that the sample lists name in other images; -1 names none."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="story", seed=1,
             shape=dict(b=4, h=2, m=16, n=16, d=8, e=8, j=24)),
        dict(name="prime", seed=2, missing=3,
             shape=dict(b=3, h=1, m=13, n=13, d=5, e=7, j=11)),
        dict(name="no_samples", seed=3,
             shape=dict(b=2, h=2, m=7, n=7, d=4, e=3, j=0)),
        dict(name="samples_alone", seed=4, missing=2,
             shape=dict(b=2, h=3, m=5, n=1, d=3, e=2, j=2)),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    x = {name: normal(rng, extents(case, p)) for name, p in PORTS.items()}
    image = np.arange(r["b"])[:, None]
    other = (image + rng.integers(1, r["b"], (r["b"], r["j"]))) % r["b"]
    token = rng.integers(0, r["n"], (r["b"], r["j"]))
    missing = case.get("missing", 0)
    if missing:
        other[0, -missing:] = token[0, -missing:] = -1
    return x | {"img": other.astype(np.int32), "tok": token.astype(np.int32)}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for b, h in np.ndindex(Q.shape[:2]):
        picks = [(i, t) for i, t in zip(inputs["img"][b], inputs["tok"][b])
                 if i >= 0]
        key = np.array([*K[b, h], *(K[i, h, t] for i, t in picks)])
        value = np.array([*V[b, h], *(V[i, h, t] for i, t in picks)])
        P = softmax(Q[b, h] @ key.T / np.sqrt(Q.shape[3]))
        O[b, h] = P @ value
    return {"O": O}


def expected():
    return dict(sequence=("m", "n", "j"), passes={"c": (3, 1)}, kernels=1,
                workspace="none",
                why="whether a step of listed keys has any is known before: a "
                    "bool a step",
                today=dict(workspace="linear"))
