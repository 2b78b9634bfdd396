"""Reference of adaptive_filter.attn in complex numbers: a key and a value move
by exp((-a + i omega) t), the residual is weighed by W / (1 + W r^2 / nu)."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal

PORTS = {"Q": "b h m i", "K": "b h n i", "V": "b h n j"}
DRAWS = {"omega": ("h i", -2, 2), "upsilon": ("h j", -2, 2),
         "a": ("h", 0.02, 0.4), "sigma": ("h", 0.2, 1),
         "eta": ("h", 0.5, 1), "nu": ("h", 1, 8)}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, i=4, j=4)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=13, n=29, i=5, j=3)),
        dict(name="one_query", seed=3,
             shape=dict(b=3, h=1, m=1, n=7, i=2, j=1)),
        dict(name="more_queries_than_keys", seed=4,
             shape=dict(b=1, h=2, m=19, n=7, i=1, j=3)),
    ]


def expected():
    return dict(passes={"n": (2, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, (*extents(case, r), 2))
         for name, r in PORTS.items()}
    return x | {name: rng.uniform(low, high, extents(case, r)).astype(
        np.float32) for name, (r, low, high) in DRAWS.items()}


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    Q, K, V = (x[name][..., 0] + 1j * x[name][..., 1] for name in "QKV")
    O = np.zeros(Q.shape[:3] + V.shape[3:], complex)
    for i, j, row in np.ndindex(Q.shape[:3]):
        time = row - np.arange(min(row + 1, K.shape[2]))
        a, var = x["a"][j], x["sigma"][j] ** 2
        key = np.exp(np.outer(time, 1j * x["omega"][j] - a)) * K[i, j][:row + 1]
        value = np.exp(np.outer(time, 1j * x["upsilon"][j] - a))
        value *= V[i, j][:row + 1]
        fade = np.exp(-2 * a * time)
        W = 1 / (var * (1 - fade) / (2 * a) + x["eta"][j] ** 2 * fade)
        residual = np.sum(abs(Q[i, j, row] - key) ** 2, axis=1)
        weight = W / (1 + W * residual / x["nu"][j])
        O[i, j, row] = weight @ value / weight.sum()
    return {"O": np.stack([O.real, O.imag], axis=-1)}
