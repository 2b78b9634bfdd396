"""Retention step by step: H = gamma H + k v^T, o = q H."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import generator, normal  # noqa: E402


def cases():
    def case(name, seed, **shape):
        return {"name": name, "shape": shape, "consts": {}, "scalars": {},
                "seed": seed}

    return [
        case("chunks", 1, b=2, h=2, t=64, d=8, e=8),
        case("prime", 2, b=1, h=3, t=37, d=5, e=7),
        case("decode", 3, b=2, h=4, t=1, d=8, e=4),
        case("no-step", 4, b=2, h=2, t=0, d=3, e=4),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["t"], r["d"])),
        "K": normal(rng, (r["b"], r["h"], r["t"], r["d"])),
        "V": normal(rng, (r["b"], r["h"], r["t"], r["e"])),
        "gamma": (1 - 2.0 ** (-1 - np.arange(r["h"]))).astype(np.float32),
        "H0": normal(rng, (r["b"], r["h"], r["d"], r["e"]), "f32"),
    }


def reference(inputs, consts):
    x = {name: np.asarray(a, np.float64) for name, a in inputs.items()}
    gamma = x["gamma"][None, :, None, None]
    state, out = x["H0"], np.zeros(x["V"].shape)
    for t in range(x["V"].shape[2]):
        q, k, v = (x[i][:, :, t] for i in ("Q", "K", "V"))
        state = gamma * state + k[..., :, None] * v[..., None, :]
        out[:, :, t] = np.einsum("bhd,bhde->bhe", q, state)
    return {"O": out, "H1": state}
