"""Reference of landmark.attn: the grouped softmax of the publication. Tokens
of a past block are one group; own tokens and past landmarks are another, and
the weight of a past token is its own times its landmark's."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="whole_blocks", seed=1, consts=dict(B=4),
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(B=5),
             shape=dict(b=1, h=2, m=29, n=29, d=7, e=3)),
        dict(name="one_token", seed=3, consts=dict(B=4),
             shape=dict(b=2, h=3, m=1, n=1, d=4, e=4)),
        dict(name="token_and_landmark", seed=4, consts=dict(B=2),
             shape=dict(b=2, h=1, m=11, n=11, d=5, e=4)),
        dict(name="one_partial_block", seed=5, consts=dict(B=32),
             shape=dict(b=1, h=2, m=13, n=13, d=4, e=4)),
        dict(name="landmarks_only", seed=6, consts=dict(B=1),
             shape=dict(b=1, h=1, m=5, n=5, d=4, e=4)),
        dict(name="default_block", seed=7,
             shape=dict(b=1, h=1, m=131, n=131, d=2, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def weights(score, row, block):
    """Weights of the keys of one query, from all its scores."""
    n = score.size
    P = np.zeros(n)
    own = row // block
    start = own * block
    landmarks = [p * block + block - 1 for p in range(own)]
    tokens = [k for k in range(start, row + 1) if k % block != block - 1]
    group = tokens + landmarks
    P[group] = softmax(score[group])
    for landmark in landmarks:
        past = np.arange(landmark - block + 1, landmark)
        P[past] = softmax(score[past]) * P[landmark]
        P[landmark] = 0
    return P


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    block, d = consts.get("B", 64), Q.shape[3]
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        score = K[i, j] @ Q[i, j, row] / np.sqrt(d)
        O[i, j, row] = weights(score, row, block) @ V[i, j]
    return {"O": O}
