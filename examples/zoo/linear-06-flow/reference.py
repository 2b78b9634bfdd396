"""Flowformer by its four flow equations, sums over keys and queries in turn."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal, sigmoid, softmax  # noqa: E402


def cases():
    def case(name, seed, **shape):
        return {"name": name, "shape": shape, "consts": {}, "scalars": {},
                "seed": seed}

    return [
        case("square", 1, b=2, h=2, m=32, n=32, d=8, e=8),
        case("prime", 2, b=1, h=3, m=17, n=37, d=7, e=5),
        case("one-query", 3, b=2, h=1, m=1, n=29, d=4, e=3),
        case("one-key", 4, b=1, h=2, m=11, n=1, d=3, e=1),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], r["d"])),
        "K": normal(rng, (r["b"], r["h"], r["n"], r["d"])),
        "V": normal(rng, (r["b"], r["h"], r["n"], r["e"])),
    }


def reference(inputs, consts):
    q, k = sigmoid(inputs["Q"]), sigmoid(inputs["K"])
    v = np.asarray(inputs["V"], np.float64)
    incoming = np.einsum("bhmd,bhd->bhm", q, k.sum(2))
    outgoing = np.einsum("bhnd,bhd->bhn", k, q.sum(2))
    conserved_in = np.einsum(
        "bhmd,bhd->bhm", q, (k / outgoing[..., None]).sum(2))
    conserved_out = np.einsum(
        "bhnd,bhd->bhn", k, (q / incoming[..., None]).sum(2))
    competing = softmax(conserved_out)[..., None] * v
    state = np.einsum("bhnd,bhne->bhde", k, competing)
    gathered = np.einsum("bhmd,bhde->bhme", q / incoming[..., None], state)
    return {"O": sigmoid(conserved_in)[..., None] * gathered}
