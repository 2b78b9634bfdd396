"""Reference of vcd_texture.attn: keys of all views in one list, from which
each pixel takes its neighbours."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "v h m d", "K": "v h n d", "V": "v h n e"}


def expected():
    return dict(passes={"n": (3, 1), "j": (3, 1)}, kernels=1,
                workspace="none", sequence=("m", "n"),
                today=dict(workspace="linear"))


def cases():
    return [
        dict(name="views", seed=1, scalars=dict(w=0.5),
             shape=dict(v=3, h=2, m=12, n=12, j=4, d=8, e=8)),
        dict(name="prime", seed=2, scalars=dict(w=0.3),
             shape=dict(v=2, h=3, m=29, n=29, j=7, d=7, e=5)),
        dict(name="no_neighbour", seed=3, scalars=dict(w=0.75),
             shape=dict(v=2, h=2, m=7, n=7, j=0, d=4, e=4)),
        dict(name="one_view", seed=4, scalars=dict(w=0.0),
             shape=dict(v=1, h=2, m=11, n=11, j=3, d=4, e=3)),
        dict(name="one_pixel", seed=5, scalars=dict(w=1.0),
             shape=dict(v=3, h=1, m=1, n=1, j=2, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    v, m, j = extents(case, "v m j")
    near = rng.integers(0, v * m, (v, m, j))
    near[rng.random((v, m, j)) < 0.3] = -1
    near[0, 0] = -1
    return {**x, "near": near.astype(np.int32),
            "w": np.array(case["scalars"]["w"], np.float32)}


def reference(inputs, consts):
    Q, K, V, w = float64(inputs, "Q K V w")
    every_key, every_value = (np.concatenate(list(np.swapaxes(x, 1, 2)))
                              for x in (K, V))  # [view and pixel, h, d]
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    for i, h, m in np.ndindex(Q.shape[:3]):
        q, near = Q[i, h, [m]], inputs["near"][i, m]
        near = near[near >= 0]
        flat = attend(q, K[i, h], V[i, h])[0]
        space = attend(q, every_key[near, h], every_value[near, h])[0]
        O[i, h, m] = w * flat + (1 - w) * space
    return {"O": O}
