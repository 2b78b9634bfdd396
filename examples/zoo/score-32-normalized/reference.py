"""Reference of normalized.attn: standardised rows of a score matrix, padding
cut off."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, len=[16],
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, len=[29, 13],
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        # Nothing and one key: the weights are 0 and the shift.
        dict(name="one_query", seed=3, len=[0, 1, 2, 19],
             shape=dict(b=4, h=2, m=1, n=19, d=4, e=3)),
        dict(name="more_queries_than_keys", seed=4, len=[5, 3],
             shape=dict(b=2, h=1, m=23, n=5, d=8, e=4)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    heads = case["shape"]["h"]
    return {**x, "gain": rng.uniform(0.5, 1.5, heads).astype(np.float32),
            "shift": rng.uniform(-0.5, 0.5, heads).astype(np.float32),
            "len": np.array(case["len"], np.int32)}


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    O = np.zeros(x["Q"].shape[:3] + x["V"].shape[3:])
    for i, j in np.ndindex(O.shape[:2]):
        size = inputs["len"][i]
        if not size:
            continue
        score = x["Q"][i, j] @ x["K"][i, j, :size].T
        centred = score - score.mean(axis=1, keepdims=True)
        score = centred / np.sqrt(np.mean(centred ** 2, axis=1,
                                          keepdims=True) + 1e-16)
        weight = x["gain"][j] * score + x["shift"][j]
        O[i, j] = weight @ x["V"][i, j, :size]
    return {"O": O}
