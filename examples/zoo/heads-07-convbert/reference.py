"""Self-attention heads, then convolution heads: padded inputs, windows cut out
as slices, a kernel generated for each token."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

BF16 = {"X": "b n c", "Q": "b a n d", "K": "b a n d", "V": "b a n e",
        "Qs": "b n r", "Vs": "b u n e"}


def cases():
    return [
        dict(name="mixed", seed=1,
             shape=dict(b=1, n=16, c=8, a=2, d=4, e=4, r=8, j=5, u=2)),
        dict(name="prime", seed=2,
             shape=dict(b=2, n=19, c=5, a=3, d=3, e=5, r=7, j=9, u=1)),
        dict(name="shorter_than_the_kernel", seed=3,
             shape=dict(b=1, n=3, c=4, a=1, d=4, e=3, r=3, j=9, u=2)),
        dict(name="one_token", seed=4,
             shape=dict(b=2, n=1, c=3, a=1, d=2, e=2, r=4, j=3, u=3)),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    x = {name: normal(rng, extents(case, p)) for name, p in BF16.items()}
    x["wd"] = normal(rng, extents(case, "j c"), "f32")
    Wp = normal(rng, extents(case, "c r")) / np.sqrt(r["c"])
    Wf = normal(rng, extents(case, "r u j")) / np.sqrt(r["r"])
    return x | {"Wp": round_bf16(Wp), "Wf": round_bf16(Wf)}


def windows(x, width):
    """Per row of x, the `width` rows around it, zeros outside."""
    half = width // 2
    padded = np.pad(x, ((half, width), (0, 0)))
    return np.stack([padded[i:i + width] for i in range(len(x))])


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    batch, dense, n, d = x["Q"].shape
    dynamic, width = x["Vs"].shape[1], x["wd"].shape[0]
    O = np.zeros((batch, dense + dynamic, n, x["V"].shape[3]))
    for b in range(batch):
        for a in range(dense):
            score = x["Q"][b, a] @ x["K"][b, a].T / np.sqrt(d)
            O[b, a] = softmax(score) @ x["V"][b, a]
        depthwise = np.einsum("njc,jc->nc", windows(x["X"][b], width), x["wd"])
        span = x["Qs"][b] * (depthwise @ x["Wp"])
        for u in range(dynamic):
            kernel = softmax(span @ x["Wf"][:, u])
            O[b, dense + u] = np.einsum(
                "nj,nje->ne", kernel, windows(x["Vs"][b, u], width))
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1), "j": (4, 2)},
                kernels=2, workspace="none",
                why="the depthwise window is summed before the kernel over "
                    "the same offsets; a kernel for each kind of head",
                today=dict(passes={"n": 2}, workspace="linear"))
