"""The two softmaxes as matrices; causally, the normaliser and the weighted sum
of each latent are plain running sums."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

PORTS = {"Q": "b h m l", "K": "b h n l", "V": "b h n e"}
CAUSAL = {"Q": "b h n l", "K": "b h n l", "V": "b h n e"}


def cases():
    return [
        dict(name="self", seed=1, shape=dict(b=2, h=2, m=16, n=16, l=8, e=8)),
        dict(name="prime", seed=2, shape=dict(b=1, h=3, m=11, n=29, l=5, e=7)),
        dict(name="one_latent", seed=3,
             shape=dict(b=1, h=2, m=7, n=13, l=1, e=3)),
        dict(name="no_keys", seed=4, shape=dict(b=2, h=1, m=3, n=0, l=4, e=2)),
    ]


def causal_cases():
    return [
        dict(name="sequence", seed=5,
             shape=dict(b=2, h=2, t=16, n=16, l=8, e=8)),
        dict(name="prime", seed=6, shape=dict(b=1, h=3, t=23, n=23, l=5, e=7)),
        dict(name="one_token", seed=7,
             shape=dict(b=2, h=1, t=1, n=1, l=3, e=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    ports = CAUSAL if "t" in case["shape"] else PORTS
    return {name: normal(rng, extents(case, r)) for name, r in ports.items()}


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    return {"O": softmax(Q) @ (np.swapaxes(softmax(K, axis=2), 2, 3) @ V)}


def causal(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in PORTS)
    weight = np.exp(K)
    total = np.cumsum(weight, axis=2)[..., None]
    value = np.cumsum(weight[..., None] * V[..., None, :], axis=2)
    return {"O": np.einsum("bhtl,bhtle->bhte", softmax(Q), value / total)}


ENTRIES = {"latte": (cases, make_inputs, reference),
           "causal_latte": (causal_cases, make_inputs, causal)}


def expected():
    return dict(sequence=("t", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                why="of causal_latte, a scan; latte is two kernels, sums over "
                    "the keys and their use by the queries",
                today=dict(workspace="linear"))
