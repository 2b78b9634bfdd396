"""Reference of supergat.attn: node by node over its edges."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid, softmax


def cases():
    return [
        dict(name="graph", seed=1, shape=dict(i=16, j=4, c=8, d=8, h=2)),
        dict(name="prime", seed=2, shape=dict(i=29, j=7, c=5, d=3, h=3)),
        dict(name="one_node", seed=3, shape=dict(i=1, j=1, c=4, d=4, h=1)),
        dict(name="no_edges", seed=4, edges=0.0,
             shape=dict(i=5, j=3, c=4, d=2, h=2)),
    ]


def expected():
    return dict(passes={"j": (3, 1)}, kernels=2, workspace="linear",
                sequence=("i",))


def inputs_of(*vectors):
    def make_inputs(case):
        rng = generator(case)
        x = {"H": normal(rng, extents(case, "i c")),
             "W": normal(rng, extents(case, "h d c"), "f32") / 2}
        x |= {name: normal(rng, extents(case, "h d"), "f32")
              for name in vectors}
        nodes, most = extents(case, "i j")
        near = np.full((nodes, most), -1, np.int32)
        for row in near:  # distinct neighbours, from none to all places
            count = rng.binomial(min(most, nodes), case.get("edges", 0.6))
            row[:count] = rng.permutation(nodes)[:count]
        return {**x, "near": near}
    return make_inputs


def attend(inputs, score):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    U = np.einsum("hdc,ic->hid", x["W"], x["H"])
    O = np.zeros(U.shape)
    for head, node in np.ndindex(U.shape[:2]):
        edges = inputs["near"][node]
        others = U[head, edges[edges >= 0]]
        if len(others):
            weight = softmax(score(x, head, U[head, node], others))
            O[head, node] = weight @ others
    return {"O": O}


def single_layer(x, head, own, others):
    pair = x["a1"][head] @ own + others @ x["a2"][head]
    return np.where(pair > 0, pair, 0.2 * pair)


def scaled(x, head, own, others):
    return others @ own / np.sqrt(len(own))


def mixed(x, head, own, others):
    return single_layer(x, head, own, others) * sigmoid(others @ own)


ENTRIES = {
    "supergat_" + name: (cases, inputs_of(*vectors),
                         lambda x, consts, score=score: attend(x, score))
    for name, vectors, score in [("go", ("a1", "a2"), single_layer),
                                 ("sd", (), scaled),
                                 ("mx", ("a1", "a2"), mixed)]}
