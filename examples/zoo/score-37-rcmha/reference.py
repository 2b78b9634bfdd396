"""Reference of rcmha.attn: convolutions over padded sequences, a score matrix
of contents and one of distances, a causal softmax."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e", "R": "h r d"}
WEIGHTS = {"wq": "h d j", "wk": "h d j", "wv": "h e j", "u": "h d", "v": "h d"}


def cases():
    def case(name, seed, **shape):
        return dict(name=name, seed=seed,
                    shape=dict(shape, r=shape["n"], j=3))

    return [
        case("square", 1, b=1, h=2, m=16, n=16, d=8, e=8),
        case("memory", 2, b=2, h=3, m=11, n=29, d=7, e=5),
        case("one_query", 3, b=2, h=1, m=1, n=13, d=4, e=3),
        case("one_token", 4, b=1, h=2, m=1, n=1, d=3, e=4),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="linear",
                sequence=("m", "n", "r"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return x | {name: normal(rng, extents(case, r), "f32") / 2
                for name, r in WEIGHTS.items()}


def convolve(x, weight):
    """Causal and depthwise; tap j reaches j steps back."""
    padded = np.pad(x, [(0, 0), (0, 0), (2, 0), (0, 0)])
    length = x.shape[2]
    return sum(padded[:, :, 2 - j:2 - j + length] * weight[:, None, :, j]
               for j in range(3))


def reference(inputs, consts):
    t = {name: a.astype(np.float64) for name, a in inputs.items()}
    Q = convolve(t["Q"], t["wq"])
    K, V = convolve(t["K"], t["wk"]), convolve(t["V"], t["wv"])
    m, n = Q.shape[2], K.shape[2]
    distance = np.arange(n - m, n)[:, None] - np.arange(n)
    seen = distance >= 0
    content = (Q + t["u"][:, None]) @ K.swapaxes(2, 3)
    place = np.einsum("bhmd,hmnd->bhmn", Q + t["v"][:, None],
                      t["R"][:, np.where(seen, distance, 0)])
    weight = softmax((content + place) / np.sqrt(Q.shape[3]), seen)
    return {"O": weight @ V}
