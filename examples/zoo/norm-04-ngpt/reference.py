"""Reference of ngpt.attn: rotary positions as turns of complex pairs, all
vectors brought to length 1."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e", "X": "b m c",
         "Wo": "h e c"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=2, workspace="linear",
                sequence=("m", "n"),
                why="the heads meet in the projection")


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8, c=16)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=29, n=29, d=6, e=5, c=13)),
        dict(name="one_head", seed=3,
             shape=dict(b=1, h=1, m=11, n=11, d=2, e=3, c=5)),
        dict(name="one_token", seed=4,
             shape=dict(b=3, h=2, m=1, n=1, d=4, e=3, c=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    x["s"] = rng.uniform(0.5, 1.5, extents(case, "h d")).astype(np.float32)
    x["alpha"] = rng.uniform(0, 0.5, extents(case, "c")).astype(np.float32)
    return x


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def rope(x):
    """Coordinates d and d + |d|/2 are one complex number; it turns."""
    n, d = x.shape[2:]
    speed = 10000.0 ** (-2 * np.arange(d // 2) / d)
    z = x[..., :d // 2] + 1j * x[..., d // 2:]
    z = z * np.exp(1j * np.arange(n)[:, None] * speed)
    return np.concatenate([z.real, z.imag], axis=-1)


def reference(inputs, consts):
    Q, K, V, X, Wo, s, alpha = float64(inputs, "Q K V X Wo s alpha")
    Q, K = (unit(rope(x)) * s[:, None] for x in (Q, K))
    causal = np.tri(Q.shape[2], dtype=bool)
    O = attend(Q, K, V, causal, scale=np.sqrt(Q.shape[3]))
    A = unit(np.einsum("bhme,hec->bmc", O, Wo))
    return {"Y": unit(X + alpha * (A - X))}
