"""What the reference computations share: layers in NumPy, weights, the command line."""

import argparse
import tomllib
from pathlib import Path

import numpy as np
from weights import random_parameter

MODELS = Path(__file__).parents[1] / "models.toml"


def load(name):
    tables = tomllib.loads(MODELS.read_text())
    config = dict(tables[name])
    while "base" in config:
        config = {**tables[config.pop("base")], **config}
    return config


# Parts of the names of linear layers, in all models.
LINEAR = ("proj", "c_attn", "lm_head", "query", "key", "value", "dense", "intermediate")


# Matrices of more elements are kept as they are stored and unpacked where they are used.
LARGE = 1 << 27


def stored(config, named_shapes, dtype):
    """Each weight with what a model of `dtype` stores of it.

    Yields name, shape and a list of (index, name, shape, dtype), the index that of
    `_metadata.params`. `dtype` is float32, float16 or q4f16_1; in the last each linear
    weight is two parameters, `q_weight` and `q_scale`.
    """
    index = 0
    plain = "float32" if dtype == "float32" else "float16"
    quantised = LINEAR + (("embed_tokens",) if config.get("quantize_embedding") else ())
    for name, shape in named_shapes:
        if (dtype == "q4f16_1" and name.endswith(".weight")
                and any(part in name for part in quantised)):
            rows, columns = shape
            base = name.removesuffix("weight")
            pieces = [(index, base + "q_weight", (rows, columns // 8), "uint32"),
                      (index + 1, base + "q_scale", (rows, columns // 32), "float16")]
        else:
            pieces = [(index, name, shape, plain)]
        index += len(pieces)
        yield name, shape, pieces


class Packed:
    """A 4-bit matrix: (value - 7) * scale, unpacked in parts."""

    ROWS = 1 << 14

    def __init__(self, words, scale):
        self.words, self.scale = words, scale
        self.shape = (words.shape[0], words.shape[1] * 8)

    def __getitem__(self, rows):
        words, scale = self.words[rows], self.scale[rows].astype(np.float32)
        values = words[:, :, None] >> (np.arange(8, dtype=np.uint32) * 4) & 15
        values = values.reshape(len(words), -1).astype(np.float32) - 7
        return values * np.repeat(scale, 32, axis=1)

    def times(self, x):
        """x times the transposed matrix."""
        parts = range(0, self.shape[0], self.ROWS)
        return np.concatenate([x @ self[at:at + self.ROWS].T for at in parts], axis=-1)


def parameter(seed, shape, pieces):
    """One weight as float32, rounded as a model holds it; a large 4-bit one stays packed."""
    values = [random_parameter(seed, *piece) for piece in pieces]
    if len(values) == 1:
        return values[0].astype(np.float32)
    packed = Packed(*values)
    return packed if shape[0] * shape[1] > LARGE else packed[:]


def parameters(named_shapes, seed, dtype="float32", config=None):
    """Weights by name as float32, rounded as a model of `dtype` holds them."""
    return {name: parameter(seed, shape, pieces)
            for name, shape, pieces in stored(config or {}, named_shapes, dtype)}


def linear(x, weight, bias=None):
    out = weight.times(x) if isinstance(weight, Packed) else x @ weight.T
    return out if bias is None else out + bias


def rms_norm(x, weight, eps):
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(eps)) * weight


def layer_norm(x, weight, bias, eps):
    mean = x.mean(axis=-1, keepdims=True)
    spread = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(spread + np.float32(eps)) * weight + bias


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def rope(x, theta, rotary):
    """Rotates the first `rotary` elements of each head, halves paired, by position."""
    half = rotary // 2
    frequency = theta ** (-np.arange(half, dtype=np.float64) * 2 / rotary)
    angle = np.arange(len(x))[:, None, None] * frequency
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = x[..., :half], x[..., half:rotary]
    turned = np.concatenate([a * cos - b * sin, b * cos + a * sin, x[..., rotary:]], axis=-1)
    return turned.astype(np.float32)


def attention(q, k, v, theta, rotary):
    """Causal grouped-query attention of one sequence, [n, heads, width]."""
    q, k = rope(q, theta, rotary), rope(k, theta, rotary)
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(np.float32(q.shape[-1]))
    future = np.triu(np.ones(scores.shape[1:], bool), 1)
    scores = np.where(future, np.float32(-np.inf), scores)
    return np.einsum("hij,jhd->ihd", softmax(scores), v)


def greedy(logits, prompt, steps):
    tokens = list(prompt.encode())
    made = []
    for _ in range(steps):
        made.append(int(np.argmax(logits(tokens + made)[-1])))
    return made


def command_line(default):
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default=default)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--prompt", default="corpus")
    parser.add_argument("--dtype", default="float32")
    args = parser.parse_args()
    return args, load(args.config)
