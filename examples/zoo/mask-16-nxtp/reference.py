"""Reference of nxtp.attn: each row's keys are the prefix, then the tokens of
its label up to itself."""

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
        dict(name="labels", seed=1, prefix=[6], each=3,
             shape=dict(b=1, h=2, m=18, n=18, d=8, e=8)),
        dict(name="prime", seed=2, prefix=[11, 0], each=4,
             shape=dict(b=2, h=3, m=29, n=29, d=7, e=5)),
        dict(name="prefix_only", seed=3, prefix=[7], each=2,
             shape=dict(b=1, h=2, m=7, n=7, d=4, e=3)),
        dict(name="labels_of_one_token", seed=4, prefix=[3], each=1,
             shape=dict(b=1, h=1, m=13, n=13, d=4, e=4)),
        dict(name="one_token", seed=5, prefix=[0, 1], each=1,
             shape=dict(b=2, h=2, m=1, n=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    prefix = np.array(case["prefix"], np.int32)
    after = np.arange(case["shape"]["n"]) - prefix[:, None]
    label = np.where(after < 0, -1, after // case["each"])
    return {**x, "prefix": prefix, "label": label.astype(np.int32)}


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, j, row in np.ndindex(Q.shape[:3]):
        label, first = inputs["label"][i], inputs["prefix"][i]
        own = [n for n in range(first, row + 1) if label[n] == label[row]]
        keys = list(range(first)) + own
        O[i, j, row] = attend(Q[i, j, [row]], K[i, j, keys], V[i, j, keys])[0]
    return {"O": O}
