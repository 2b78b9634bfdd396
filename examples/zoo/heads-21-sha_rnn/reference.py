"""Single-headed attention to a memory that ends with the current segment:
normalised, gated elementwise, causal."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, sigmoid, softmax)

F32 = ("qs", "ks", "vf", "vc")


def cases():
    return [
        dict(name="segment", seed=1, shape=dict(b=2, m=12, n=20, c=16, d=16)),
        dict(name="prime", seed=2, shape=dict(b=1, m=11, n=29, c=13, d=23)),
        dict(name="one_step", seed=3, shape=dict(b=3, m=1, n=17, c=8, d=8)),
        dict(name="no_memory", seed=4, shape=dict(b=1, m=7, n=7, c=5, d=6)),
    ]


def make_inputs(case):
    rng = generator(case)
    weight = normal(rng, extents(case, "c d")) / np.sqrt(case["shape"]["c"])
    x = {
        "X": normal(rng, extents(case, "b m c")),
        "M": normal(rng, extents(case, "b n d")),
        "Wq": round_bf16(weight),
    }
    return x | {name: normal(rng, extents(case, "d"), "f32") for name in F32}


def layernorm(x):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    m, n, d = x["X"].shape[1], x["M"].shape[1], x["M"].shape[2]
    q = layernorm(layernorm(x["X"]) @ x["Wq"]) * sigmoid(x["qs"])
    memory = layernorm(x["M"])
    k = memory * sigmoid(x["ks"])
    v = memory * sigmoid(x["vf"]) * np.tanh(x["vc"])
    score = q @ np.swapaxes(k, 1, 2) / np.sqrt(d)
    return {"O": softmax(score, np.tri(m, n, n - m, dtype=bool)) @ v}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                today=dict(workspace="linear"))
