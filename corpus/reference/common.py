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


def parameters(named_shapes, seed, dtype="float32"):
    """Weights by name as float32, rounded as a model of `dtype` holds them.

    `dtype` is float32, float16 or q4f16_1; in the last each linear weight is two
    parameters, `q_weight` and `q_scale`, and (4-bit value - 7) * scale.
    """
    made, index = {}, 0
    plain = "float32" if dtype == "float32" else "float16"
    for name, shape in named_shapes:
        is_linear = name.endswith(".weight") and any(part in name for part in LINEAR)
        if dtype == "q4f16_1" and is_linear:
            rows, columns = shape
            base = name.removesuffix("weight")
            words = random_parameter(seed, index, base + "q_weight", (rows, columns // 8), "uint32")
            scale = random_parameter(seed, index + 1, base + "q_scale", (rows, columns // 32),
                                     "float16")
            values = words[:, :, None] >> (np.arange(8, dtype=np.uint32) * 4) & 15
            values = values.reshape(rows, columns).astype(np.float32) - 7
            made[name] = values * np.repeat(scale.astype(np.float32), 32, axis=1)
            index += 2
        else:
            made[name] = random_parameter(seed, index, name, shape, plain).astype(np.float32)
            index += 1
    return made


def linear(x, weight, bias=None):
    out = x @ weight.T
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
