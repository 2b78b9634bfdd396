"""Reference of zerotuning.attn, on the logits: log gamma is added to the score
of the first token before the softmax, which is the same."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, gamma=[0.5, 1.0, 3.0],
             shape=dict(b=1, h=3, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, gamma=[1.5, 0.25],
             shape=dict(b=2, h=2, m=13, n=29, d=7, e=5)),
        dict(name="decode", seed=3, gamma=[2.0],
             shape=dict(b=3, h=1, m=1, n=23, d=4, e=4)),
        dict(name="first_key_dropped", seed=4, gamma=[0.0, 0.5],
             shape=dict(b=1, h=2, m=7, n=7, d=4, e=3)),
        dict(name="more_queries_than_keys", seed=5, gamma=[1.25],
             shape=dict(b=1, h=1, m=11, n=5, d=3, e=4)),
    ]


def expected():
    return dict(passes={"n": (4, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "gamma": np.array(case["gamma"], np.float32)}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    score = np.einsum("bhmd,bhnd->bhmn", Q, K) / np.sqrt(Q.shape[3])
    with np.errstate(divide="ignore"):
        score[..., 0] += np.log(inputs["gamma"].astype(np.float64))[:, None]
    m, n = score.shape[2:]
    causal = np.tri(m, n, n - m, dtype=bool)
    return {"O": np.einsum("bhmn,bhne->bhme", softmax(score, causal), V)}
