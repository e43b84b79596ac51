"""The dense model in NumPy, float32: an answer that owes nothing to TVM.

    python dense.py [--config NAME] [--seed N] [--steps N] [--prompt TEXT]

prints greedy tokens. Recomputes the whole sequence at each step: no cache to get wrong.
"""

import numpy as np

from common import attention, command_line, greedy, linear, parameters, rms_norm, silu


def names(config):
    """Parameter names, shapes in the order of `_metadata.params`."""
    hidden, width = config["hidden_size"], config["head_dim"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    inner = config["intermediate_size"]
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        yield layer + "self_attn.c_attn.weight", ((heads + 2 * kv_heads) * width, hidden)
        yield layer + "self_attn.o_proj.weight", (hidden, heads * width)
        yield layer + "self_attn.q_norm.weight", (width,)
        yield layer + "self_attn.k_norm.weight", (width,)
        yield layer + "mlp.gate_up_proj.weight", (2 * inner, hidden)
        yield layer + "mlp.down_proj.weight", (hidden, inner)
        yield layer + "input_layernorm.weight", (hidden,)
        yield layer + "post_attention_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (config["vocab_size"], hidden)


def swiglu(x, w, layer):
    gate, up = np.split(linear(x, w[layer + "mlp.gate_up_proj.weight"]), 2, axis=-1)
    return linear(silu(gate) * up, w[layer + "mlp.down_proj.weight"])


def logits(config, w, tokens, last=False):
    """Logits after every position, [n, vocab]; with `last` after the last one alone."""
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    width, eps = config["head_dim"], config["rms_norm_eps"]
    embedding = w["model.embed_tokens.weight"]
    x = embedding[np.asarray(tokens)]
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        normed = rms_norm(x, w[layer + "input_layernorm.weight"], eps)
        qkv = linear(normed, w[layer + "self_attn.c_attn.weight"])
        q, k, v = np.split(qkv.reshape(len(x), -1, width), [heads, heads + kv_heads], axis=1)
        q = rms_norm(q, w[layer + "self_attn.q_norm.weight"], eps)
        k = rms_norm(k, w[layer + "self_attn.k_norm.weight"], eps)
        out = attention(q, k, v, config["rope_theta"], width)
        x = x + linear(out.reshape(len(x), -1), w[layer + "self_attn.o_proj.weight"])
        normed = rms_norm(x, w[layer + "post_attention_layernorm.weight"], eps)
        x = x + swiglu(normed, w, layer)
    x = rms_norm(x[-1:] if last else x, w["model.norm.weight"], eps)
    return linear(x, embedding if config["tie_word_embeddings"] else w["lm_head.weight"])


def main():
    args, config = command_line("dense")
    weights = parameters(names(config), args.seed, args.dtype)
    print(greedy(lambda tokens: logits(config, weights, tokens), args.prompt, args.steps))


if __name__ == "__main__":
    main()
