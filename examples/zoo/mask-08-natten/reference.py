"""Reference of natten.attn: per pixel, the window as a slice of the image."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

WINDOW = 3
PORTS = {"Q": "b h y x d", "K": "b h v u d", "V": "b h v u e"}


def expected():
    return dict(passes={"v": (3, 1), "u": (3, 1)}, kernels=1,
                workspace="none", sequence=("y", "x", "v", "u"))


def masking_bias(bias):
    """A bias of -inf takes keys out: the pixel itself in head 0, all keys in
    the last head."""
    bias[0, 2, 2] = -np.inf
    bias[-1] = -np.inf


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, y=6, x=6, v=6, u=6, d=4, e=4)),
        dict(name="prime", seed=2,
             shape=dict(b=1, h=1, y=5, x=7, v=5, u=7, d=3, e=5)),
        dict(name="image_is_the_window", seed=3,
             shape=dict(b=2, h=3, y=3, x=3, v=3, u=3, d=8, e=2)),
        dict(name="one_line", seed=4,
             shape=dict(b=1, h=2, y=1, x=13, v=1, u=13, d=5, e=4)),
        dict(name="one_pixel", seed=5,
             shape=dict(b=2, h=2, y=1, x=1, v=1, u=1, d=4, e=3)),
        dict(name="narrower_than_the_window", seed=6,
             shape=dict(b=1, h=2, y=2, x=9, v=2, u=9, d=4, e=4)),
        dict(name="masking_bias", seed=7, inputs=masking_bias,
             shape=dict(b=1, h=3, y=5, x=4, v=5, u=4, d=4, e=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    x["bias"] = normal(rng, extents(case, "h") + (5, 5), "f32")
    case.get("inputs", lambda bias: None)(x["bias"])
    return x


def neighbours(position, extent):
    """The window centred on a position, moved inwards at the edges."""
    if extent <= WINDOW:
        return slice(0, extent)
    first = min(max(position - WINDOW // 2, 0), extent - WINDOW)
    return slice(first, first + WINDOW)


def reference(inputs, consts):
    Q, K, V, bias = (inputs[n].astype(np.float64)
                     for n in ("Q", "K", "V", "bias"))
    b, h, rows, columns, d = Q.shape
    O = np.zeros((b, h, rows, columns, V.shape[4]))
    for i, j, y, x in np.ndindex(b, h, rows, columns):
        vs, us = neighbours(y, rows), neighbours(x, columns)
        score = K[i, j, vs, us] @ Q[i, j, y, x] / np.sqrt(d)
        dv = np.arange(vs.start, vs.stop) - y + 2
        du = np.arange(us.start, us.stop) - x + 2
        weight = softmax(score + bias[j][np.ix_(dv, du)], axis=(0, 1))
        O[i, j, y, x] = np.einsum("vu,vue->e", weight, V[i, j, vs, us])
    return {"O": O}
