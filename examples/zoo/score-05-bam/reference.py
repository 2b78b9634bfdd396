"""Reference of bam.attn: likelihood times prior, normalised: the weights of a
row are exp(score) exp(-|(distance - mu) / alpha|^beta)."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, beta=[1.0, 0.5],
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, beta=[0.25, 1.0, 2.0],
             shape=dict(b=2, h=3, m=13, n=29, d=7, e=5)),
        dict(name="more_queries_than_keys", seed=3, beta=[0.5],
             shape=dict(b=1, h=1, m=31, n=7, d=5, e=4)),
        dict(name="one_query", seed=4, beta=[0.5, 1.5],
             shape=dict(b=3, h=2, m=1, n=5, d=4, e=3)),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    heads = case["shape"]["h"]
    draws = dict(mu=(-0.4, 0.4), alpha=(1, 8), s=(0.3, 0.8))
    x |= {name: rng.uniform(*between, heads).astype(np.float32)
          for name, between in draws.items()}
    return {**x, "beta": np.array(case["beta"], np.float32)}


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    m, n = x["Q"].shape[2], x["K"].shape[2]
    row, key = np.arange(m)[:, None], np.arange(n)
    head = {name: x[name][:, None, None]
            for name in ("mu", "alpha", "beta", "s")}
    prior = np.exp(-(abs(row - key - head["mu"]) / head["alpha"])
                   ** head["beta"]) * (key <= row)
    score = np.einsum("bhmd,bhnd->bhmn", x["Q"], x["K"])
    score *= head["s"] * np.log1p(row) / np.sqrt(x["Q"].shape[3])
    weight = np.exp(score) * prior
    O = np.einsum("bhmn,bhne->bhme", weight, x["V"])
    return {"O": O / weight.sum(-1, keepdims=True)}
