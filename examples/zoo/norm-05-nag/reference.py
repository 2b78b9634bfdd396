"""Reference of nag.attn: both attentions, then token after token over all
heads."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import attend, extents, float64, generator, normal

PORTS = {"Q": "b h m d", "Kp": "b h n d", "Vp": "b h n e",
         "Kn": "b h l d", "Vn": "b h l e"}


def expected():
    return dict(passes={"n": (3, 1), "l": (3, 1)}, kernels=2,
                workspace="linear", sequence=("m", "n", "l"),
                why="the norm joins all heads of a token")


def scalars(s, tau, alpha):
    return dict(s=s, tau=tau, alpha=alpha)


def cases():
    return [
        dict(name="prompts", seed=1, scalars=scalars(4.0, 2.5, 0.25),
             shape=dict(b=2, h=2, m=16, n=7, l=12, d=8, e=8)),
        dict(name="prime", seed=2, scalars=scalars(1.5, 1.2, 0.5),
             shape=dict(b=2, h=3, m=29, n=13, l=11, d=7, e=5)),
        dict(name="never_limited", seed=3, scalars=scalars(2.0, 1e6, 1.0),
             shape=dict(b=1, h=2, m=5, n=3, l=4, d=4, e=4)),
        dict(name="no_negative_prompt", seed=4, scalars=scalars(3.0, 2.0, 0.5),
             shape=dict(b=1, h=2, m=7, n=5, l=0, d=4, e=4)),
        dict(name="no_positive_prompt", seed=5, scalars=scalars(3.0, 2.0, 0.5),
             shape=dict(b=1, h=2, m=7, n=0, l=3, d=4, e=4)),
        dict(name="one_of_each", seed=6, scalars=scalars(5.0, 2.5, 0.25),
             shape=dict(b=1, h=1, m=1, n=1, l=1, d=4, e=3)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, **{name: np.array(value, np.float32)
                    for name, value in case["scalars"].items()}}


def reference(inputs, consts):
    Q, Kp, Vp, Kn, Vn, s, tau, alpha = float64(
        inputs, "Q Kp Vp Kn Vn s tau alpha")
    positive, negative = attend(Q, Kp, Vp), attend(Q, Kn, Vn)
    O = np.zeros_like(positive)
    for b, m in np.ndindex(Q.shape[0], Q.shape[2]):
        plus, minus = positive[b, :, m], negative[b, :, m]
        pushed = plus + s * (plus - minus)
        before, after = np.abs(plus).sum(), np.abs(pushed).sum()
        if before == 0 or after == 0:
            pushed = 0  # no direction to keep
        elif after > tau * before:
            pushed = pushed * (tau * before / after)
        O[b, :, m] = alpha * pushed + (1 - alpha) * plus
    return {"O": O}
