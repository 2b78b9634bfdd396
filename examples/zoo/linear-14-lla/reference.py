"""Local linear attention, row by row: the weighted moments of z = k - q, a
few steps of conjugate gradients, each row stopping alone, then the corrected
mean."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import generator, normal  # noqa: E402


def cases():
    def case(name, seed, steps, eps, **shape):
        return {"name": name, "shape": shape, "consts": {"steps": steps},
                "scalars": {"lam": 4.0, "eps": eps}, "seed": seed}

    return [
        case("square", 1, 4, 1e-3, b=1, h=2, m=16, n=16, d=4, e=8),
        case("prime", 2, 8, 1e-3, b=1, h=1, m=13, n=17, d=5, e=7),
        case("one-query", 3, 3, 1e-3, b=2, h=2, m=1, n=11, d=4, e=3),
        case("uneven-stops", 4, 6, 1e-3, b=1, h=2, m=19, n=19, d=6, e=2),
        # No row takes a step: rho falls back to 0, plain softmax attention.
        case("no-step", 5, 2, 1e9, b=1, h=1, m=7, n=7, d=3, e=4),
    ]


def make_inputs(case):
    rng, r = generator(case), case["shape"]
    return {
        "Q": normal(rng, (r["b"], r["h"], r["m"], r["d"])),
        "K": normal(rng, (r["b"], r["h"], r["n"], r["d"])),
        "V": normal(rng, (r["b"], r["h"], r["n"], r["e"])),
        "lam": np.array(case["scalars"]["lam"], np.float32),
        "eps": np.array(case["scalars"]["eps"], np.float32),
    }


def conjugate_gradient(matrix, right, steps, eps):
    """Solves matrix x = right from 0; stops once |residual|^2 <= eps."""
    x, residual, direction = np.zeros_like(right), right, right
    norm = residual @ residual
    for _ in range(steps):
        if not norm > eps:
            break
        image = matrix @ direction
        alpha = norm / (direction @ image)
        x = x + alpha * direction
        residual = residual - alpha * image
        previous, norm = norm, residual @ residual
        direction = residual + norm / previous * direction
    return x


def reference(inputs, consts):
    q, k, v = (np.asarray(inputs[i], np.float64) for i in ("Q", "K", "V"))
    lam, eps = float(inputs["lam"]), float(inputs["eps"])
    d = q.shape[3]
    out = np.zeros(q.shape[:3] + v.shape[3:])
    for b, h, m in np.ndindex(q.shape[:3]):
        keys, values = k[b, h, :m + 1], v[b, h, :m + 1]
        if not len(keys):
            continue
        score = keys @ q[b, h, m] / np.sqrt(d)
        w = np.exp(score - score.max())
        z = keys - q[b, h, m]
        mu = w @ z
        sigma = np.einsum("n,nd,nc->dc", w, z, z) + lam * np.eye(d)
        rho = conjugate_gradient(sigma, mu, consts["steps"], eps)
        corrected = w * (1 - z @ rho)
        out[b, h, m] = corrected @ values / (w.sum() - mu @ rho)
    return {"O": out}
