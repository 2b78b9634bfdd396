"""Reference of tkl.attn: chunk after chunk of the document, then window after
window of its matches."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}
KERNELS = ("mu", "sigma", "sa", "sb", "sc", "wk")


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="linear",
                sequence=("m", "n", "r"),
                why="the scores of all windows wait for the selection")


def cases():
    return [
        dict(name="chunks", seed=1, consts=dict(B=5, H=2),
             shape=dict(b=2, h=2, m=23, n=23, d=8, e=8)),
        dict(name="prime", seed=2, consts=dict(B=7, H=3),
             shape=dict(b=3, h=3, m=29, n=29, d=7, e=5)),
        dict(name="no_halo", seed=3, consts=dict(B=4, H=0),
             shape=dict(b=1, h=1, m=12, n=12, d=4, e=3)),
        dict(name="one_chunk", seed=4,
             shape=dict(b=2, h=2, m=11, n=11, d=4, e=4)),
        dict(name="one_token", seed=5, consts=dict(B=2, H=1),
             shape=dict(b=2, h=2, m=1, n=1, d=4, e=3)),
    ]


def pooling_cases():
    return [
        dict(name="regions", seed=1, consts=dict(W=4),
             shape=dict(b=2, i=4, n=24, d=8, k=5, t=3)),
        dict(name="prime", seed=2, consts=dict(W=7),
             shape=dict(b=3, i=5, n=29, d=7, k=3, t=2)),
        dict(name="window_of_one", seed=3, consts=dict(W=1),
             shape=dict(b=1, i=3, n=13, d=5, k=2, t=4)),
        dict(name="fewer_windows_than_regions", seed=4, consts=dict(W=3),
             shape=dict(b=2, i=2, n=2, d=4, k=3, t=5)),
    ]


def lengths(rng, case):
    length = rng.integers(0, case["shape"]["n"] + 1, extents(case, "b"))
    length[0] = case["shape"]["n"]
    return length.astype(np.int32)


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "len": lengths(rng, case)}


def make_matches(case):
    rng, k = generator(case), case["shape"]["k"]
    x = {"Q": normal(rng, extents(case, "b i d")),
         "D": normal(rng, extents(case, "b n d")), "len": lengths(rng, case)}
    x["mu"] = np.linspace(-0.8, 0.8, k)
    x["sigma"] = np.full(k, 0.4)
    x["sa"], x["sb"] = rng.uniform(0.5, 2, k), rng.uniform(1, 3, k)
    x["sc"], x["wk"] = rng.uniform(0, 1, k), rng.standard_normal(k)
    x["wt"] = rng.uniform(0.2, 1, extents(case, "t"))
    return {name: a.astype(np.float32) if a.dtype == np.float64 else a
            for name, a in x.items()}


def local(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    size, halo = consts.get("B", 40), consts.get("H", 10)
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, length in enumerate(inputs["len"]):
        for first in range(0, length, size):
            rows = np.s_[i, :, first:min(first + size, length)]
            keys = np.s_[i, :, max(first - halo, 0):
                         min(first + size + halo, length)]
            O[rows] = attend(Q[rows], K[keys], V[keys])
    return {"O": O}


def pooling(inputs, consts):
    Q, D, mu, sigma, sa, sb, sc, wk, wt = float64(
        inputs, "Q D mu sigma sa sb sc wk wt")
    score = np.zeros(len(Q))
    region = np.full((len(Q), len(wt)), -1)
    Q, D = (x / np.linalg.norm(x, axis=-1, keepdims=True) for x in (Q, D))
    for b, length in enumerate(inputs["len"]):
        match = Q[b] @ D[b, :length].T
        soft = np.exp(-(match[..., None] - mu) ** 2 / (2 * sigma ** 2))
        rating = np.zeros(length)
        for first in range(length):
            count = soft[:, first:first + consts["W"]].sum(axis=1)
            rating[first] = ((sa * count ** (1 / sb) - sc) @ wk).sum()
        best = np.argsort(-rating)[:len(wt)]
        region[b, :len(best)] = best
        score[b] = wt[:len(best)] @ rating[best]
    return {"score": score, "region": region}


ENTRIES = {"local": (cases, make_inputs, local),
           "pooling": (pooling_cases, make_matches, pooling)}
