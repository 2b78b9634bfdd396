"""The blocks on the elements of one set at a time; rows beyond its length are
zeros. A block returns f32."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

WEIGHTS = {"q": "h c d", "k": "h c d", "v": "h c e", "o": "h e c", "f": "c c"}


def sizes():
    return [
        ("sets", [12, 7], dict(b=2, n=12, c=8, h=2, d=4, e=4, x=8)),
        ("prime", [17, 11, 1], dict(b=3, n=17, c=5, h=1, d=3, e=7, x=5)),
        ("one_element", [1], dict(b=1, n=1, c=4, h=3, d=2, e=2, x=4)),
        ("empty_set", [0, 3], dict(b=2, n=3, c=6, h=2, d=3, e=3, x=6)),
    ]


def cases():
    return [dict(name=name, seed=seed, len=length, shape=dict(shape, r=3))
            for seed, (name, length, shape) in enumerate(sizes())]


def pma_cases():
    return [dict(name=name, seed=seed, len=length, shape=dict(shape, k=2))
            for seed, (name, length, shape) in enumerate(sizes(), 10)]


def weights(rng, case, stages):
    x = {}
    for stage in stages:
        for name, ranks in WEIGHTS.items():
            size = extents(case, ranks)
            x[stage + name] = round_bf16(normal(rng, size) / np.sqrt(size[-2]))
    return x


def make_inputs(case):
    rng = generator(case)
    return {"X": normal(rng, extents(case, "b n c")),
            "len": np.array(case["len"], np.int32),
            "I": normal(rng, extents(case, "r c"), "f32"),
            **weights(rng, case, "AB")}


def pma_inputs(case):
    rng = generator(case)
    x = {"Z": normal(rng, extents(case, "b n c")),
         "len": np.array(case["len"], np.int32),
         "seed": normal(rng, extents(case, "k c"), "f32"),
         **weights(rng, case, "A")}
    return x | {"Wf": x["Af"][::-1].copy()}


def layernorm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def mab(x, y, p, stage):
    attended = 0
    for q, k, v, o in zip(*(p[stage + name] for name in "qkvo")):
        score = (x @ q) @ (y @ k).T / np.sqrt(q.shape[1])
        attended = attended + softmax(score) @ (y @ v) @ o
    hidden = layernorm(x + attended)
    out = layernorm(hidden + np.maximum(hidden @ p[stage + "f"], 0))
    return out.astype(np.float32).astype(np.float64)


def reference(inputs, consts):
    p = {name: a.astype(np.float64) for name, a in inputs.items()}
    O = np.zeros(p["X"].shape)
    for b, length in enumerate(inputs["len"]):
        members = p["X"][b, :length]
        O[b, :length] = mab(members, mab(p["I"], members, p, "A"), p, "B")
    return {"O": O}


def pooled(inputs, consts):
    p = {name: a.astype(np.float64) for name, a in inputs.items()}
    O = []
    for z, length in zip(p["Z"], inputs["len"]):
        features = np.maximum(z[:length] @ p["Wf"], 0)
        O.append(mab(p["seed"], features, p, "A"))
    return {"O": np.stack(O)}


ENTRIES = {"isab": (cases, make_inputs, reference),
           "pma": (pma_cases, pma_inputs, pooled)}


def expected():
    return dict(sequence=("n",), passes={"n": (4, 2)}, kernels=2,
                workspace="none",
                why="of isab: the inducing points have read all elements "
                    "before an element reads them; pma is one pass, one kernel",
                today=dict(workspace="linear"))
