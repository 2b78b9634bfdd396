"""Reference of pattern_heads.attn: a list of keys per row from the kind of
the head; positional heads copy a value."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="all_kinds", seed=1, kind=[0, 1, 2, 3, 4],
             shape=dict(b=1, h=5, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, kind=[4, 2, 1],
             shape=dict(b=2, h=3, m=29, n=29, d=7, e=5)),
        dict(name="free_heads", seed=3, kind=[0, 0],
             shape=dict(b=1, h=2, m=11, n=11, d=4, e=3)),
        dict(name="one_token", seed=4, kind=[3, 0, 4],
             shape=dict(b=2, h=3, m=1, n=1, d=4, e=3)),
        dict(name="no_token", seed=5, kind=[1],
             shape=dict(b=1, h=1, m=0, n=0, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    tokens = extents(case, "b n")
    stops = np.cumsum(rng.random(tokens) < 0.2, axis=1)
    return {**x, "kind": np.array(case["kind"], np.int32),
            "word": rng.integers(0, 6, tokens).astype(np.int32),
            "sentence": stops.astype(np.int32)}


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        kind = inputs["kind"][j]
        if kind >= 3:
            key = row - 1 if kind == 3 else row + 1
            if 0 <= key < V.shape[2]:
                O[i, j, row] = V[i, j, key]
            continue
        label = inputs[("word", "word", "sentence")[kind]][i]
        same = np.ones_like(label, bool) if kind == 0 else label == label[row]
        O[i, j, row] = attend(Q[i, j, [row]], K[i, j, same], V[i, j, same])[0]
    return {"O": O}
