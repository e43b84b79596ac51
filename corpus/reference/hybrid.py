"""The hybrid model in NumPy, float32: gated delta rule and gated attention, no cache.

    python hybrid.py [--config NAME] [--seed N] [--steps N] [--prompt TEXT]
"""

import numpy as np

from common import attention, command_line, greedy, linear, parameters, rms_norm, sigmoid, silu
from dense import swiglu


def is_full(config, layer):
    return (layer + 1) % config["full_attention_interval"] == 0


def names(config):
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    width = config["head_dim"]
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    value_heads = config["linear_num_value_heads"]
    keys = config["linear_num_key_heads"] * config["linear_key_head_dim"]
    values = value_heads * config["linear_value_head_dim"]
    channels = 2 * keys + values
    yield "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        if is_full(config, i):
            at = layer + "self_attn."
            yield at + "q_proj.weight", (2 * heads * width, hidden)
            yield at + "k_proj.weight", (kv_heads * width, hidden)
            yield at + "v_proj.weight", (kv_heads * width, hidden)
            yield at + "o_proj.weight", (hidden, heads * width)
            yield at + "q_norm.weight", (width,)
            yield at + "k_norm.weight", (width,)
        else:
            at = layer + "linear_attn."
            yield at + "in_proj_qkv.weight", (channels, hidden)
            yield at + "in_proj_z.weight", (values, hidden)
            yield at + "in_proj_b.weight", (value_heads, hidden)
            yield at + "in_proj_a.weight", (value_heads, hidden)
            yield at + "conv1d_weight", (channels, config["linear_conv_kernel_dim"])
            yield at + "A_log", (value_heads,)
            yield at + "dt_bias", (value_heads,)
            yield at + "norm.weight", (config["linear_value_head_dim"],)
            yield at + "out_proj.weight", (hidden, values)
        yield layer + "mlp.gate_up_proj.weight", (2 * inner, hidden)
        yield layer + "mlp.down_proj.weight", (hidden, inner)
        yield layer + "input_layernorm.weight", (hidden,)
        yield layer + "post_attention_layernorm.weight", (hidden,)
    yield "model.norm.weight", (hidden,)
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", (config["vocab_size"], hidden)


def full_attention(config, w, at, x):
    heads, width, eps = config["num_attention_heads"], config["head_dim"], config["rms_norm_eps"]
    n = len(x)
    both = linear(x, w[at + "q_proj.weight"]).reshape(n, heads, 2 * width)
    q, gate = both[..., :width], both[..., width:]
    k = linear(x, w[at + "k_proj.weight"]).reshape(n, -1, width)
    v = linear(x, w[at + "v_proj.weight"]).reshape(n, -1, width)
    q = rms_norm(q, w[at + "q_norm.weight"], eps)
    k = rms_norm(k, w[at + "k_norm.weight"], eps)
    out = attention(q, k, v, config["rope_theta"], config["rotary_dim"])
    return linear((out * sigmoid(gate)).reshape(n, -1), w[at + "o_proj.weight"])


def convolve(x, weight):
    """Causal depthwise convolution over time, then SiLU."""
    taps = weight.shape[1]
    padded = np.concatenate([np.zeros((taps - 1, x.shape[1]), np.float32), x])
    return silu(sum(padded[j:j + len(x)] * weight[:, j] for j in range(taps)))


def unit(x):
    return x / np.sqrt(np.sum(x * x, axis=-1, keepdims=True) + np.float32(1e-6))


def delta_rule(q, k, v, decay, beta, scale):
    """One step of time after another: S <- decay S + k (beta (v - k decay S))."""
    n, heads, keys = k.shape
    state = np.zeros((heads, keys, v.shape[2]), np.float32)
    out = np.empty_like(v)
    for t in range(n):
        state = state * decay[t][:, None, None]
        seen = np.einsum("hk,hkv->hv", k[t], state)
        change = (v[t] - seen) * beta[t][:, None]
        state = state + k[t][:, :, None] * change[:, None, :]
        out[t] = np.einsum("hk,hkv->hv", q[t], state) * scale
    return out


def linear_attention(config, w, at, x):
    key_heads, value_heads = config["linear_num_key_heads"], config["linear_num_value_heads"]
    key_width, value_width = config["linear_key_head_dim"], config["linear_value_head_dim"]
    n, keys = len(x), key_heads * key_width
    mixed = convolve(linear(x, w[at + "in_proj_qkv.weight"]), w[at + "conv1d_weight"])
    repeat = value_heads // key_heads
    q = np.repeat(unit(mixed[:, :keys].reshape(n, key_heads, key_width)), repeat, axis=1)
    k = np.repeat(unit(mixed[:, keys:2 * keys].reshape(n, key_heads, key_width)), repeat, axis=1)
    v = mixed[:, 2 * keys:].reshape(n, value_heads, value_width)
    step = np.logaddexp(np.float32(0), linear(x, w[at + "in_proj_a.weight"]) + w[at + "dt_bias"])
    decay = np.exp(-np.exp(w[at + "A_log"]) * step)
    beta = sigmoid(linear(x, w[at + "in_proj_b.weight"]))
    out = delta_rule(q, k, v, decay, beta, np.float32(key_width**-0.5))
    z = linear(x, w[at + "in_proj_z.weight"]).reshape(n, value_heads, value_width)
    out = rms_norm(out, w[at + "norm.weight"], config["rms_norm_eps"]) * silu(z)
    return linear(out.reshape(n, -1), w[at + "out_proj.weight"])


def logits(config, w, tokens, last=False):
    eps = config["rms_norm_eps"]
    embedding = w["model.embed_tokens.weight"]
    x = embedding[np.asarray(tokens)]
    for i in range(config["num_hidden_layers"]):
        layer = f"model.layers.{i}."
        normed = rms_norm(x, w[layer + "input_layernorm.weight"], eps)
        if is_full(config, i):
            x = x + full_attention(config, w, layer + "self_attn.", normed)
        else:
            x = x + linear_attention(config, w, layer + "linear_attn.", normed)
        normed = rms_norm(x, w[layer + "post_attention_layernorm.weight"], eps)
        x = x + swiglu(normed, w, layer)
    x = rms_norm(x[-1:] if last else x, w["model.norm.weight"], eps)
    return linear(x, embedding if config["tie_word_embeddings"] else w["lm_head.weight"])


def main():
    args, config = command_line("hybrid")
    weights = parameters(names(config), args.seed, args.dtype)
    print(greedy(lambda tokens: logits(config, weights, tokens), args.prompt, args.steps))


if __name__ == "__main__":
    main()
