"""Reference of deconstructed.attn: whole causal score matrices, normalised and
applied."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax


def causal(score):
    return np.tri(*score.shape[-2:], dtype=bool)


def case(name, seed, **shape):
    return dict(name=name, seed=seed, shape=shape)


def inputs_of(**ports):
    def make_inputs(case):
        rng = generator(case)
        return {name: normal(rng, extents(case, r))
                for name, r in ports.items()}
    return make_inputs


def fixed_seq_cases():
    return [case("square", 1, b=3, h=2, m=16, n=16, d=8, e=8),
            case("prime", 2, b=2, h=3, m=13, n=29, d=7, e=5),
            case("one_query", 3, b=5, h=2, m=1, n=11, d=4, e=3)]


def fixed_seq(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    score = np.einsum("hmd,hnd->hmn", Q, K) / np.sqrt(Q.shape[2])
    return {"O": np.einsum("hmn,bhne->bhme", softmax(score, causal(score)), V)}


def emb_qk_cases():
    return [case("square", 4, b=2, h=2, n=16, w=9, c=8, d=4, e=8),
            case("prime", 5, b=2, h=3, n=23, w=31, c=5, d=7, e=3),
            case("one_token", 6, b=3, h=1, n=1, w=2, c=4, d=3, e=4)]


def emb_qk_inputs(case):
    rng = generator(case)
    x = inputs_of(table="w c", V="b h n e")(case)
    x |= {name: normal(rng, extents(case, "h d c"), "f32") / 2
          for name in ("Wq", "Wk")}
    token = rng.integers(0, case["shape"]["w"], extents(case, "b n"))
    return {**x, "token": token.astype(np.int32)}


def emb_qk(inputs, consts):
    table, Wq, Wk, V = (inputs[name].astype(np.float64)
                        for name in ("table", "Wq", "Wk", "V"))
    X = table[inputs["token"]]
    score = np.einsum("bmc,hdc,hdf,bnf->bhmn", X, Wq, Wk, X, optimize=True)
    weight = softmax(score / np.sqrt(Wq.shape[1]), causal(score))
    return {"O": np.einsum("bhmn,bhne->bhme", weight, V)}


def approximate_cases():
    return [case("square", 7, b=1, h=2, m=16, n=16, d=8, e=8),
            case("prime", 8, b=2, h=3, m=13, n=29, d=7, e=5),
            case("more_queries_than_keys", 9, b=1, h=1, m=19, n=5, d=3, e=4)]


def approximate(inputs, consts):
    Q, K, V = (inputs[name].astype(np.float64) for name in "QKV")
    feature = [np.where(x > 0, x + 1, np.exp(x)) for x in (Q, K)]
    weight = np.einsum("bhmd,bhnd->bhmn", *feature)
    weight *= causal(weight)
    O = np.einsum("bhmn,bhne->bhme", weight, V)
    return {"O": O / weight.sum(-1, keepdims=True)}


QKV = inputs_of(Q="b h m d", K="b h n d", V="b h n e")
ENTRIES = {
    "fixed_seq": (fixed_seq_cases, inputs_of(
        Q="h m d", K="h n d", V="b h n e"), fixed_seq),
    "emb_qk": (emb_qk_cases, emb_qk_inputs, emb_qk),
    "approximate": (approximate_cases, QKV, approximate),
}


def expected():
    # Of the cascades with a softmax.
    return dict(passes={"n": (3, 1)}, kernels=1, workspace="none",
                sequence=("m", "n"),
                today=dict(workspace="linear"))
