"""Reference of show_attend.attn: one image after the other. Hard attention
draws with the Philox 4x32-10 numbers that the language defines."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid, softmax

PORTS = {"A": "b n e", "H": "b i"}
WEIGHTS = {"Wa": "c e", "Wh": "c i", "w": "c"}


def cases():
    return [
        dict(name="regions", seed=1,
             shape=dict(b=2, n=49, e=8, i=6, c=5)),
        dict(name="prime", seed=2, shape=dict(b=3, n=13, e=7, i=5, c=11)),
        dict(name="one_region", seed=3, shape=dict(b=2, n=1, e=4, i=3, c=2)),
    ]


def hard_cases():
    return [{**case, "scalars": {"seed": 2 ** 40 + case["seed"]}}
            for case in cases()]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("n",),
                today=dict(workspace="linear"))


def philox(key, *counter):
    """The first word of Philox 4x32-10."""
    mask = 2 ** 32 - 1
    c = list(counter) + [0] * (4 - len(counter))
    low, high = key & mask, key >> 32
    for _ in range(10):
        x, y = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(y >> 32) ^ c[1] ^ low, y & mask, (x >> 32) ^ c[3] ^ high,
             x & mask]
        low, high = (low + 0x9E3779B9) & mask, (high + 0xBB67AE85) & mask
    return c[0]


def drawn(x, i):
    """Scores of image i, each with its Gumbel noise."""
    u = np.array([((philox(int(x["seed"]), i, n) >> 9) + 0.5) * 2.0 ** -23
                  for n in range(x["A"].shape[1])])
    return scores(x, i) - np.log(-np.log(u))


def scores(x, i):
    t = {name: x[name].astype(np.float64) for name in (*PORTS, *WEIGHTS)}
    hidden = t["A"][i] @ t["Wa"].T + t["Wh"] @ t["H"][i]
    return np.tanh(hidden) @ t["w"]


def shared_inputs(case, rng):
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return x | {name: normal(rng, extents(case, r), "f32") / 2
                for name, r in WEIGHTS.items()}


def soft_inputs(case):
    rng = generator(case)
    return {**shared_inputs(case, rng),
            "wb": normal(rng, extents(case, "i"), "f32")}


def hard_inputs(case):
    rng = generator(case)
    while True:  # rounding must not decide a draw
        x = shared_inputs(case, rng)
        x["seed"] = np.array(case["scalars"]["seed"], np.int64)
        best = [np.sort(drawn(x, i))[-2:] for i in range(len(x["A"]))]
        if all(len(s) < 2 or s[1] - s[0] > 1e-3 for s in best):
            return x


def soft(inputs, consts):
    gate = sigmoid(inputs["H"].astype(np.float64) @ inputs["wb"])
    return {"O": np.stack([gate[i] * softmax(scores(inputs, i)) @ image
                           for i, image in enumerate(inputs["A"])])}


def hard(inputs, consts):
    z = np.array([np.argmax(drawn(inputs, i))
                  for i in range(len(inputs["A"]))], np.int32)
    return {"z": z, "O": np.stack([image[i] for image, i in zip(
        inputs["A"].astype(np.float64), z)])}


ENTRIES = {"soft": (cases, soft_inputs, soft),
           "hard": (hard_cases, hard_inputs, hard)}
