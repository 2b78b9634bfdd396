"""Encoder attention, sentence by sentence: softmax over the keys within the
length, for every query row of the padded batch."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import generator, normal, softmax  # noqa: E402

DEPTH = 32


def cases():
    def case(name, seed, **shape):
        return {"name": name, "shape": shape, "consts": {}, "scalars": {},
                "seed": seed}

    return [
        case("batch", 1, b=3, h=2, m=16, n=16),
        case("prime", 2, b=3, h=1, m=17, n=23),
        case("one-query", 3, b=4, h=3, m=1, n=37),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    # Full, empty, one key, then whatever falls out.
    length = rng.integers(0, r["n"] + 1, r["b"])
    length[:3] = [r["n"], 0, 1]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], DEPTH), "f32"),
        "K": normal(rng, (r["b"], r["h"], r["n"], DEPTH), "f32"),
        "V": normal(rng, (r["b"], r["h"], r["n"], DEPTH), "f32"),
        "len": length.astype(np.int32),
    }


def reference(inputs, consts):
    q, k, v = (np.asarray(inputs[i], np.float64) for i in ("Q", "K", "V"))
    out = np.zeros(q.shape)
    for b, length in enumerate(inputs["len"]):
        keys, values = k[b, :, :length], v[b, :, :length]
        score = np.einsum("hmd,hnd->hmn", q[b], keys) / np.sqrt(DEPTH)
        out[b] = softmax(score) @ values
    return {"O": out}
