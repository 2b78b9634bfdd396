"""Reference of gqa.attn: row by row over the keys a query sees."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import extents, generator, normal

PORTS = {"Q": "b h m d", "K": "b g n d", "V": "b g n e"}


def sinking_keys(x, rng):
    """Scores of -inf; row 0 of a square case sees no other."""
    x["Q"][..., 0] = np.maximum(abs(x["Q"][..., 0]), 0.5)
    x["K"][..., ::4, 0] = -np.inf


def nan_key(x, rng):
    """One NaN in the keys of group 0: exactly the rows that see it."""
    n = x["K"].shape[2]
    x["K"][0, 0, n // 2, 0] = np.nan


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=2, h=4, g=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2,
             shape=dict(b=1, h=6, g=3, m=13, n=29, d=7, e=11)),
        dict(name="decode", seed=3,
             shape=dict(b=3, h=8, g=2, m=1, n=37, d=16, e=16)),
        dict(name="more_queries_than_keys", seed=4, nonfinite=["L"],
             shape=dict(b=1, h=2, g=1, m=19, n=7, d=5, e=3)),
        dict(name="ragged_groups", seed=5,
             shape=dict(b=1, h=5, g=3, m=4, n=9, d=4, e=4)),
        dict(name="one_head_each", seed=6,
             shape=dict(b=1, h=3, g=3, m=67, n=67, d=1, e=1)),
        dict(name="no_keys", seed=7, nonfinite=["L"],
             shape=dict(b=1, h=2, g=2, m=3, n=0, d=4, e=4)),
        dict(name="minus_inf_scores", seed=8, nonfinite=["L"],
             inputs=sinking_keys,
             shape=dict(b=1, h=4, g=2, m=11, n=11, d=6, e=5)),
        dict(name="nan_key", seed=9, nonfinite=["O", "L"], inputs=nan_key,
             shape=dict(b=2, h=4, g=2, m=17, n=17, d=4, e=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    case.get("inputs", lambda x, rng: None)(x, rng)
    return x


def reference(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    b, h, m, d = Q.shape
    g, n, e = K.shape[1], K.shape[2], V.shape[3]
    heads_per_group = -(-h // g)
    O, L = np.zeros((b, h, m, e)), np.full((b, h, m), -np.inf)
    for i, j, row in np.ndindex(b, h, m):
        group = j // heads_per_group
        last = row + n - m  # the key of the query's own position
        seen = np.arange(max(last + 1, 0))
        score = K[i, group, seen] @ Q[i, j, row] / np.sqrt(d)
        seen, score = seen[score != -np.inf], score[score != -np.inf]
        if seen.size == 0:
            continue
        top = score.max()
        weight = np.exp(score - top)
        O[i, j, row] = weight / weight.sum() @ V[i, group, seen]
        L[i, j, row] = top + np.log(weight.sum())
    return {"O": O, "L": L}
