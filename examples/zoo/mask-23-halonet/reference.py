"""Reference of halonet.attn: block after block of the image, its halo as a
slice."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, float64, generator, normal, softmax

PORTS = {"Q": "b h y x d", "K": "b h v u d", "V": "b h v u e"}


def expected():
    return dict(passes={"v": (3, 1), "u": (3, 1)}, kernels=1,
                workspace="none", sequence=("y", "x", "v", "u"))


def cases():
    return [
        dict(name="square", seed=1, consts=dict(B=2, H=1),
             shape=dict(b=1, h=2, y=6, x=6, v=6, u=6, d=4, e=4)),
        dict(name="prime", seed=2, consts=dict(B=3, H=2),
             shape=dict(b=1, h=1, y=5, x=7, v=5, u=7, d=3, e=5)),
        dict(name="no_halo", seed=3, consts=dict(B=3, H=0),
             shape=dict(b=2, h=1, y=4, x=6, v=4, u=6, d=4, e=3)),
        dict(name="block_beyond_the_image", seed=4,
             shape=dict(b=1, h=2, y=3, x=4, v=3, u=4, d=4, e=4)),
        dict(name="one_line", seed=5, consts=dict(B=4, H=1),
             shape=dict(b=1, h=2, y=1, x=13, v=1, u=13, d=5, e=4)),
        dict(name="one_pixel", seed=6, consts=dict(B=1, H=2),
             shape=dict(b=2, h=2, y=1, x=1, v=1, u=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    consts = {"B": 8, "H": 3, **case.get("consts", {})}
    table = (2 * sum(consts.values()) - 1, case["shape"]["d"])
    return {**x, "Ry": normal(rng, table), "Rx": normal(rng, table)}


def reference(inputs, consts):
    Q, K, V, Ry, Rx = float64(inputs, "Q K V Ry Rx")
    block, halo = consts.get("B", 8), consts.get("H", 3)
    zero = block + halo - 1  # the row of the tables for offset 0
    O = np.zeros(Q.shape[:4] + V.shape[4:])
    for i, j, y, x in np.ndindex(Q.shape[:4]):
        (vs, us) = ([n for n in range(size) if
                     at - at % block - halo <= n
                     < at - at % block + block + halo]
                    for at, size in ((y, K.shape[2]), (x, K.shape[3])))
        logits, values = [], []
        for v in vs:
            for u in us:
                place = Ry[zero + v - y] + Rx[zero + u - x]
                logits.append(Q[i, j, y, x] @ (K[i, j, v, u] + place))
                values.append(V[i, j, v, u])
        weight = softmax(np.array(logits) / np.sqrt(Q.shape[4]))
        O[i, j, y, x] = weight @ np.array(values)
    return {"O": O}
