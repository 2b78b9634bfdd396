"""Helpers shared by the example references: test inputs rounded to their
storage types, and a softmax over the present points. NumPy only."""

import numpy as np


def round_bf16(x):
    """Rounds to bfloat16, to nearest even, kept in a float32 array."""
    x = np.array(x, np.float32, order="C")
    bits = x.view(np.uint32)
    bits = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    rounded = (bits & np.uint32(0xFFFF0000)).view(np.float32)
    return np.where(np.isnan(x), x, rounded)


def generator(case):
    """The random generator of a case, from its seed."""
    return np.random.default_rng(case["seed"])


def extents(case, ranks):
    """The extents of the ranks "b h m d" in a case's shape."""
    return tuple(case["shape"][rank] for rank in ranks.split())


def normal(rng, shape, storage="bf16"):
    """N(0, 1) floats of a port's storage type (bf16 or f32), as float32."""
    x = np.asarray(rng.standard_normal(shape), np.float32)
    return round_bf16(x) if storage == "bf16" else x


def softmax(x, present=True, axis=-1):
    """Softmax over the present points; a row that has none gives zeros.

    `axis` may be a tuple. Present points of -inf count as absent.
    """
    x = np.where(present, np.asarray(x, np.float64), -np.inf)
    top = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    weight = np.exp(x - np.where(np.isneginf(top), 0, top))
    total = np.sum(weight, axis=axis, keepdims=True)
    return weight / np.where(total == 0, 1, total)  # a NaN stays visible


def sigmoid(x):
    """The logistic function, in float64."""
    return 1 / (1 + np.exp(-np.asarray(x, np.float64)))


def attend(Q, K, V, present=True, bias=0, scale=None):
    """Softmax attention over the last two axes, 1 / sqrt(d) unless scaled."""
    Q, K, V = (np.asarray(x, np.float64) for x in (Q, K, V))
    scale = Q.shape[-1] ** -0.5 if scale is None else scale
    score = scale * (Q @ np.swapaxes(K, -1, -2)) + bias
    return softmax(score, present) @ V


def float64(inputs, names):
    """The inputs "Q K V" in float64, in this order."""
    return [np.asarray(inputs[name], np.float64) for name in names.split()]
