"""Reference of dual.attn, reassociated: weights times relations and weights
times symbols are summed over the keys before the output maps apply."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "Qr": "b l m r", "Kr": "b l n r",
         "X": "b n f"}
WEIGHTS = {"T": "k f", "Sy": "k c", "Wr": "h l e", "Ws": "h c e"}


def cases():
    def case(name, seed, **shape):
        return dict(name=name, seed=seed, shape=shape)

    return [
        case("square", 1, b=1, h=2, m=12, n=12, d=8, l=4, r=4, f=8, k=6, c=4,
             e=8),
        case("prime", 2, b=2, h=3, m=7, n=13, d=5, l=2, r=3, f=7, k=11, c=3,
             e=5),
        case("one_relation", 3, b=1, h=2, m=11, n=5, d=4, l=1, r=1, f=3, k=1,
             c=2, e=3),
        case("one_query", 4, b=2, h=1, m=1, n=7, d=4, l=3, r=2, f=4, k=5, c=4,
             e=4),
    ]


def expected():
    return dict(passes={"n": (3, 1)}, kernels=2, workspace="linear",
                sequence=("m", "n"))


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return x | {name: normal(rng, extents(case, r), "f32") / 2
                for name, r in WEIGHTS.items()}


def reference(inputs, consts):
    t = {name: a.astype(np.float64) for name, a in inputs.items()}
    score = np.einsum("bhmd,bhnd->bhmn", t["Q"], t["K"])
    weight = softmax(score / np.sqrt(t["Q"].shape[3]),
                     np.tri(*score.shape[2:], dtype=bool))
    relation = np.einsum("blmr,blnr->blmn", t["Qr"], t["Kr"])
    relation /= np.sqrt(t["Qr"].shape[3])
    recall = softmax(t["X"] @ t["T"].T / np.sqrt(t["X"].shape[2]))
    related = np.einsum("bhmn,blmn->bhml", weight, relation)
    named = np.einsum("bhmn,bnc->bhmc", weight, recall @ t["Sy"])
    return {"O": np.einsum("bhml,hle->bhme", related, t["Wr"])
            + np.einsum("bhmc,hce->bhme", named, t["Ws"])}
