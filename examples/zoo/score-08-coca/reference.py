"""Reference of coca.attn in its factored form: the squared length of each pair
of query dimensions, times the token, times the cosine of the angle between
them."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "T": "b h n i", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, d=8, i=4, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=13, n=29, d=10, i=5, e=7)),
        dict(name="one_pair", seed=3,
             shape=dict(b=1, h=1, m=11, n=11, d=2, i=1, e=3)),
        dict(name="one_query", seed=4,
             shape=dict(b=3, h=2, m=1, n=5, d=6, i=3, e=4)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, T, V = (inputs[name].astype(np.float64) for name in "QTV")
    m, d = Q.shape[2:]
    n, half = T.shape[2:]
    square = Q[..., :half] ** 2 + Q[..., half:] ** 2
    turn = 10000.0 ** (-np.arange(half) / half)
    distance = np.arange(m)[:, None] - np.arange(n)
    cosine = np.cos(distance[..., None] * turn)
    score = np.einsum("bhmi,bhni,mni->bhmn", square, np.maximum(T, 0), cosine)
    weight = softmax(score / np.sqrt(d), distance >= 0)
    return {"O": np.einsum("bhmn,bhne->bhme", weight, V)}
