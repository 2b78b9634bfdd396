"""Reference of mta.attn: scores zero-padded as an image, convolved by sliding
the kernel, then masked; heads mixed by matrices of their group."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

QUERIES, KEYS = 6, 11  # extents of the kernel
MIXED = 2  # heads of a group
PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="two_groups", seed=1, scalars=dict(lam=0.2),
             shape=dict(b=1, h=4, g=2, m=10, n=10, d=4, e=4)),
        dict(name="prime", seed=2, scalars=dict(lam=0.8),
             shape=dict(b=1, h=2, g=1, m=17, n=17, d=3, e=5)),
        dict(name="one_token", seed=3, scalars=dict(lam=-0.5),
             shape=dict(b=2, h=2, g=1, m=1, n=1, d=7, e=3)),
        dict(name="smaller_than_the_kernel", seed=4, scalars=dict(lam=0.5),
             shape=dict(b=2, h=4, g=2, m=4, n=4, d=5, e=2)),
        dict(name="last_group_of_one_head", seed=5, scalars=dict(lam=0.1),
             shape=dict(b=1, h=3, g=2, m=7, n=7, d=4, e=4)),
    ]


def make_inputs(case):
    rng = generator(case)
    h, g = extents(case, "h g")
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    x["th"] = normal(rng, (h, QUERIES, KEYS), "f32")
    x["w"] = normal(rng, (g, MIXED, MIXED), "f32")
    x["lam"] = np.array(case["scalars"]["lam"], np.float32)
    return x


def convolve(score, kernel):
    """C[m, n] = sum over i, j of kernel[i, j] score[m - i, n + j - 5], zeros
    around the scores."""
    m, n = score.shape
    before, half = QUERIES - 1, KEYS // 2
    image = np.pad(score, ((before, 0), (half, half)))
    return sum(
        kernel[i, j] * image[before - i : before - i + m, j : j + n]
        for i in range(QUERIES)
        for j in range(KEYS)
    )


def reference(inputs, consts):
    Q, K, V, th, w, lam = (
        inputs[name].astype(np.float64)
        for name in ("Q", "K", "V", "th", "w", "lam")
    )
    b, h, m, d = Q.shape
    causal = np.tri(m, dtype=bool)
    P = np.zeros((b, h, m, m))
    O = np.zeros((b, h, m, V.shape[3]))
    for i, j in np.ndindex(b, h):
        score = np.where(causal, Q[i, j] @ K[i, j].T / np.sqrt(d), 0)
        P[i, j] = softmax(convolve(score, th[j]), causal)
    for i, j in np.ndindex(b, h):
        first = j // MIXED * MIXED
        mates = range(first, min(first + MIXED, h))
        mix = w[j // MIXED, j - first]
        Y = sum(mix[a - first] * P[i, a] for a in mates) @ V[i, j]
        scale = np.sqrt(np.mean(Y**2, axis=1, keepdims=True) + 1e-6)
        O[i, j] = Y / scale * (1 - lam)
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none",
                why="one accumulator for each pair of heads of a group, mixed "
                    "at the end; else 2 passes",
                today=dict(passes={"n": 2}, workspace="linear"))
