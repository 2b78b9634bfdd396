"""Reference of transport.attn in the log domain: dual potentials of genes and
patches, in turn, as damped log-sum-exps of costs."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal


def cases():
    def case(name, seed, len, rounds, eps=6.0, rho=4.0, **shape):
        return dict(name=name, seed=seed, len=len, shape=shape,
                    consts=dict(rounds=rounds), scalars=dict(eps=eps, rho=rho))

    return [
        case("slide", 1, [24, 17], 5, b=2, g=6, n=24, d=8),
        case("prime", 2, [29, 1, 13], 3, b=3, g=7, n=29, d=5),
        case("one_round", 3, [11], 1, b=1, g=3, n=11, d=4),
        case("nearly_balanced", 4, [13], 12, rho=200.0, b=1, g=5, n=13, d=3),
        case("no_patch", 5, [0, 2], 2, b=2, g=2, n=3, d=2),
    ]


def expected():
    return dict(passes={"n": (6, 6), "g": (6, 6)}, kernels=1,
                workspace="linear", sequence=("n",),
                why="each half round needs the whole scaling of the other side; "
                    "5 rounds here")


def make_inputs(case):
    rng = generator(case)
    x = {"G": normal(rng, extents(case, "b g d")),
         "X": normal(rng, extents(case, "b n d")),
         "len": np.array(case["len"], np.int32)}
    return x | {name: np.array(value, np.float32)
                for name, value in case["scalars"].items()}


def soft_minimum(cost, eps, axis):
    """-eps log sum exp(-cost / eps)."""
    least = cost.min(axis=axis, keepdims=True)
    total = np.exp((least - cost) / eps).sum(axis=axis)
    return least.squeeze(axis) - eps * np.log(total)


def reference(inputs, consts):
    G, X = (inputs[name].astype(np.float64) for name in "GX")
    eps, rho = float(inputs["eps"]), float(inputs["rho"])
    damping = rho / (rho + eps)
    O = np.zeros(G.shape)
    for i, size in enumerate(inputs["len"]):
        if not size:
            continue
        genes, patches = G[i], X[i, :size]
        cost = np.linalg.norm(genes[:, None] - patches, axis=2) ** 2
        g = np.zeros(size)  # potential eps log v of a patch
        for _ in range(consts["rounds"]):
            f = soft_minimum(cost - g, eps, 1) - eps * np.log(len(genes))
            f *= damping
            g = soft_minimum(cost - f[:, None], eps, 0) - eps * np.log(size)
            g *= damping
        O[i] = np.exp((f[:, None] + g - cost) / eps) @ patches
    return {"O": O}
