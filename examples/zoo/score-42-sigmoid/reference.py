"""Reference of sigmoid.attn: the logistic function of a biased score matrix,
times the values."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="one_key", seed=3,
             shape=dict(b=2, h=1, m=7, n=1, d=4, e=3)),
        dict(name="one_query", seed=4,
             shape=dict(b=3, h=2, m=1, n=11, d=4, e=4)),
    ]


def expected():
    return dict(passes={"n": (1, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def scores(inputs):
    Q, K = (inputs[name].astype(np.float64) for name in "QK")
    score = np.einsum("bhmd,bhnd->bhmn", Q, K) / np.sqrt(Q.shape[3])
    return score - np.log(K.shape[2])


def plain(inputs, consts):
    weight = sigmoid(scores(inputs))
    return {"O": np.einsum("bhmn,bhne->bhme", weight, inputs["V"])}


def alibi(inputs, consts):
    score = scores(inputs)
    heads, m, n = score.shape[1:]
    slope = 2.0 ** (-8 * np.arange(1, heads + 1) / heads)
    distance = np.arange(m)[:, None] - np.arange(n)
    weight = sigmoid(score - slope[:, None, None] * distance)
    weight *= distance >= 0
    return {"O": np.einsum("bhmn,bhne->bhme", weight, inputs["V"])}


ENTRIES = {"sigmoid_attention": (cases, make_inputs, plain),
           "sigmoid_alibi": (cases, make_inputs, alibi)}
