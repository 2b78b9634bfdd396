"""Reference of redistribute.attn: whole attention matrices whose sink columns
are scaled down and whose visual columns take up the difference."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    def case(name, seed, rho, p=0.6, **shape):
        return dict(name=name, seed=seed, shape=shape,
                    scalars=dict(p=p, rho=rho))

    return [
        case("square", 1, 0.6, b=1, h=4, m=16, n=16, d=8, e=8),
        case("prime", 2, 0.7, b=2, h=3, m=13, n=29, d=7, e=5),
        case("decode", 3, 0.6, b=3, h=4, m=1, n=23, d=4, e=4),
        case("no_head", 4, 1.5, b=1, h=2, m=7, n=7, d=4, e=3),
        case("every_head", 5, 0.0, p=0.0, b=1, h=2, m=5, n=11, d=4, e=3),
    ]


def expected():
    return dict(passes={"n": (4, 1), "m": (2, 2)}, kernels=2,
                workspace="linear", sequence=("m", "n"),
                why="a sum for each class of keys; which one counts is known "
                    "after all rows of a head",
                today=dict(passes={"n": 2}))


def maps(x):
    """(attention, visual tokens that are no sinks) of all heads."""
    Q, K = (x[name].astype(np.float64) for name in "QK")
    m, n = Q.shape[2], K.shape[2]
    score = np.einsum("bhmd,bhnd->bhmn", Q, K) / np.sqrt(Q.shape[3])
    causal = np.tri(m, n, n - m, dtype=bool)
    return softmax(score, causal), x["visual"] & ~x["sink"]


def ratios(x):
    P, clear = maps(x)
    on_visual = np.einsum("bhmn,bn->bh", P, x["visual"])
    return np.einsum("bhmn,bn->bh", P, clear), on_visual


def make_inputs(case):
    rng = generator(case)
    while True:  # rounding must not decide which heads take part
        x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
        x["visual"] = rng.random(extents(case, "b n")) < 0.7
        x["sink"] = rng.random(extents(case, "b n")) < 0.3
        x |= {name: np.array(value, np.float32)
              for name, value in case["scalars"].items()}
        clear, on_visual = ratios(x)
        if case["scalars"]["rho"] == 0 or np.all(
                abs(clear - case["scalars"]["rho"] * on_visual) > 1e-3):
            return x


def reference(inputs, consts):
    P, clear = maps(inputs)
    share, p = ratios(inputs), float(inputs["p"])
    on = share[0] >= float(inputs["rho"]) * share[1]
    for i, j in zip(*np.nonzero(on)):
        sink, other = inputs["sink"][i], clear[i]
        freed = (1 - p) * P[i, j][:, sink].sum(axis=1)
        P[i, j][:, sink] *= p
        mass = P[i, j][:, other].sum(axis=1)
        mass[mass == 0] = np.inf  # nobody takes the weight
        P[i, j][:, other] *= 1 + (freed / mass)[:, None]
    return {"O": np.einsum("bhmn,bhne->bhme", P, inputs["V"]), "on": on}
