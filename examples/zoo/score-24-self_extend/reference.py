"""Reference of self_extend.attn in complex numbers: a pair of dimensions is one
number, a rotary product the real part of q conj(k) exp(i distance theta)."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, consts=dict(W=4, G=2),
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(W=7, G=3),
             shape=dict(b=2, h=3, m=31, n=29, d=6, e=5)),
        dict(name="all_near", seed=3, consts=dict(W=64, G=5),
             shape=dict(b=1, h=1, m=11, n=11, d=2, e=3)),
        dict(name="all_far", seed=4, consts=dict(W=0, G=4),
             shape=dict(b=1, h=2, m=13, n=13, d=4, e=4)),
        dict(name="one_query", seed=5, consts=dict(W=2, G=2),
             shape=dict(b=2, h=1, m=1, n=5, d=4, e=3)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    W, G = consts["W"], consts["G"]
    half = Q.shape[3] // 2
    q, k = (x[..., :half] + 1j * x[..., half:] for x in (Q, K))
    theta = 10000.0 ** (-np.arange(half) / half)
    row, key = np.arange(Q.shape[2])[:, None], np.arange(K.shape[2])
    distance = np.where(row - key < W, row - key,
                        row // G + W - W // G - key // G)
    turn = np.exp(1j * distance[..., None] * theta)
    score = np.einsum("bhmi,bhni,mni->bhmn", q, k.conj(), turn).real
    weight = softmax(score / np.sqrt(2 * half), key <= row)
    return {"O": np.einsum("bhmn,bhne->bhme", weight, V)}
