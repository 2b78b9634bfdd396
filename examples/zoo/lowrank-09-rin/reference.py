"""Three residual multi-head attentions, image by image and head by head; what
each adds is f32."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

PORTS = {"X": "b n a", "Z": "b l c",
         "Rq": "h c d", "Rk": "h a d", "Rv": "h a e", "Ro": "h e c",
         "Sq": "h c d", "Sk": "h c d", "Sv": "h c e", "So": "h e c",
         "Wq": "h a d", "Wk": "h c d", "Wv": "h c e", "Wo": "h e a"}


def cases():
    return [
        dict(name="image", seed=1,
             shape=dict(b=1, n=16, a=6, l=4, c=8, h=2, d=4, e=4)),
        dict(name="prime", seed=2,
             shape=dict(b=2, n=19, a=5, l=3, c=7, h=1, d=3, e=5)),
        dict(name="one_latent", seed=3,
             shape=dict(b=1, n=5, a=3, l=1, c=4, h=3, d=2, e=2)),
        dict(name="no_tokens", seed=4,
             shape=dict(b=1, n=0, a=4, l=2, c=3, h=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {}
    for name, ranks in PORTS.items():
        size = extents(case, ranks)
        fan_in = 1 if name in "XZ" else np.sqrt(size[1])
        x[name] = round_bf16(normal(rng, size) / fan_in)
    return x


def attend(x, y, weights):
    out = 0
    for q, k, v, o in zip(*weights):
        score = (x @ q) @ (y @ k).T / np.sqrt(q.shape[1])
        out = out + softmax(score) @ (y @ v) @ o
    return x + out.astype(np.float32)


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    read, compute, write = ([x[stage + part] for part in "qkvo"]
                            for stage in "RSW")
    X1, Z1 = [], []
    for tokens, latents in zip(x["X"], x["Z"]):
        latents = attend(latents, tokens, read)
        latents = attend(latents, latents, compute)
        X1.append(attend(tokens, latents, write))
        Z1.append(latents)
    return {"X1": np.stack(X1), "Z1": np.stack(Z1)}


def expected():
    return dict(sequence=("n",), passes={"n": (4, 2)}, kernels=3,
                workspace="none",
                why="the latents are complete before the tokens are written",
                today=dict(workspace="linear"))
