"""Reference of tra.attn: each row walks its keys from the nearest to the
farthest and counts those it keeps."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def cases():
    return [
        dict(name="square", seed=1, threshold=0.0,
             shape=dict(b=1, h=2, m=16, n=16, d=8, e=8)),
        dict(name="prime", seed=2, threshold=-0.5,
             shape=dict(b=1, h=2, m=13, n=29, d=7, e=5)),
        dict(name="most_keys_dropped", seed=3, threshold=1.0,
             shape=dict(b=2, h=2, m=23, n=23, d=4, e=4)),
        dict(name="all_keys_dropped", seed=4, threshold=100.0,
             shape=dict(b=1, h=1, m=7, n=7, d=4, e=3)),
        dict(name="all_keys_kept", seed=5, threshold=-np.inf,
             shape=dict(b=1, h=2, m=11, n=11, d=4, e=4)),
        dict(name="one_query", seed=6, threshold=-1.0,
             shape=dict(b=3, h=2, m=1, n=5, d=8, e=2)),
        dict(name="more_queries_than_keys", seed=7, threshold=0.2,
             shape=dict(b=1, h=3, m=17, n=5, d=3, e=4)),
    ]


def clear_threshold(score, wanted):
    """The threshold near the wanted one that is farthest from all scores:
    rounding must not decide what is kept."""
    near = wanted + np.linspace(-0.3, 0.3, 601)
    distance = abs(score.reshape(-1, 1) - near).min(axis=0)
    return near[np.argmax(distance)]


def expected():
    return dict(passes={"n": (4, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(passes={"n": 2}, workspace="linear"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    score = np.einsum("bhmd,bhnd->hbmn", x["Q"], x["K"])
    score = score / np.sqrt(case["shape"]["d"])
    th = [clear_threshold(s, case["threshold"]) for s in score]
    f = rng.uniform(0.05, 1, extents(case, "b h m"))
    return {**x, "th": np.array(th, np.float32), "f": f.astype(np.float32)}


def reference(inputs, consts):
    Q, K, V, th, f = (inputs[name].astype(np.float64)
                      for name in ("Q", "K", "V", "th", "f"))
    b, h, m, d = Q.shape
    O = np.zeros((b, h, m, V.shape[3]))
    for i, j, row in np.ndindex(b, h, m):
        logits, values = [], []
        for key in reversed(range(min(row + 1, K.shape[2]))):
            score = Q[i, j, row] @ K[i, j, key] / np.sqrt(d)
            if score > th[j]:
                logits.append(score + len(logits) * np.log(f[i, j, row]))
                values.append(V[i, j, key])
        if logits:
            O[i, j, row] = softmax(logits) @ np.array(values)
    return {"O": O}
