"""Reference of cog.attn: signed exponentials over the sum of unsigned ones."""

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
             shape=dict(b=1, h=2, m=23, n=11, d=5, e=4)),
        dict(name="one_query", seed=4,
             shape=dict(b=3, h=2, m=1, n=7, d=4, e=3)),
        # Orthogonal queries: every score is exactly 0, so is its sign.
        dict(name="zero_scores", seed=5, scale=0,
             shape=dict(b=1, h=1, m=5, n=5, d=4, e=3)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def scores(Q, K):
    return np.einsum("bhmd,bhnd->bhmn", *(x.astype(np.float64)
                                          for x in (Q, K)))


def make_inputs(case):
    rng, scale = generator(case), np.float32(case.get("scale", 1))
    while True:  # rounding must not decide a sign
        x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
        x["Q"] *= scale
        if scale == 0 or abs(scores(x["Q"], x["K"])).min() > 1e-4:
            return x


def reference(inputs, consts):
    score = scores(inputs["Q"], inputs["K"]) / np.sqrt(inputs["Q"].shape[3])
    causal = np.tri(*score.shape[2:], dtype=bool)
    weight = np.sign(score) * softmax(abs(score), causal)
    return {"O": np.einsum("bhmn,bhne->bhme", weight, inputs["V"])}
