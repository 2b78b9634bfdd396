"""Reference of blockrank.attn: instruction and document, each pair by itself,
then the query over everything."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, float64, generator, normal, softmax

PORTS = {"Q": "b h m d", "K": "b h n d", "V": "b h n e"}


def expected():
    return dict(passes={"n": (3, 1), "m": (1, 1)}, kernels=2,
                workspace="linear", sequence=("m", "n"))


def cases():
    def case(name, seed, instruction, documents, query, **shape):
        seg = np.repeat(np.arange(len(documents) + 2),
                        [instruction, *documents, query])
        seg[len(seg) - query:] = -1
        return dict(name=name, seed=seed, seg=seg,
                    consts=dict(D=len(documents)),
                    shape=dict(shape, m=len(seg), n=len(seg)))

    return [
        case("three_documents", 1, 3, [5, 4, 6], 4, b=1, h=2, d=8, e=8),
        case("prime", 2, 2, [7, 1, 5, 9], 5, b=2, h=3, d=7, e=5),
        case("an_empty_document", 3, 1, [3, 0, 2], 2, b=1, h=1, d=4, e=3),
        case("no_instruction", 4, 0, [4, 3], 1, b=2, h=2, d=4, e=4),
        case("no_query", 5, 2, [3], 0, b=1, h=2, d=4, e=4),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    seg = np.tile(case["seg"], (case["shape"]["b"], 1))
    return {**x, "seg": seg.astype(np.int32)}


def reference(inputs, consts):
    Q, K, V = float64(inputs, "Q K V")
    O = np.zeros(Q.shape[:3] + V.shape[3:])
    rel = np.zeros(Q.shape[:2] + (consts["D"],))
    for i, j, row in np.ndindex(Q.shape[:3]):
        seg = inputs["seg"][i]
        query = seg[row] == -1
        keys = [n for n in range(row + 1)
                if query or seg[n] in (0, seg[row])]
        score = K[i, j, keys] @ Q[i, j, row] / np.sqrt(Q.shape[3])
        weight = softmax(score)
        O[i, j, row] = weight @ V[i, j, keys]
        for n, w in zip(keys, weight if query else []):
            if seg[n] > 0:
                rel[i, j, seg[n] - 1] += w
    return {"O": O, "rel": rel}
