"""The gated delta rule step by step: u = be (v - a k H), H = a H + k u^T,
o = q H."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from support import generator, normal, round_bf16, sigmoid  # noqa: E402


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
    key = rng.standard_normal((r["b"], r["h"], r["t"], r["d"]))
    key /= np.sqrt(np.sum(key * key, -1, keepdims=True))  # unit, as trained
    gate = rng.standard_normal((2, r["b"], r["h"], r["t"]))
    return {
        "Q": normal(rng, (r["b"], r["h"], r["t"], r["d"])),
        "K": round_bf16(key),
        "V": normal(rng, (r["b"], r["h"], r["t"], r["e"])),
        "a": sigmoid(gate[0] + 2).astype(np.float32),
        "be": sigmoid(gate[1]).astype(np.float32),
        "H0": normal(rng, (r["b"], r["h"], r["d"], r["e"]), "f32"),
    }


def reference(inputs, consts):
    x = {name: np.asarray(a, np.float64) for name, a in inputs.items()}
    state, out = x["H0"], np.zeros(x["V"].shape)
    for t in range(x["V"].shape[2]):
        q, k, v = (x[i][:, :, t] for i in ("Q", "K", "V"))
        a, be = x["a"][:, :, t, None], x["be"][:, :, t, None]
        update = be * (v - a * np.einsum("bhd,bhde->bhe", k, state))
        state = a[..., None] * state + k[..., :, None] * update[..., None, :]
        out[:, :, t] = np.einsum("bhd,bhde->bhe", q, state)
    return {"O": out, "H1": state}
