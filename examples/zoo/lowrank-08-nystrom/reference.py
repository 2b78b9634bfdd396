"""Nystromformer: block means as landmarks, three softmaxes, the middle one
inverted by the publication's third-order Newton iteration on matrices."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal, softmax  # noqa: E402


def cases():
    def case(name, seed, block, steps, **shape):
        return {"name": name, "shape": shape,
                "consts": {"B": block, "steps": steps}, "scalars": {},
                "seed": seed}

    return [
        case("whole-blocks", 1, 8, 6, b=2, h=2, n=48, d=8, e=8),
        case("prime", 2, 8, 6, b=1, h=3, n=53, d=5, e=7),
        case("one-row", 3, 4, 3, b=2, h=1, n=1, d=4, e=3),
        case("one-landmark", 4, 16, 2, b=1, h=2, n=11, d=3, e=1),
        case("no-iteration", 5, 5, 0, b=1, h=1, n=17, d=3, e=2),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["n"], r["d"])),
        "K": normal(rng, (r["b"], r["h"], r["n"], r["d"])),
        "V": normal(rng, (r["b"], r["h"], r["n"], r["e"])),
        "dw": normal(rng, (r["h"], 33), "f32"),
    }


def block_means(x, size):
    """Means over blocks of rows; the last block may be partial."""
    starts = range(0, x.shape[2], size)
    return np.stack([x[:, :, s:s + size].mean(2) for s in starts], 2)


def pseudo_inverse(a, steps):
    """Newton iterations towards the inverse of each row-stochastic matrix."""
    at = np.swapaxes(a, -1, -2)
    one_norm = np.abs(a).sum(-2).max(-1)
    inf_norm = np.abs(a).sum(-1).max(-1)
    z = at / (one_norm * inf_norm)[..., None, None]
    eye = np.eye(a.shape[-1])
    for _ in range(steps):
        az = a @ z
        z = z @ (13 * eye - az @ (15 * eye - az @ (7 * eye - az))) / 4
    return z


def reference(inputs, consts):
    q, k, v, dw = (
        np.asarray(inputs[i], np.float64) for i in ("Q", "K", "V", "dw"))
    n, d = q.shape[2:]
    ql, kl = block_means(q, consts["B"]), block_means(k, consts["B"])
    to_landmarks = softmax(q @ np.swapaxes(kl, -1, -2) / np.sqrt(d))
    middle = softmax(ql @ np.swapaxes(kl, -1, -2) / np.sqrt(d))
    to_keys = softmax(ql @ np.swapaxes(k, -1, -2) / np.sqrt(d))
    inverse = pseudo_inverse(middle, consts["steps"])
    out = to_landmarks @ (inverse @ (to_keys @ v))
    width = dw.shape[1]
    for row in range(n):
        for w in range(width):
            source = row + w - width // 2
            if 0 <= source < n:
                out[:, :, row] += dw[None, :, w, None] * v[:, :, source]
    return {"O": out}


def expected():
    return dict(sequence=("n", "l", "p", "q"), passes={"n": (5, 3)},
                kernels=3, workspace="linear",
                why="landmarks before the scores against them, the softmax "
                    "over all keys and its sums before the rows read back; the inverse "
                    "of the l x l landmarks, l = n / B, is iterated as a whole",
                today=dict(workspace="quadratic"))
