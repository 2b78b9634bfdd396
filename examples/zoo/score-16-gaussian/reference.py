"""Reference of gaussian.attn: the log densities of all Gaussians are added up
channel by channel; a softmax over the tokens is the normalised product."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax


def cases():
    return [
        dict(name="square", seed=1, shape=dict(b=1, h=2, n=16, d=8, g=3)),
        dict(name="prime", seed=2, shape=dict(b=2, h=3, n=37, d=7, g=2)),
        dict(name="one_gaussian", seed=3, shape=dict(b=1, h=2, n=11, d=5, g=1)),
        # The reciprocal deviation 10^4 of a lone token still has offset 0.
        dict(name="one_token", seed=4, offset=0,
             shape=dict(b=2, h=1, n=1, d=4, g=2)),
    ]


def expected():
    return dict(passes={"n": (4, 3)}, kernels=1, workspace="none",
                sequence=("n",),
                why="moments, then the sum of densities, then every token",
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    heads = extents(case, "h g")
    delta = rng.uniform(-0.5, 0.5, heads) * case.get("offset", 1)
    return {"X": normal(rng, extents(case, "b h n d")),
            "delta": delta.astype(np.float32),
            "c": rng.uniform(0.8, 2, heads).astype(np.float32)}


def reference(inputs, consts):
    X, delta, c = (inputs[name].astype(np.float64)
                   for name in ("X", "delta", "c"))
    centre = X.mean(axis=2, keepdims=True)
    deviation = np.sqrt(X.var(axis=2, keepdims=True) + 1e-8)
    log_density = np.zeros(X.shape)
    for offset, width in zip(delta.T, c.T):  # one Gaussian of every head
        offset, width = offset[:, None, None], width[:, None, None]
        z = (X - centre - offset) / deviation
        log_density -= z ** 2 / (2 * width ** 2)
    return {"O": X * softmax(log_density, axis=2)}
