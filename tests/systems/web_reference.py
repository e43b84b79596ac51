#!/usr/bin/env python3
"""Reference values of published web libraries with weights from a seed, in NumPy.

    PYTHON tests/systems/web_reference.py

writes <cache>/built/web/reference/*.json for the rows of web.toml. Names, order and shapes
of the parameters are those of the libraries' `_metadata`; the arithmetic is that of
corpus/reference, which owes nothing to TVM. Needs NumPy alone.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "corpus/reference"), str(ROOT / "tools")]

import common  # noqa: E402
import embedding  # noqa: E402
from parts import cache_root  # noqa: E402
from weights import random_parameter  # noqa: E402

OUT = cache_root() / "built" / "web" / "reference"
SEED = 7
PROMPT = [101, 2023, 2003, 1037, 7953, 102]
# snowflake-arctic-embed-s
BERT = {"num_attention_heads": 12, "hidden_size": 384, "num_hidden_layers": 12,
        "intermediate_size": 1536, "vocab_size": 30522, "max_position_embeddings": 512,
        "type_vocab_size": 2, "layer_norm_eps": 1e-12, "first_position": 0, "pad_token_id": 0}
# Qwen2-0.5B-Instruct
QWEN = {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "heads": 14,
        "kv_heads": 2, "width": 64, "vocab_size": 151936, "theta": 1e6, "eps": 1e-6}


def bert_parameters():
    """By the names of corpus/reference/embedding.py; the library joins query, key and value."""
    index, w = 0, {}
    for name, shape in embedding.names(BERT):
        if ".attention.query." in name:
            joined = (3 * shape[0], *shape[1:])
            of_library = name.replace("query", "qkv")
            values = random_parameter(SEED, index, of_library, joined, np.float32)
            for part, value in zip(("query", "key", "value"), np.split(values, 3)):
                w[name.replace("query", part)] = value
        elif ".key." in name or ".value." in name:
            continue
        else:
            w[name] = random_parameter(SEED, index, name, shape, np.float32)
        index += 1
    return w


def bert(scaled: bool):
    """The first position's vector, of length 1."""
    w = bert_parameters()
    if not scaled:
        # As if queries were not divided by the root of the head's width.
        root = np.float32(math.sqrt(BERT["hidden_size"] // BERT["num_attention_heads"]))
        for name in list(w):
            if ".attention.query." in name:
                w[name] = w[name] * root
    vector = embedding.embed(BERT, w, PROMPT)
    return {"prompt": PROMPT, "embedding": [round(float(v), 7) for v in vector]}


def qwen_names(config):
    """Each linear layer is two parameters: words of 4-bit values, and their scales."""
    hidden, inner, heads = config["hidden_size"], config["intermediate_size"], config["heads"]
    width = config["width"]
    rows = (heads + 2 * config["kv_heads"]) * width

    def linear(name, rows, columns):
        yield name + ".q_weight", (rows, columns // 8), "uint32"
        yield name + ".q_scale", (rows, columns // 32), "float32"

    yield from linear("model.embed_tokens", config["vocab_size"], hidden)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        yield from linear(layer + "self_attn.c_attn", rows, hidden)
        yield layer + "self_attn.c_attn.bias", (rows,), "float32"
        yield from linear(layer + "self_attn.o_proj", hidden, heads * width)
        yield from linear(layer + "mlp.gate_up_proj", 2 * inner, hidden)
        yield from linear(layer + "mlp.down_proj", hidden, inner)
        yield layer + "input_layernorm.weight", (hidden,), "float32"
        yield layer + "post_attention_layernorm.weight", (hidden,), "float32"
    yield "model.norm.weight", (hidden,), "float32"


class Qwen2:
    def __init__(self, config):
        self.config = config
        self.w = {name: random_parameter(SEED, index, name, shape, dtype)
                  for index, (name, shape, dtype) in enumerate(qwen_names(config))}

    def matrix(self, name):
        return common.Packed(self.w[name + ".q_weight"], self.w[name + ".q_scale"])

    def logits(self, tokens):
        """After the last token."""
        config, w = self.config, self.w
        heads, kv_heads, width = config["heads"], config["kv_heads"], config["width"]
        x = self.matrix("model.embed_tokens")[np.asarray(tokens)]
        for i in range(config["num_hidden_layers"]):
            layer = f"model.layers.{i}."
            normed = common.rms_norm(x, w[layer + "input_layernorm.weight"], config["eps"])
            qkv = self.matrix(layer + "self_attn.c_attn").times(normed)
            qkv = (qkv + w[layer + "self_attn.c_attn.bias"]).reshape(len(x), -1, width)
            q, k, v = np.split(qkv, [heads, heads + kv_heads], axis=1)
            mixed = common.attention(q, k, v, config["theta"], width).reshape(len(x), -1)
            x = x + self.matrix(layer + "self_attn.o_proj").times(mixed)
            normed = common.rms_norm(x, w[layer + "post_attention_layernorm.weight"],
                                     config["eps"])
            gate, up = np.split(self.matrix(layer + "mlp.gate_up_proj").times(normed), 2, axis=-1)
            x = x + self.matrix(layer + "mlp.down_proj").times(common.silu(gate) * up)
        x = common.rms_norm(x[-1:], w["model.norm.weight"], config["eps"])
        return self.matrix("model.embed_tokens").times(x)[0]


def qwen(steps=6):
    model, tokens, margins, first = Qwen2(QWEN), list(PROMPT), [], None
    for _ in range(steps):
        logits = model.logits(tokens)
        first = logits if first is None else first
        best, second = np.sort(logits)[::-1][:2]
        margins.append(float(best - second))
        tokens.append(int(np.argmax(logits)))
    rounded = [[round(float(v), 5) for v in values] for values in (first, logits)]
    return {"prompt": PROMPT, "tokens": tokens[len(PROMPT):], "first_logits": rounded[0],
            "last_logits": rounded[1], "least_margin": round(min(margins), 5)}


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    made = {"snowflake-s": lambda: bert(True), "snowflake-s-unscaled": lambda: bert(False),
            "qwen2-0.5b-q4f32": qwen}
    for name, case in made.items():
        document = {"model": name, "weights": f"random:{SEED}", "cases": {"short": case()},
                    "made_by": "tests/systems/web_reference.py"}
        (OUT / f"{name}.json").write_text(json.dumps(document) + "\n")
        print(name, document["cases"]["short"].get("tokens"),
              document["cases"]["short"].get("least_margin"), flush=True)


if __name__ == "__main__":
    main()
