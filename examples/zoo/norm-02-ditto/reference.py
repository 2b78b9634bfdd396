"""Reference of ditto.attn: sentence after sentence without its padding."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, float64, generator, normal, softmax

PORTS = {"Q": "b m d", "K": "b n d", "X": "b m c"}


def expected():
    return dict(passes={"n": (2, 1), "m": (1, 1)}, kernels=2,
                workspace="linear", sequence=("m", "n"),
                why="tokens are weighed apart, then joined: 2 kernels, or 1"
                " that walks over the rows",
                today=dict(passes={"n": 2}))


def cases():
    return [
        dict(name="sentences", seed=1,
             shape=dict(b=3, m=16, n=16, d=8, c=8)),
        dict(name="prime", seed=2,
             shape=dict(b=2, m=29, n=29, d=7, c=5)),
        dict(name="one_token", seed=3,
             shape=dict(b=2, m=1, n=1, d=4, c=3)),
        dict(name="one_wide_token_vector", seed=4,
             shape=dict(b=1, m=11, n=11, d=1, c=67)),
        dict(name="empty_sentences", seed=5, longest=0,
             shape=dict(b=2, m=5, n=5, d=4, c=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    longest = case.get("longest", case["shape"]["n"])
    length = rng.integers(0, longest + 1, extents(case, "b"))
    length[0] = longest
    return {**x, "len": length.astype(np.int32)}


def reference(inputs, consts):
    Q, K, X = float64(inputs, "Q K X")
    E = np.zeros((len(X), X.shape[2]))
    for i, length in enumerate(inputs["len"]):
        if length == 0:
            continue
        score = Q[i, :length] @ K[i, :length].T / np.sqrt(Q.shape[2])
        weight = np.diag(softmax(score))
        E[i] = np.average(X[i, :length], axis=0, weights=weight)
    return {"E": E}
