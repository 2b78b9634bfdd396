"""Plain multi-head attention on queries, keys and values that each head makes
from the shared ones by adding, or scaling by, its embeddings."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

BF16 = {"Q": "b m d", "K": "b n d", "V": "b n e"}
F32 = {"eq": "h d", "ek": "h d", "ev": "h e"}


def cases():
    return [
        dict(name="self", seed=1, shape=dict(b=2, h=4, m=12, n=12, d=8, e=8)),
        dict(name="prime", seed=2, shape=dict(b=1, h=3, m=7, n=29, d=5, e=11)),
        dict(name="one_query", seed=3,
             shape=dict(b=2, h=5, m=1, n=9, d=4, e=3)),
        dict(name="no_keys", seed=4, shape=dict(b=1, h=2, m=3, n=0, d=4, e=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in BF16.items()}
    return x | {name: normal(rng, extents(case, r), "f32")
                for name, r in F32.items()}


def attention(inputs, join):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    O = []
    for eq, ek, ev in zip(x["eq"], x["ek"], x["ev"]):
        q, k, v = join(x["Q"], eq), join(x["K"], ek), join(x["V"], ev)
        score = np.einsum("bmd,bnd->bmn", q, k) / np.sqrt(len(eq))
        O.append(softmax(score) @ v)
    return {"O": np.stack(O, 1)}


def reference(inputs, consts):
    return attention(inputs, lambda x, embedding: x + embedding)


def scaled(inputs, consts):
    return attention(inputs, lambda x, embedding: x * (embedding + 1))


ENTRIES = {"mhe_add": (cases, make_inputs, reference),
           "mhe_mul": (cases, make_inputs, scaled)}


def expected():
    return dict(sequence=("m", "n"), passes={"n": (3, 1)}, kernels=1,
                workspace="none")
