"""Reference of kerple.attn: causal softmax of the scores minus r1 |m - n|^r2,
or minus r1 log(1 + r2 |m - n|)."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="more_queries_than_keys", seed=3,
             shape=dict(b=1, h=2, m=31, n=11, d=5, e=4)),
        dict(name="one_query", seed=4,
             shape=dict(b=3, h=1, m=1, n=5, d=4, e=3)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    for name in "r1", "r2":  # r2 <= 2 keeps the power kernel definite
        x[name] = rng.uniform(0.1, 2, case["shape"]["h"]).astype(np.float32)
    return x


def attend(inputs, kernel):
    Q, K, V, r1, r2 = (inputs[name].astype(np.float64)
                       for name in ("Q", "K", "V", "r1", "r2"))
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        seen = min(row + 1, K.shape[2])
        distance = row - np.arange(seen)
        score = K[i, j, :seen] @ Q[i, j, row] / np.sqrt(Q.shape[3])
        weight = softmax(score - kernel(distance, r1[j], r2[j]))
        O[i, j, row] = weight @ V[i, j, :seen]
    return {"O": O}


def power(inputs, consts):
    return attend(inputs, lambda t, r1, r2: r1 * t ** r2)


def log(inputs, consts):
    return attend(inputs, lambda t, r1, r2: r1 * np.log1p(r2 * t))


ENTRIES = {"kerple_power": (cases, make_inputs, power),
           "kerple_log": (cases, make_inputs, log)}
