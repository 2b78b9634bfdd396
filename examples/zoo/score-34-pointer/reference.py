"""Reference of pointer.attn: decoder step by decoder step over the inputs that
are left."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"E": "b n i", "D": "b m k"}
WEIGHTS = {"W1": "c i", "W2": "c k", "v": "c"}


def cases():
    return [
        dict(name="square", seed=1, len=[16, 9],
             shape=dict(b=2, m=16, n=16, i=8, k=8, c=6)),
        dict(name="prime", seed=2, len=[23, 1, 0],
             shape=dict(b=3, m=5, n=23, i=7, k=3, c=11)),
        dict(name="one_step", seed=3, len=[13],
             shape=dict(b=1, m=1, n=13, i=4, k=5, c=3)),
        dict(name="all_visited", seed=4, len=[7], visited=1.0,
             shape=dict(b=1, m=3, n=7, i=4, k=4, c=2)),
    ]


def expected():
    return dict(passes={"n": (3, 2)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                why="the output is the normalised row: the sum comes first; scores, "
                    "as many as the output has points, are kept rather than "
                    "computed twice, a tanh for every c",
                today=dict(workspace="quadratic"))


def rows(x):
    """(b, m, keys left, their scores) of all decoder steps."""
    t = {name: x[name].astype(np.float64) for name in (*PORTS, *WEIGHTS)}
    for i, step in np.ndindex(x["visited"].shape[:2]):
        keys = np.flatnonzero(~x["visited"][i, step, :x["len"][i]])
        hidden = t["E"][i, keys] @ t["W1"].T + t["W2"] @ t["D"][i, step]
        yield i, step, keys, np.tanh(hidden) @ t["v"]


def make_inputs(case):
    rng = generator(case)
    while True:  # rounding must not decide a choice
        x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
        x |= {name: normal(rng, extents(case, r), "f32") / 2
              for name, r in WEIGHTS.items()}
        x["len"] = np.array(case["len"], np.int32)
        visited = rng.random(extents(case, "b m n"))
        x["visited"] = visited < case.get("visited", 0.3)
        best = [np.sort(score)[-2:] for *_, score in rows(x)]
        if all(len(s) < 2 or s[1] - s[0] > 1e-3 for s in best):
            return x


def reference(inputs, consts):
    P = np.zeros(inputs["visited"].shape)
    choice = np.full(P.shape[:2], -1, np.int32)
    for i, step, keys, score in rows(inputs):
        if len(keys):
            P[i, step, keys] = softmax(score)
            choice[i, step] = keys[np.argmax(score)]
    return {"P": P, "choice": choice}
