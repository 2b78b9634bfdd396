"""Quest, sequence by sequence and head by head: page bounds over the keys that
are there, the best k pages (ties by page), attention over their keys."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal, softmax  # noqa: E402

PAGE = 16


def cases():
    def case(name, seed, k, **shape):
        return {"name": name, "shape": shape, "consts": {"k": k}, "scalars": {},
                "seed": seed}

    return [
        case("whole-pages", 1, 3, b=3, h=2, n=96, d=8, e=8),
        case("prime", 2, 2, b=5, h=3, n=83, d=5, e=7),
        case("one-page", 3, 1, b=2, h=2, n=64, d=4, e=3),
        case("fewer-pages-than-k", 4, 7, b=3, h=1, n=50, d=3, e=4),
        case("one-key", 5, 2, b=2, h=1, n=1, d=2, e=1),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    # Full, empty, one key, then whatever falls out.
    length = rng.integers(0, r["n"] + 1, r["b"])
    length[:3] = [r["n"], 0, 1][:r["b"]]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["d"])),
        "K": normal(rng, (r["b"], r["h"], r["n"], r["d"])),
        "V": normal(rng, (r["b"], r["h"], r["n"], r["e"])),
        "len": length.astype(np.int32),
    }


def reference(inputs, consts):
    q, k, v = (np.asarray(inputs[i], np.float64) for i in ("Q", "K", "V"))
    out = np.zeros(q.shape[:2] + v.shape[3:])
    for b, h in np.ndindex(q.shape[:2]):
        length = int(inputs["len"][b])
        query, keys = q[b, h], k[b, h, :length]
        pages = [keys[s:s + PAGE] for s in range(0, length, PAGE)]
        bound = [np.maximum(query * page.min(0), query * page.max(0)).sum()
                 for page in pages]
        best = sorted(range(len(pages)), key=lambda p: (-bound[p], p))
        chosen = np.isin(np.arange(length) // PAGE, best[:consts["k"]])
        score = keys @ query / np.sqrt(q.shape[2])
        out[b, h] = softmax(score, chosen) @ v[b, h, :length]
    return {"O": out}
