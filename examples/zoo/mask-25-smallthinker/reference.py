"""Reference of smallthinker.attn: keys repeated for the heads that share
them, rotary positions pair by pair."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b g n d", "V": "b g n e"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=4, g=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, g=1, m=29, n=29, d=6, e=5)),
        dict(name="a_key_head_each", seed=3,
             shape=dict(b=1, h=2, g=2, m=11, n=11, d=2, e=3)),
        dict(name="one_token", seed=4,
             shape=dict(b=2, h=6, g=2, m=1, n=1, d=4, e=3)),
    ]


def windows():
    return [dict(case, consts=dict(W=w))
            for case, w in zip(cases(), (5, 7, 1, 2))]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def rotated(x):
    x, half = x.copy(), x.shape[3] // 2
    for place, pair in np.ndindex(x.shape[2], half):
        angle = place * 10000.0 ** (-pair / half)
        turn = np.array([[np.cos(angle), -np.sin(angle)],
                         [np.sin(angle), np.cos(angle)]])
        both = [pair, pair + half]
        x[:, :, place, both] = x[:, :, place, both] @ turn.T
    return x


def layer(Q, K, V, window):
    share, n = Q.shape[1] // K.shape[1], K.shape[2]
    K, V = (np.repeat(x, share, axis=1) for x in (K, V))
    seen = np.tri(n, dtype=bool) & ~np.tri(n, k=-window, dtype=bool)
    return {"O": attend(Q, K, V, seen)}


def global_layer(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    return layer(Q, K, V, Q.shape[2])


def window_layer(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    return layer(rotated(Q), rotated(K), V, consts["W"])


ENTRIES = {"global": (cases, make_inputs, global_layer),
           "window": (windows, make_inputs, window_layer)}
