"""Task by task: pool the image with the task's selectors, then multi-head
attention of the summaries to the task's prompts and to each other."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import (  # noqa: E402
    extents, generator, normal, round_bf16, softmax)

def cases():
    return [
        dict(name="tasks", seed=1,
             shape=dict(b=2, n=16, c=8, t=3, s=4, h=2, d=4, e=4, p=3)),
        dict(name="prime", seed=2,
             shape=dict(b=1, n=23, c=5, t=2, s=3, h=3, d=3, e=5, p=2)),
        dict(name="no_prompts", seed=3,
             shape=dict(b=1, n=9, c=4, t=1, s=5, h=1, d=4, e=3, p=0)),
        dict(name="one_patch", seed=4,
             shape=dict(b=2, n=1, c=3, t=2, s=1, h=2, d=2, e=2, p=1)),
    ]


def make_inputs(case):
    rng = generator(case)
    fan_in = np.sqrt(case["shape"]["c"])
    x = {
        "X": normal(rng, extents(case, "b n c")),
        "sel": normal(rng, extents(case, "t s c"), "f32"),
        "Kp": normal(rng, extents(case, "t p h d")),
        "Vp": normal(rng, extents(case, "t p h e")),
    }
    for name, ranks in ("Wq", "h c d"), ("Wk", "h c d"), ("Wv", "h c e"):
        x[name] = round_bf16(normal(rng, extents(case, ranks)) / fan_in)
    return x


def reference(inputs, consts):
    x = {name: a.astype(np.float64) for name, a in inputs.items()}
    batch, _, width = x["X"].shape
    tasks, selectors = x["sel"].shape[:2]
    heads, d = x["Wq"].shape[0], x["Wq"].shape[2]
    O = np.zeros((batch, tasks, selectors, heads, x["Wv"].shape[2]))
    for b, t, h in np.ndindex(batch, tasks, heads):
        P = softmax(x["sel"][t] @ x["X"][b].T / np.sqrt(width))
        Z = P @ x["X"][b]
        key = np.concatenate([x["Kp"][t, :, h], Z @ x["Wk"][h]])
        value = np.concatenate([x["Vp"][t, :, h], Z @ x["Wv"][h]])
        score = Z @ x["Wq"][h] @ key.T / np.sqrt(d)
        O[b, t, :, h] = softmax(score) @ value
    return {"O": O}


def expected():
    return dict(sequence=("n",), passes={"n": (3, 1)}, kernels=2,
                workspace="none",
                why="all summaries of a task are complete before they attend "
                    "to each other",
                today=dict(workspace="linear"))
