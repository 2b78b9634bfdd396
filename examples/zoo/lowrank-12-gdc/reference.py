"""Image by image: patches to tokens, a padded depthwise convolution, every
token's response at every pixel, and the learned values times the responses."""

import math
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
from support import extents, generator, normal  # noqa: E402

def cases():
    def case(name, seed, patch, **shape):
        return dict(name=name, seed=seed, consts=dict(P=patch), shape=dict(
            shape, i=patch, j=patch, p=-(-shape["y"] // patch),
            q=-(-shape["x"] // patch), f=shape["c"]))

    return [
        case("image", 1, 4, b=1, c=6, y=8, x=12),
        case("prime", 2, 3, b=2, c=5, y=7, x=5),
        case("one_patch", 3, 8, b=1, c=3, y=8, x=8),
        case("one_pixel", 4, 2, b=2, c=4, y=1, x=1),
    ]


def make_inputs(case):
    rng, patch = generator(case), case["consts"]["P"]
    x = {"X": normal(rng, extents(case, "b c y x"))}
    for name, ranks in (("ws", "c i j"), ("bs", "c"), ("bias", "p q"),
                        ("W", "f p q")):
        x[name] = normal(rng, extents(case, ranks), "f32")
    x["ws"] /= np.float32(patch)
    kernel = normal(rng, extents(case, "c") + (7, 7), "f32")
    return x | {"dw": kernel / np.float32(7)}


def tokens(image, ws, bs):
    """Patches times the kernel, normalised over the channels, GELU; a last
    patch may be partial."""
    patch, found = ws.shape[1], []
    for y in range(0, image.shape[1], patch):
        for x in range(0, image.shape[2], patch):
            part = image[:, y:y + patch, x:x + patch]
            rows, columns = part.shape[1:]
            t = (ws[:, :rows, :columns] * part).sum((1, 2)) + bs
            t = (t - t.mean()) / np.sqrt(t.var() + 1e-5)
            erf = np.array([math.erf(z / math.sqrt(2)) for z in t])
            found.append(t / 2 * (1 + erf))
    return np.array(found)


def reference(inputs, consts):
    X, ws, bs, dw, bias, W = (
        inputs[name].astype(np.float64)
        for name in ("X", "ws", "bs", "dw", "bias", "W"))
    rows, columns = X.shape[2:]
    O = np.zeros(X.shape)
    for b, image in enumerate(X):
        padded = np.pad(image, ((0, 0), (3, 3), (3, 3)))
        key = sum(dw[:, s, t, None, None]
                  * padded[:, s:s + rows, t:t + columns]
                  for s in range(7) for t in range(7))
        response = np.einsum("pc,cyx->pyx", tokens(image, ws, bs), key)
        response += bias.reshape(-1, 1, 1)
        O[b] = image + np.einsum("fp,pyx->fyx", W.reshape(len(W), -1), response)
    return {"O": O}


def expected():
    return dict(sequence=("y", "x", "u", "v", "p", "q"),
                passes={"y": (2, 2), "x": (2, 2)}, kernels=2,
                workspace="linear",
                why="all patches become tokens before a pixel meets them; "
                    "their number grows with the image when P is fixed")
