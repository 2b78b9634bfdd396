"""Native sparse attention, query by query: compressed keys, block importance
summed over the head group, selected blocks, window, and the gated sum."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal, sigmoid, softmax  # noqa: E402


def cases():
    def case(name, seed, st, block, k, window, **shape):
        return {"name": name, "shape": shape,
                "consts": {"st": st, "B": block, "k": k, "W": window},
                "scalars": {}, "seed": seed}

    return [
        case("whole-blocks", 1, 4, 8, 3, 8, b=1, h=4, g=2, m=48, n=48, d=4, e=8,
             r=8),
        case("prime", 5, 3, 7, 3, 5, b=1, h=3, g=1, m=41, n=41, d=5, e=3, r=5),
        case("one-token", 3, 2, 4, 2, 3, b=2, h=2, g=1, m=1, n=1, d=3, e=4,
             r=2),
        case("one-block-kept", 4, 4, 8, 1, 6, b=2, h=2, g=2, m=29, n=29, d=3,
             e=2, r=6),
        # The pooling is wider than the cache: the first branch has no key.
        case("nothing-compressed", 6, 4, 4, 2, 4, b=1, h=2, g=1, m=7, n=7, d=3,
             e=2, r=9),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    keys = (r["b"], r["g"], r["n"], r["d"])
    values = (r["b"], r["g"], r["n"], r["e"])
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], r["d"])),
        "Kc": normal(rng, keys),
        "Vc": normal(rng, values),
        "Ks": normal(rng, keys),
        "Vs": normal(rng, values),
        "Kw": normal(rng, keys),
        "Vw": normal(rng, values),
        "wk": normal(rng, (r["r"], r["d"]), "f32"),
        "wv": normal(rng, (r["r"], r["e"]), "f32"),
        "gate": sigmoid(normal(rng, (r["b"], r["h"], r["m"], 3), "f32")).astype(
            np.float32),
    }


def compress(x, weight, stride):
    """tanh of weighted sums over overlapping runs of rows."""
    width = weight.shape[0]
    starts = range(0, x.shape[2] - width + 1, stride)
    pooled = [np.tanh((weight * x[:, :, s:s + width]).sum(2)) for s in starts]
    return np.stack(pooled, 2) if pooled else x[:, :, :0]


def importance(prob, block, blocks, width, stride):
    """Compressed probability of each block: all runs that overlap it."""
    mass = np.zeros(blocks)
    for p in range(blocks):
        for c in range(prob.shape[-1]):
            if c * stride < (p + 1) * block and c * stride + width > p * block:
                mass[p] += prob[..., c].sum()
    return mass


def reference(inputs, consts):
    x = {name: np.asarray(a, np.float64) for name, a in inputs.items()}
    stride, block, keep = consts["st"], consts["B"], consts["k"]
    batch, heads, length, d = x["Q"].shape
    group, width = heads // x["Kc"].shape[1], x["wk"].shape[0]
    kc = compress(x["Kc"], x["wk"], stride)
    vc = compress(x["Vc"], x["wv"], stride)
    ends = np.arange(kc.shape[2]) * stride + width - 1
    n = np.arange(length)
    out = np.zeros((batch, heads, length, vc.shape[3]))
    for b, g, m in np.ndindex(batch, x["Kc"].shape[1], length):
        rows = slice(g * group, (g + 1) * group)
        q = x["Q"][b, rows, m] / np.sqrt(d)
        compressed = softmax(q @ kc[b, g].T, ends <= m)
        own = m // block
        mass = importance(compressed, block, own + 1, width, stride)
        mass[[0, own]] = np.inf
        best = sorted(range(own + 1), key=lambda p: (-mass[p], p))[:keep]
        chosen = (n <= m) & np.isin(n // block, best)
        selected = softmax(q @ x["Ks"][b, g].T, chosen)
        window = softmax(q @ x["Kw"][b, g].T, (n > m - consts["W"]) & (n <= m))
        gate = x["gate"][b, rows, m]
        out[b, rows, m] = (gate[:, 0:1] * (compressed @ vc[b, g])
                           + gate[:, 1:2] * (selected @ x["Vs"][b, g])
                           + gate[:, 2:3] * (window @ x["Vw"][b, g]))
    return {"O": out}
