"""Reference of latent_alignment.attn: distributions written out; samples from
the Philox 4x32-10 numbers that the language defines."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PRIOR = {"Q": "b m d", "K": "b n d"}
POSTERIOR = {"Q'": "b m c", "K'": "b n c", "V": "b n e"}


def cases():
    return [
        dict(name="square", seed=1, len=[16, 9],
             shape=dict(b=2, m=16, n=16, d=8)),
        dict(name="prime", seed=2, len=[23, 1, 0],
             shape=dict(b=3, m=7, n=23, d=5)),
        dict(name="one_word", seed=3, len=[11],
             shape=dict(b=1, m=1, n=11, d=4)),
    ]


def variational_cases():
    return [{**case, "scalars": {"seed": 77 + case["seed"]},
             "shape": {**case["shape"], "c": 6, "e": 5}} for case in cases()]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def prior_inputs(case, rng):
    x = {name: normal(rng, extents(case, r)) for name, r in PRIOR.items()}
    return {**x, "len": np.array(case["len"], np.int32)}


def marginal_inputs(case):
    rng = generator(case)
    ll = np.log(rng.random(extents(case, "b m n")))
    return {**prior_inputs(case, rng), "ll": ll.astype(np.float32)}


def variational_inputs(case):
    rng = generator(case)
    while True:  # rounding must not decide a sample
        x = prior_inputs(case, rng)
        x |= {name: normal(rng, extents(case, r))
              for name, r in POSTERIOR.items()}
        x["seed"] = np.array(case["scalars"]["seed"], np.int64)
        best = [np.sort(noisy)[-2:] for *_, noisy in rows(x)]
        if all(len(s) < 2 or s[1] - s[0] > 1e-3 for s in best):
            return x


def philox(key, *counter):
    """The first word of Philox 4x32-10."""
    mask = 2 ** 32 - 1
    c = list(counter) + [0] * (4 - len(counter))
    low, high = key & mask, key >> 32
    for _ in range(10):
        x, y = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(y >> 32) ^ c[1] ^ low, y & mask, (x >> 32) ^ c[3] ^ high,
             x & mask]
        low, high = (low + 0x9E3779B9) & mask, (high + 0xBB67AE85) & mask
    return c[0]


def scores(x, query, key, i, row):
    q, k = (x[name][i].astype(np.float64) for name in (query, key))
    return k[:x["len"][i]] @ q[row] / np.sqrt(q.shape[1])


def rows(x):
    """(b, m, posterior scores, the same with Gumbel noise)."""
    for i, row in np.ndindex(x["Q"].shape[:2]):
        score = scores(x, "Q'", "K'", i, row)
        u = np.array([((philox(int(x["seed"]), i, row, n) >> 9) + 0.5)
                      * 2.0 ** -23 for n in range(len(score))])
        yield i, row, score, score - np.log(-np.log(u))


def marginal(inputs, consts):
    L = np.zeros(inputs["ll"].shape[:2])
    for i, row in np.ndindex(L.shape):
        p = softmax(scores(inputs, "Q", "K", i, row))
        if len(p):
            word = np.exp(inputs["ll"][i, row, :len(p)].astype(np.float64))
            L[i, row] = np.log(p @ word)
    return {"L": L}


def variational(inputs, consts):
    b, m = inputs["Q"].shape[:2]
    O = np.zeros((b, m, inputs["V"].shape[2]))
    kl, z = np.zeros((b, m)), np.full((b, m), -1, np.int32)
    for i, row, score, noisy in rows(inputs):
        if len(score):
            p = softmax(scores(inputs, "Q", "K", i, row))
            q = softmax(score)
            kl[i, row] = np.sum(q * np.log(q / p))
            z[i, row] = np.argmax(noisy)
            O[i, row] = inputs["V"][i, z[i, row]]
    return {"O": O, "kl": kl, "z": z}


ENTRIES = {"marginal": (cases, marginal_inputs, marginal),
           "variational": (variational_cases, variational_inputs, variational)}
