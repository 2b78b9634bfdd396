"""Latent attention in its expanded form: every head's keys and values are
computed from the latents, then ordinary causal attention with two key parts."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal, round_bf16, softmax  # noqa: E402


def cases():
    def case(name, seed, pos, **shape):
        return {"name": name, "shape": shape, "consts": {},
                "scalars": {"pos": pos}, "seed": seed}

    return [
        case("prefill", 1, 0, b=2, h=2, m=16, n=16, d=8, c=4, r=8, f=8),
        case("prime", 2, 4, b=1, h=3, m=13, n=17, d=5, c=3, r=7, f=11),
        case("decode", 3, 30, b=2, h=4, m=1, n=31, d=4, c=2, r=6, f=5),
        case("one-latent", 4, 2, b=1, h=1, m=5, n=11, d=3, c=1, r=1, f=2),
        # Queries that stand before the first key have no key: zeros.
        case("before-keys", 5, -3, b=1, h=2, m=7, n=7, d=3, c=2, r=3, f=4),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    fan_in = np.sqrt(r["r"])  # as trained: expanded keys and values near 1
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], r["d"])),
        "Qr": normal(rng, (r["b"], r["h"], r["m"], r["c"])),
        "L": normal(rng, (r["b"], r["n"], r["r"])),
        "Kr": normal(rng, (r["b"], r["n"], r["c"])),
        "Wuk": round_bf16(normal(rng, (r["h"], r["r"], r["d"])) / fan_in),
        "Wuv": round_bf16(normal(rng, (r["h"], r["r"], r["f"])) / fan_in),
        "pos": np.array(case["scalars"]["pos"], np.int32),
    }


def reference(inputs, consts):
    x = {name: np.asarray(a, np.float64) for name, a in inputs.items()}
    pos = int(inputs["pos"])
    m, d = x["Q"].shape[2:]
    n, c = x["Kr"].shape[1:]
    key = np.einsum("bnr,hrd->bhnd", x["L"], x["Wuk"])
    value = np.einsum("bnr,hrf->bhnf", x["L"], x["Wuv"])
    score = np.einsum("bhmd,bhnd->bhmn", x["Q"], key)
    score += np.einsum("bhmc,bnc->bhmn", x["Qr"], x["Kr"])
    score /= np.sqrt(d + c)
    causal = np.arange(n)[None, :] <= np.arange(m)[:, None] + pos
    return {"O": np.einsum("bhmn,bhnf->bhmf", softmax(score, causal), value)}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                why="absorbed weights; expanded keys are one more kernel and "
                    "linear workspace")
