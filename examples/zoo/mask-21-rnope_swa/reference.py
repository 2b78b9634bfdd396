"""Reference of rnope_swa.attn: rotary positions as turns of complex pairs,
causal rows as slices."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=29, n=29, d=6, e=5)),
        dict(name="one_pair", seed=3,
             shape=dict(b=1, h=1, m=11, n=11, d=2, e=3)),
        dict(name="one_token", seed=4,
             shape=dict(b=2, h=2, m=1, n=1, d=4, e=3)),
        dict(name="no_token", seed=5,
             shape=dict(b=1, h=2, m=0, n=0, d=4, e=3)),
    ]


def windows():
    return [dict(case, consts=dict(W=w))
            for case, w in zip(cases(), (5, 7, 1, 2, 3))]


def make_inputs(case):
    rng = generator(case)
    return {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}


def make_gained(case):
    gain = generator(case).uniform(1, 8, extents(case, "h"))
    return {**make_inputs(case), "g": gain.astype(np.float32)}


def rope(x):
    """Coordinates d and d + |d|/2 are one complex number; it turns."""
    n, d = x.shape[2:]
    speed = 10000.0 ** (-2 * np.arange(d // 2) / d)
    z = x[..., :d // 2] + 1j * x[..., d // 2:]
    z = z * np.exp(1j * np.arange(n)[:, None] * speed)
    return np.concatenate([z.real, z.imag], axis=-1)


def causal(Q, K, V, window, scale=None):
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for row in range(Q.shape[2]):
        past = np.s_[:, :, max(row - window + 1, 0):row + 1]
        O[:, :, row] = attend(Q[:, :, [row]], K[past], V[past],
                              scale=scale)[:, :, 0]
    return {"O": O}


def nope(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    return causal(Q, K, V, Q.shape[2])


def rope_swa(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    return causal(rope(Q), rope(K), V, consts["W"])


def qk_norm(inputs, consts):
    Q, K, V, g = float64(inputs, "Q K V g")
    Q, K = (rope(x) for x in (Q, K))
    Q, K = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (Q, K))
    return causal(Q * g[:, None, None], K, V, Q.shape[2], scale=1)


ENTRIES = {"nope": (cases, make_inputs, nope),
           "rope_swa": (windows, make_inputs, rope_swa),
           "qk_norm": (cases, make_gained, qk_norm)}
