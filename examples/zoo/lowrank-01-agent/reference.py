"""Two ordinary attentions on the flattened image, pixels to agents and agents
to pixels, plus a 3 x 3 depthwise convolution with zero padding."""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal, softmax  # noqa: E402

def cases():
    def case(name, seed, block, **shape):
        grid = dict(p=-(-shape["y"] // block), q=-(-shape["x"] // block))
        return dict(name=name, seed=seed, consts=dict(P=block),
                    shape=dict(shape, v=shape["y"], u=shape["x"], **grid,
                               **{r + "'": n for r, n in grid.items()}))

    return [
        case("square", 1, 2, b=2, h=2, y=6, x=6, d=8, e=8),
        case("prime", 2, 3, b=1, h=1, y=5, x=7, d=5, e=3),
        case("one_agent", 3, 8, b=1, h=2, y=4, x=3, d=4, e=2),
        case("one_pixel", 4, 2, b=2, h=3, y=1, x=1, d=3, e=4),
    ]


def make_inputs(case):
    rng = generator(case)
    return {
        "Q": normal(rng, extents(case, "b h y x d")),
        "K": normal(rng, extents(case, "b h v u d")),
        "V": normal(rng, extents(case, "b h v u e")),
        "B1": normal(rng, extents(case, "h p q v u"), "f32"),
        "B2": normal(rng, extents(case, "h y x p q"), "f32"),
        "dw": normal(rng, extents(case, "h e") + (3, 3), "f32"),
    }


def agents(q, block):
    """Means of the blocks of an image; the last ones may be partial."""
    return np.stack([q[i:i + block, j:j + block].mean((0, 1))
                     for i in range(0, q.shape[0], block)
                     for j in range(0, q.shape[1], block)])


def depthwise(image, kernel):
    rows, columns, _ = image.shape
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)))
    return sum(kernel[:, i, j] * padded[i:i + rows, j:j + columns]
               for i in range(3) for j in range(3))


def reference(inputs, consts):
    Q, K, V, B1, B2, dw = (inputs[name].astype(np.float64)
                           for name in ("Q", "K", "V", "B1", "B2", "dw"))
    rows, columns, d = Q.shape[2:]
    pixels, e = rows * columns, V.shape[4]
    O = np.zeros(Q.shape[:4] + (e,))
    for b, h in np.ndindex(Q.shape[:2]):
        a = agents(Q[b, h], consts["P"])
        q, k = Q[b, h].reshape(pixels, d), K[b, h].reshape(pixels, d)
        v = V[b, h].reshape(pixels, e)
        gather = softmax(a @ k.T / np.sqrt(d) + B1[h].reshape(-1, pixels))
        spread = softmax(q @ a.T / np.sqrt(d) + B2[h].reshape(pixels, -1))
        mixed = spread @ (gather @ v)
        O[b, h] = mixed.reshape(rows, columns, e) + depthwise(V[b, h], dw[h])
    return {"O": O}


def expected():
    return dict(sequence=("y", "x", "v", "u", "p", "q", "p'", "q'"),
                passes={"v": (3, 1), "u": (3, 1), "p'": (3, 1), "q'": (3, 1),
                        "y": (2, 2), "x": (2, 2)},
                kernels=2, workspace="linear",
                why="all queries are pooled before the first reads the agents, "
                    "whose number grows with the image when P is fixed")
