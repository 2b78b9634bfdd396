"""SnapKV per key head: votes of the last W queries of the group, max-pooled
over R neighbours, the best k keys and the last W in order. An unused tail of
the new cache is 0, its positions -1."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal, softmax  # noqa: E402


def cases():
    def case(name, seed, window, pool, k, **shape):
        return {"name": name, "shape": shape,
                "consts": {"W": window, "R": pool, "k": k}, "scalars": {},
                "seed": seed}

    return [
        case("prefill", 1, 8, 7, 16, b=2, h=4, g=2, m=64, n=64, d=8, e=8),
        case("prime", 2, 5, 3, 11, b=1, h=3, g=1, m=23, n=53, d=5, e=7),
        case("one-query", 3, 4, 5, 6, b=2, h=2, g=2, m=1, n=37, d=3, e=4),
        case("short-cache", 4, 4, 3, 16, b=1, h=2, g=1, m=11, n=13, d=3, e=2),
        case("all-window", 5, 8, 3, 4, b=1, h=2, g=1, m=5, n=5, d=2, e=1),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], r["d"])),
        "K": normal(rng, (r["b"], r["g"], r["n"], r["d"])),
        "V": normal(rng, (r["b"], r["g"], r["n"], r["e"])),
    }


def votes(q, k, window):
    """Attention mass of each key before the window, from the last queries."""
    heads, m, d = q.shape
    n = k.shape[0]
    total = np.zeros(max(n - window, 0))
    for w in range(window):
        row = m - window + w
        if row < 0:
            continue
        prob = softmax(q[:, row] @ k.T / np.sqrt(d),
                       np.arange(n) <= n - window + w)
        total += prob.sum(0)[:len(total)]
    return total


def max_pool(x, width):
    """Max over `width` neighbours around each entry, fewer at the ends."""
    starts = [i - width // 2 for i in range(len(x))]
    return [x[max(s, 0):s + width].max() for s in starts]


def reference(inputs, consts):
    q, k, v = (np.asarray(inputs[i], np.float64) for i in ("Q", "K", "V"))
    window, keep = consts["W"], consts["k"]
    batch, groups, n, d = k.shape
    share = q.shape[1] // groups
    k1 = np.zeros((batch, groups, keep + window, d))
    v1 = np.zeros((batch, groups, keep + window, v.shape[3]))
    pos = np.full((batch, groups, keep + window), -1, np.int32)
    for b, g in np.ndindex(batch, groups):
        queries = q[b, g * share:(g + 1) * share]
        pooled = max_pool(votes(queries, k[b, g], window), consts["R"])
        best = sorted(range(len(pooled)), key=lambda i: (-pooled[i], i))[:keep]
        kept = sorted(best) + list(range(max(n - window, 0), n))
        k1[b, g, :len(kept)] = k[b, g, kept]
        v1[b, g, :len(kept)] = v[b, g, kept]
        pos[b, g, :len(kept)] = kept
    return {"K1": k1, "V1": v1, "pos": pos}
