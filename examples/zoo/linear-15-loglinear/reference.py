"""Log-linear attention by its levels: position s stands at level l of t if t
and s first differ at bit l-1 (level 0: t itself). A level beyond the table of
weights is absent and contributes nothing."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal  # noqa: E402


def cases():
    def case(name, seed, **shape):
        return {"name": name, "shape": shape, "consts": {}, "scalars": {},
                "seed": seed}

    return [
        case("power-of-two", 1, b=2, h=2, t=32, s=32, d=8, e=8, l=6),
        case("prime", 2, b=1, h=3, t=41, s=41, d=5, e=7, l=7),
        case("one-step", 3, b=2, h=2, t=1, s=1, d=4, e=3, l=1),
        case("short-table", 4, b=1, h=2, t=29, s=29, d=3, e=5, l=3),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    gate = -0.1 * np.abs(rng.standard_normal((r["b"], r["h"], r["t"])))
    return {
        "Q": normal(rng, (r["b"], r["h"], r["t"], r["d"])),
        "K": normal(rng, (r["b"], r["h"], r["s"], r["d"])),
        "V": normal(rng, (r["b"], r["h"], r["s"], r["e"])),
        "g": gate.astype(np.float32),
        "lam": normal(rng, (r["b"], r["h"], r["t"], r["l"]), "f32"),
    }


def reference(inputs, consts):
    x = {name: np.asarray(a, np.float64) for name, a in inputs.items()}
    decay, out = np.cumsum(x["g"], 2), np.zeros(x["V"].shape)
    levels = x["lam"].shape[3]
    for t in range(x["V"].shape[2]):
        for s in range(t + 1):
            level = (t ^ s).bit_length()
            if level >= levels:
                continue
            weight = np.einsum("bhd,bhd->bh", x["Q"][:, :, t], x["K"][:, :, s])
            weight *= np.exp(decay[:, :, t] - decay[:, :, s])
            weight *= x["lam"][:, :, t, level]
            out[:, :, t] += weight[..., None] * x["V"][:, :, s]
    return {"O": out}
