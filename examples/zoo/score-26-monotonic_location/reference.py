"""Reference of monotonic_location.attn: decoder step after decoder step, each
with the mean position of the one before."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h t d", "K": "b h n d", "V": "b h n e"}
DRAWS = {"step": ("b h t", 0, 2), "sigma": ("b h t", 0.1, 0.4),
         "gate": ("b t", 0, 1), "at": ("b h", 0, 0.3)}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, t=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, t=7, n=23, d=5, e=3)),
        dict(name="beyond_the_end", seed=3,
             shape=dict(b=1, h=1, t=19, n=5, d=4, e=4)),
        dict(name="one_step", seed=4,
             shape=dict(b=2, h=2, t=1, n=11, d=4, e=3)),
        dict(name="one_key", seed=5,
             shape=dict(b=2, h=1, t=3, n=1, d=3, e=2)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="linear",
                sequence=("t", "n"),
                why="passes of one decoder step; steps follow each other",
                today=dict(passes={"n": ("3 + 2 a step of t",
                                         "2 + 2 a step of t")}))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return x | {name: rng.uniform(low, high, extents(case, r)).astype(
        np.float32) for name, (r, low, high) in DRAWS.items()}


def reference(inputs, consts):
    t = {name: a.astype(np.float64) for name, a in inputs.items()}
    steps, keys = t["Q"].shape[2], t["K"].shape[2]
    place = np.linspace(0, 1, keys) if keys > 1 else np.zeros(1)
    unit = 1 / max(keys - 1, 1)
    O = np.zeros(t["Q"].shape[:3] + t["V"].shape[3:])
    for i, j in np.ndindex(O.shape[:2]):
        looked = t["at"][i, j]
        for row in range(steps):
            centre = looked + t["step"][i, j, row] * unit
            low, high = 0.01 * centre, 1 + 0.01 * centre
            centre = np.clip(centre, low, high)
            width = t["sigma"][i, j, row]
            location = softmax(-((place - centre) / width) ** 2 / 2)
            looked = location @ place
            score = t["K"][i, j] @ t["Q"][i, j, row]
            content = softmax(score / np.sqrt(t["Q"].shape[3]))
            gate = t["gate"][i, row]
            weight = gate * location + (1 - gate) * content
            O[i, j, row] = weight @ t["V"][i, j]
    return {"O": O}
