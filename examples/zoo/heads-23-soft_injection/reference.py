"""Causal attention, then (1 - a) of the head's output plus a times its task
embedding; a row without keys holds the embedding's share alone."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

BF16 = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="prefill", seed=1,
             shape=dict(b=2, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, shape=dict(b=1, h=3, m=7, n=19, d=5, e=7)),
        dict(name="decode", seed=3, shape=dict(b=2, h=4, m=1, n=11, d=4, e=3)),
        dict(name="few_keys", seed=4, shape=dict(b=1, h=2, m=5, n=2, d=4, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in BF16.items()}
    share = rng.uniform(0, 1, extents(case, "h"))
    share[0] = 0  # a head without injection
    return x | {"task": normal(rng, extents(case, "h e"), "f32"),
                "a": share.astype(np.float32)}


def reference(inputs, consts):
    Q, K, V, task, a = (inputs[name].astype(np.float64)
                        for name in ("Q", "K", "V", "task", "a"))
    m, n = Q.shape[2], K.shape[2]
    score = np.einsum("bhmd,bhnd->bhmn", Q, K) / np.sqrt(Q.shape[3])
    Y = softmax(score, np.tri(m, n, n - m, dtype=bool)) @ V
    share = a[:, None, None]
    return {"O": (1 - share) * Y + share * task[:, None]}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                today=dict(workspace="linear"))
