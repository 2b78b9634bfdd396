"""Reference of tnt.attn: patch after patch, then image after image."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal, round_bf16

PORTS = {"X": "b p i c", "Z": "b p f"}


def expected():
    return dict(passes={"i": (4, 2), "p": (3, 1)}, kernels=2,
                workspace="linear", sequence=("p",),
                why="a patch sums its finished pixels; patches meet only when "
                    "the pixels of all are done")


def cases():
    return [
        dict(name="patches", seed=1, shape=dict(
            b=1, p=9, i=4, c=4, f=8, h=2, d=2, g=2, e=4)),
        dict(name="prime", seed=2, shape=dict(
            b=2, p=7, i=5, c=3, f=5, h=3, d=2, g=1, e=3)),
        dict(name="one_patch", seed=3, shape=dict(
            b=2, p=1, i=16, c=4, f=6, h=1, d=4, g=2, e=3)),
        dict(name="one_pixel", seed=4, shape=dict(
            b=1, p=5, i=1, c=4, f=4, h=2, d=2, g=2, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r), "f32")
         for name, r in PORTS.items()}

    def weights(shape, fan):
        return round_bf16(rng.standard_normal(shape) / np.sqrt(fan))

    i, c, f = extents(case, "i c f")
    return {**x, "Wi": weights((4,) + extents(case, "h d c"), c),
            "Wp": weights((f, i, c), i * c),
            "Wo": weights((4,) + extents(case, "g e f"), f)}


def heads(x, W):
    """Self-attention over the rows of x, with its residual; as a call stores
    it."""
    out = x.copy()
    for q, k, v, o in np.swapaxes(W, 0, 1):
        out += attend(x @ q.T, x @ k.T, x @ v.T) @ o
    return out.astype(np.float32).astype(np.float64)


def reference(inputs, consts):
    X, Z, Wi, Wp, Wo = float64(inputs, "X Z Wi Wp Wo")
    X1 = np.array([[heads(patch, Wi) for patch in image] for image in X])
    E = Z + np.einsum("fic,bpic->bpf", Wp, X1)
    return {"X1": X1, "Z1": np.array([heads(e, Wo) for e in E])}
