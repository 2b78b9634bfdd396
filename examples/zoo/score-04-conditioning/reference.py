"""Reference of conditioning.attn: sentence by sentence, the conditioned
features of its words, their scores, the weighted sum of the hidden states."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, sigmoid, softmax

PORTS = {
    "concatenation": {"Wh": "d e", "Wc": "d c", "bias": "d", "v": "d"},
    "gating": {"Wc": "e c", "bias": "e", "v": "e"},
    "affine": {"Wg": "e c", "Wb": "e c", "g0": "e", "b0": "e", "v": "e"},
}


def entry(name, features):
    """(cases, make_inputs, reference) of a cascade, given its features of a
    sentence."""
    ports = PORTS[name]

    def cases():
        def case(name, seed, len, **shape):
            if "d" not in "".join(ports.values()):
                del shape["d"]
            return dict(name=name, seed=seed, len=len, shape=shape)

        return [
            case("sentences", 1, [16, 9, 1], b=3, t=16, e=8, c=4, d=6),
            case("prime", 2, [23, 0, 17], b=3, t=23, e=7, c=5, d=11),
            case("one_word", 3, [1], b=1, t=1, e=5, c=3, d=2),
        ]

    def make_inputs(case):
        rng = generator(case)
        x = {"H": normal(rng, extents(case, "b t e")),
             "C": normal(rng, extents(case, "b t c"))}
        x |= {name: normal(rng, extents(case, r), "f32") / 2
              for name, r in ports.items()}
        return {**x, "len": np.array(case["len"], np.int32)}

    def reference(inputs, consts):
        x = {name: a.astype(np.float64) for name, a in inputs.items()}
        O = np.zeros((len(x["H"]), x["H"].shape[2]))
        for i, size in enumerate(inputs["len"]):
            states, lexicon = x["H"][i, :size], x["C"][i, :size]
            score = features(x, states, lexicon) @ x["v"]
            O[i] = softmax(score) @ states
        return {"O": O}

    return cases, make_inputs, reference


def concatenation(x, states, lexicon):
    both = np.concatenate([states, lexicon], axis=1)
    weights = np.concatenate([x["Wh"], x["Wc"]], axis=1)
    return np.tanh(both @ weights.T + x["bias"])


def gating(x, states, lexicon):
    return sigmoid(lexicon @ x["Wc"].T + x["bias"]) * states


def affine(x, states, lexicon):
    gamma = lexicon @ x["Wg"].T + x["g0"]
    return gamma * states + lexicon @ x["Wb"].T + x["b0"]


ENTRIES = {f.__name__: entry(f.__name__, f)
           for f in (concatenation, gating, affine)}


def expected():
    return dict(passes={"t": (3, 1)}, kernels=1, workspace="none",
                sequence=("t",),
                today=dict(workspace="linear"))
