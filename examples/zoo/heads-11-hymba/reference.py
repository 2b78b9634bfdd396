"""Token by token: attention to the meta tokens and to the window, and one step
of the state-space recurrence; then the sum of the two normalised branches."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, sigmoid, softmax)

BF16 = {"Q": "b h t d", "Km": "g r d", "Vm": "g r e", "K": "b g n d",
        "V": "b g n e", "U": "b t c", "Z": "b t c"}
F32 = {"B": "b t s", "C": "b t s", "H0": "c s", "b1": "c", "b2": "c"}


def cases():
    return [
        dict(name="window", seed=1, consts=dict(W=6),
             shape=dict(b=1, h=2, g=1, t=16, n=16, d=4, e=4, r=3, c=8, s=4,
                        f=8)),
        dict(name="prime", seed=2, consts=dict(W=5),
             shape=dict(b=2, h=3, g=3, t=13, n=13, d=3, e=2, r=2, c=6, s=3,
                        f=5)),
        dict(name="no_meta_tokens", seed=3, consts=dict(W=1),
             shape=dict(b=1, h=2, g=1, t=7, n=7, d=4, e=3, r=0, c=6, s=2,
                        f=3)),
        dict(name="one_token", seed=4, consts=dict(W=8),
             shape=dict(b=2, h=4, g=2, t=1, n=1, d=2, e=1, r=5, c=4, s=1,
                        f=2)),
    ]


def make_inputs(case):
    rng = generator(case)
    x = {name: normal(rng, extents(case, r)) for name, r in BF16.items()}
    x |= {name: normal(rng, extents(case, r), "f32")
          for name, r in F32.items()}
    Wo = normal(rng, extents(case, "c f")) / np.sqrt(case["shape"]["c"])
    return x | {
        "dt": rng.uniform(0.1, 1, extents(case, "b t c")).astype(np.float32),
        "A": -rng.uniform(0.1, 2, extents(case, "c s")).astype(np.float32),
        "Wo": round_bf16(Wo),
    }


def rmsnorm(x):
    return x / np.sqrt((x**2).mean() + 1e-6)


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    batch, heads, length, d = x["Q"].shape
    share = heads // x["K"].shape[1]
    O = np.zeros((batch, length, x["Wo"].shape[1]))
    for b in range(batch):
        state = x["H0"]
        for t in range(length):
            seen = slice(max(t - consts["W"] + 1, 0), t + 1)
            branch = []
            for h in range(heads):
                g = h // share
                key = np.concatenate([x["Km"][g], x["K"][b, g, seen]])
                value = np.concatenate([x["Vm"][g], x["V"][b, g, seen]])
                branch.append(
                    softmax(key @ x["Q"][b, h, t] / np.sqrt(d)) @ value)
            step = x["dt"][b, t][:, None]
            drive = x["U"][b, t][:, None] * x["B"][b, t]
            state = np.exp(step * x["A"]) * state + step * drive
            gate = x["Z"][b, t] * sigmoid(x["Z"][b, t])
            mamba = state @ x["C"][b, t] * gate
            mixed = (x["b1"] * rmsnorm(np.concatenate(branch))
                     + x["b2"] * rmsnorm(mamba))
            O[b, t] = mixed @ x["Wo"]
    return {"O": O}


def expected():
    return dict(sequence=("t", "n"), passes={"k": (3, 1)},
                kernels=2, workspace="linear",
                why="attention is parallel in t, the state is not; one branch "
                    "waits in memory for the other")
