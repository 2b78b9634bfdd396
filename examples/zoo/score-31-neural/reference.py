"""Neural attention by its formula: S[m,n] = wa . relu(Wq q_m + Wk k_n + bj)
+ ba over the keys n <= m, then softmax and a weighted sum of the values."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal, softmax  # noqa: E402


def cases():
    def case(name, seed, **shape):
        return {"name": name, "shape": shape, "consts": {},
                "scalars": {"ba": 0.25}, "seed": seed}

    return [
        case("square", 1, b=2, h=2, m=16, n=16, d=4, e=8, j=8),
        case("prime", 2, b=1, h=3, m=13, n=17, d=5, e=7, j=11),
        case("one-query", 3, b=2, h=1, m=1, n=19, d=3, e=4, j=5),
        case("one-unit", 4, b=1, h=2, m=23, n=7, d=1, e=3, j=1),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"))


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], r["d"])),
        "K": normal(rng, (r["b"], r["h"], r["n"], r["d"])),
        "V": normal(rng, (r["b"], r["h"], r["n"], r["e"])),
        "Wq": normal(rng, (r["j"], r["d"]), "f32"),
        "Wk": normal(rng, (r["j"], r["d"]), "f32"),
        "bj": normal(rng, (r["j"],), "f32"),
        "wa": normal(rng, (r["j"],), "f32"),
        "ba": np.array(case["scalars"]["ba"], np.float32),
    }


def reference(inputs, consts):
    x = {name: np.asarray(a, np.float64) for name, a in inputs.items()}
    m, n = x["Q"].shape[2], x["K"].shape[2]
    left = np.einsum("jd,bhmd->bhmj", x["Wq"], x["Q"])
    right = np.einsum("jd,bhnd->bhnj", x["Wk"], x["K"])
    hidden = np.maximum(left[:, :, :, None] + right[:, :, None] + x["bj"], 0)
    score = np.einsum("j,bhmnj->bhmn", x["wa"], hidden) + x["ba"]
    causal = np.arange(n)[None, :] <= np.arange(m)[:, None]
    return {"O": np.einsum("bhmn,bhne->bhme", softmax(score, causal), x["V"])}
