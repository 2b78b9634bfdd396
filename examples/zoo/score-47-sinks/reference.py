"""Reference of sinks.attn: causal weight matrices; a learned key is one more
column before those of the tokens."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="more_queries_than_keys", seed=3,
             shape=dict(b=1, h=2, m=23, n=5, d=4, e=3)),
        dict(name="one_query", seed=4,
             shape=dict(b=3, h=1, m=1, n=7, d=4, e=4)),
    ]


def kv_cases():
    return [{**case, "shape": {**case["shape"], "s": 1}} for case in cases()]


def expected():
    return dict(passes={"n": (3, 1), "c": (3, 1)}, kernels=1,
                workspace="none", sequence=("m", "n", "c"))


def inputs_of(**learned):
    def make_inputs(case):
        rng = generator(case)
        x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
        return x | {name: normal(rng, extents(case, r), "f32")
                    for name, r in learned.items()}
    return make_inputs


def scores(x):
    """(scores, which are seen) of the tokens."""
    score = np.einsum("bhmd,bhnd->bhmn", x["Q"], x["K"])
    return (score / np.sqrt(x["Q"].shape[3]),
            np.tri(*score.shape[2:], dtype=bool))


def biased(inputs, key, value):
    """Softmax with one more column: the learned `key`, `value` [h, 1, .]."""
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    score, seen = scores(x)
    column = np.einsum("bhmd,hsd->bhms", x["Q"], key)
    score = np.concatenate([column / np.sqrt(key.shape[2]), score], axis=3)
    seen = np.concatenate([np.ones((len(seen), 1), bool), seen], axis=1)
    weight = softmax(score, seen)
    return {"O": weight[..., :1] @ value + weight[..., 1:] @ x["V"]}


def key_bias(inputs, consts):
    key = inputs["kb"].astype(np.float64)[:, None]
    return biased(inputs, key, np.zeros((len(key), 1, inputs["V"].shape[3])))


def kv_bias(inputs, consts):
    return biased(inputs, inputs["kb"].astype(np.float64),
                  inputs["vb"].astype(np.float64))


def unnormalised(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    score, seen = scores(x)
    return {"O": (sigmoid(score) * seen) @ x["V"]}


def elu_kernel(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    score, seen = scores(x)
    weight = np.where(score > 0, score + 1, np.exp(score)) * seen
    return {"O": weight @ x["V"] / weight.sum(-1, keepdims=True)}


ENTRIES = {
    "key_bias": (cases, inputs_of(kb="h d"), key_bias),
    "kv_bias": (kv_cases, inputs_of(kb="h s d", vb="h s e"), kv_bias),
    "unnormalised": (cases, inputs_of(), unnormalised),
    "elu_kernel": (cases, inputs_of(), elu_kernel),
}
