"""Reference of box_bias.attn: a bias image for each box from the two MLPs, then
softmax over all pixels."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h y x d", "V": "b h y x e"}
WEIGHTS = {"W1": "r s", "b1": "r", "W2": "h r",
           "U1": "r s", "c1": "r", "U2": "h r"}


def cases():
    return [
        dict(name="square", seed=1,
             shape=dict(b=1, h=2, m=8, y=8, x=8, d=8, e=8, r=4, s=2)),
        dict(name="prime", seed=2,
             shape=dict(b=2, h=3, m=5, y=7, x=11, d=7, e=5, r=3, s=2)),
        dict(name="one_row", seed=3,
             shape=dict(b=1, h=1, m=3, y=1, x=13, d=4, e=3, r=5, s=2)),
        dict(name="one_query_one_unit", seed=4,
             shape=dict(b=2, h=2, m=1, y=3, x=2, d=4, e=4, r=1, s=2)),
    ]


def expected():
    return dict(passes={"y": (3, 1), "x": (3, 1)}, kernels=1,
                workspace="linear", sequence=("m", "y", "x"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    x |= {name: normal(rng, extents(case, r), "f32") / 3
          for name, r in WEIGHTS.items()}
    for low, high, rank in ("left", "right", "x"), ("top", "bottom", "y"):
        sides = rng.uniform(0, case["shape"][rank], (2, *extents(case, "b m")))
        x[low], x[high] = np.sort(sides, axis=0).astype(np.float32)
    return x


def mlp(low, high, pixels, first, bias, second):
    """Biases [b, h, m, pixel] of one axis."""
    sides = np.stack([low, high], axis=-1)[..., None, :]  # b m 1 s
    offset = sides - np.arange(pixels)[:, None]
    hidden = np.maximum(offset @ first.T + bias, 0)
    return np.einsum("hr,bmpr->bhmp", second, hidden)


def reference(inputs, consts):
    t = {name: a.astype(np.float64) for name, a in inputs.items()}
    height, width = t["K"].shape[2:4]
    columns = mlp(t["left"], t["right"], width, t["W1"], t["b1"], t["W2"])
    rows = mlp(t["top"], t["bottom"], height, t["U1"], t["c1"], t["U2"])
    score = np.einsum("bhmd,bhyxd->bhmyx", t["Q"], t["K"])
    score = score / np.sqrt(t["Q"].shape[3])
    score += rows[..., :, None] + columns[..., None, :]
    weight = softmax(score, axis=(3, 4))
    return {"O": np.einsum("bhmyx,bhyxe->bhme", weight, t["V"])}
