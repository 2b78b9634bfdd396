"""Reference of qknorm.attn: cosines pair by pair."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, float64, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def zero_vectors(x):
    """Zeros have no direction: their scores are 0."""
    x["Q"][:, :, 0] = 0
    x["K"][:, :, 1] = 0


def gain(length):
    """Where the publication starts to learn."""
    return dict(g=float(np.log2(length ** 2 - length)))


def cases():
    return [
        dict(name="square", seed=1, scalars=gain(16),
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, scalars=gain(29),
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="large_gain", seed=3, scalars=dict(g=300.0),
             shape=dict(b=1, h=2, m=7, n=11, d=5, e=4)),
        dict(name="zero_vectors", seed=4, scalars=gain(9), inputs=zero_vectors,
             shape=dict(b=1, h=2, m=5, n=9, d=4, e=4)),
        dict(name="one_key", seed=5, scalars=dict(g=1.0),
             shape=dict(b=2, h=2, m=3, n=1, d=4, e=3)),
        dict(name="no_key", seed=6, scalars=dict(g=1.0),
             shape=dict(b=1, h=1, m=3, n=0, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    case.get("inputs", lambda x: None)(x)
    return {**x, "g": np.array(case["scalars"]["g"], np.float32)}


def reference(inputs, consts):
    Q, K, V, g = float64(inputs, "Q K V g")
    dot = np.einsum("bhmd,bhnd->bhmn", Q, K)
    length = (np.linalg.norm(Q, axis=-1)[..., None]
              * np.linalg.norm(K, axis=-1)[..., None, :])
    cosine = np.divide(dot, length, out=np.zeros_like(dot), where=length > 0)
    return {"O": np.einsum("bhmn,bhne->bhme", softmax(g * cosine), V)}
