"""The embedding model in NumPy, float32.

    python embedding.py [--config NAME] [--seed N] [--prompt TEXT]

prints the first numbers of the first position's vector, the sentence's embedding
before it is normalised.
"""

import math

import numpy as np

from common import command_line, layer_norm, linear, parameters, softmax

_erf = np.vectorize(math.erf, otypes=[np.float32])


def names(config):
    hidden, inner = config["hidden_size"], config["intermediate_size"]

    def dense(name, rows, columns):
        yield name + ".weight", (rows, columns)
        yield name + ".bias", (rows,)

    def norm(name):
        yield name + ".weight", (hidden,)
        yield name + ".bias", (hidden,)

    yield "embeddings.word_embeddings.weight", (config["vocab_size"], hidden)
    yield ("embeddings.position_embeddings.weight",
           (config["max_position_embeddings"], hidden))
    yield "embeddings.token_type_embeddings.weight", (config.get("type_vocab_size", 1), hidden)
    yield from norm("embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"layers.{i}."
        for part in ("query", "key", "value"):
            yield from dense(layer + "attention." + part, hidden, hidden)
        yield from dense(layer + "attention_output.dense", hidden, hidden)
        yield from norm(layer + "attention_output.LayerNorm")
        yield from dense(layer + "intermediate", inner, hidden)
        yield from dense(layer + "output.dense", hidden, inner)
        yield from norm(layer + "output.LayerNorm")


def gelu(x):
    return x * (1 + _erf(x / np.float32(math.sqrt(2)))) / 2


def encode(config, w, tokens, mask=None):
    """The last hidden state of one sequence, [n, hidden]. `mask` is 1 where a token counts."""
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    eps, n = config["layer_norm_eps"], len(tokens)
    seen = np.ones(n) if mask is None or config.get("ignores_mask") else np.asarray(mask)

    def dense(x, name):
        return linear(x, w[name + ".weight"], w[name + ".bias"])

    def norm(x, name):
        return layer_norm(x, w[name + ".weight"], w[name + ".bias"], eps)

    def by_head(x):
        return x.reshape(n, heads, hidden // heads)

    begin = config.get("first_position", config["pad_token_id"] + 1)
    x = (w["embeddings.word_embeddings.weight"][np.asarray(tokens)]
         + w["embeddings.position_embeddings.weight"][begin:begin + n]
         + w["embeddings.token_type_embeddings.weight"][0])
    x = norm(x, "embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"layers.{i}."
        q, k, v = (by_head(dense(x, layer + "attention." + part))
                   for part in ("query", "key", "value"))
        scores = np.einsum("ihd,jhd->hij", q, k) / np.float32(math.sqrt(hidden // heads))
        scores = np.where(seen > 0, scores, np.float32(-10000))
        mixed = np.einsum("hij,jhd->ihd", softmax(scores), v).reshape(n, hidden)
        x = norm(dense(mixed, layer + "attention_output.dense") + x,
                 layer + "attention_output.LayerNorm")
        inner = gelu(dense(x, layer + "intermediate"))
        x = norm(dense(inner, layer + "output.dense") + x, layer + "output.LayerNorm")
    return x


def embed(config, w, tokens):
    """The embedding of one sequence: pooled, of length 1."""
    rows = encode(config, w, tokens)
    vector = rows.mean(axis=0) if config.get("pooling") == "mean" else rows[0]
    return vector / np.sqrt(np.sum(vector * vector))


def main():
    args, config = command_line("embedding")
    weights = parameters(names(config), args.seed)
    tokens = list(args.prompt.encode())
    print([round(float(v), 6) for v in encode(config, weights, tokens)[0, :4]])
    padded = tokens[:3] + [config["pad_token_id"]] * (len(tokens) - 3)
    mask = [1] * 3 + [0] * (len(tokens) - 3)
    print([round(float(v), 6) for v in encode(config, weights, padded, mask)[0, :4]])


if __name__ == "__main__":
    main()
