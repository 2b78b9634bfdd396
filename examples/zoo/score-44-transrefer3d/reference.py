"""Reference of transrefer3d.attn: scene by scene, without its padding; the
score of a pair is the difference of its objects' scores."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax

PORTS = {"Q": "b h i d", "K": "b h w d", "V": "b h w e"}


def cases():
    def case(name, seed, words, objects, **shape):
        return dict(name=name, seed=seed, words=words, objects=objects,
                    shape=shape)

    return [
        case("scene", 1, [7], [12], b=1, h=2, i=12, w=7, d=8, e=8),
        case("prime", 2, [11, 3], [4, 7], b=2, h=3, i=7, w=11, d=5, e=3),
        case("one_object", 3, [5], [1], b=1, h=2, i=1, w=5, d=4, e=4),
        case("empty", 4, [0, 1], [2, 0], b=2, h=1, i=3, w=2, d=3, e=2),
    ]


def relation_cases():
    return [{**case, "shape": {**case["shape"], "f": 6}} for case in cases()]


def expected():
    return dict(passes={"w": (3, 1), "j": (1, 1)}, kernels=1,
                workspace="none", sequence=("i", "j", "w"),
                today=dict(workspace="linear"))


def entity_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in PORTS.items()}
    return {**x, "words": np.array(case["words"], np.int32)}


def relation_inputs(case):
    rng = generator({"seed": 100 + case["seed"]})
    return {**entity_inputs(case),
            "Wo": normal(rng, extents(case, "f h e"), "f32") / 2,
            "objects": np.array(case["objects"], np.int32)}


def scene(x, i):
    """(scores [h, object, word], values [h, word]) of a scene."""
    Q, K, V = (x[name][i].astype(np.float64) for name in "QKV")
    words = x["words"][i]
    score = np.einsum("hid,hwd->hiw", Q, K[:, :words]) / np.sqrt(Q.shape[2])
    return score, V[:, :words]


def entity(inputs, consts):
    O = []
    for i in range(len(inputs["Q"])):
        score, value = scene(inputs, i)
        O.append(softmax(score) @ value)
    return {"O": np.stack(O)}


def relation(inputs, consts):
    Wo = inputs["Wo"].astype(np.float64)
    b, _, things, _ = inputs["Q"].shape
    O = np.zeros((b, things, len(Wo)))
    for i, count in enumerate(inputs["objects"]):
        score, value = scene(inputs, i)
        for one in range(count):
            pairs = score[:, one, None] - score[:, :count]
            found = softmax(pairs) @ value  # head, other object, e
            O[i, one] = np.einsum("fhe,hje->jf", Wo, found).max(axis=0)
    return {"O": O}


ENTRIES = {"entity": (cases, entity_inputs, entity),
           "relation": (relation_cases, relation_inputs, relation)}
