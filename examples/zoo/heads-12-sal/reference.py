"""Token by token: class embeddings looked up in the codebook, projected to
queries and keys; a token of class -1 is padding and gives zeros."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

def cases():
    return [
        dict(name="classes", seed=1,
             shape=dict(b=2, h=2, n=16, k=8, c=4, d=8, e=8)),
        dict(name="prime", seed=2, padding=5,
             shape=dict(b=2, h=3, n=19, k=5, c=3, d=7, e=5)),
        dict(name="one_class", seed=3,
             shape=dict(b=1, h=2, n=7, k=1, c=4, d=3, e=2)),
        dict(name="all_padding", seed=4, padding=11,
             shape=dict(b=1, h=1, n=11, k=3, c=2, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    z = rng.integers(0, case["shape"]["k"], extents(case, "b n"))
    if "padding" in case:
        z[0, -case["padding"]:] = -1
    return {
        "z": z.astype(np.int32),
        "C": normal(rng, extents(case, "k c"), "f32"),
        "Wq": normal(rng, extents(case, "h c d"), "f32"),
        "Wk": normal(rng, extents(case, "h c d"), "f32"),
        "V": normal(rng, extents(case, "b h n e")),
    }


def reference(inputs, consts):
    z = inputs["z"]
    C, Wq, Wk, V = (inputs[name].astype(np.float64)
                    for name in ("C", "Wq", "Wk", "V"))
    O = np.zeros(V.shape)
    for b, h in np.ndindex(V.shape[:2]):
        real = z[b] >= 0
        x = C[z[b, real]]
        score = (x @ Wq[h]) @ (x @ Wk[h]).T / np.sqrt(Wq.shape[2])
        O[b, h, real] = softmax(score) @ V[b, h, real]
    return {"O": O}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none", why="the projected codebook is a small table",
                today=dict(workspace="linear"))
