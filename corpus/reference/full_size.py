#!/usr/bin/env python3
"""Reference values and speed of models in their real dimensions, in PyTorch on a GPU.

    python full_size.py OUTPUT.json [--config NAME] [--dtype float16|q4f16_1]
                        [--prompt-tokens N] [--steps N] [--sequences N]

Needs PyTorch, with CUDA for anything large, and NumPy for the names of the weights alone. The forward
passes are written with plain tensor operations. Weights follow the rule of weights.py,
made on the GPU and rounded as the library's are; 4-bit ones are unpacked. Expected
values are computed from these in float32; tokens per second are measured in float16
with a key-value cache and the recurrent states kept, eager, which is what the library
is compared with.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent))

import common  # noqa: E402
import dense  # noqa: E402
import embedding  # noqa: E402
import hybrid  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NAMES = {"dense": dense.names, "hybrid": hybrid.names, "embedding": embedding.names}
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


def signed(word):
    """An unsigned 64-bit word as the signed one with the same bits."""
    return word - (1 << 64) if word >= 1 << 63 else word


def shifted(z, count):
    """A logical right shift of signed words."""
    return (z >> count) & ((1 << (64 - count)) - 1)


def mix(z):
    z = z + signed(GOLDEN)
    z = (z ^ shifted(z, 30)) * signed(FIRST)
    z = (z ^ shifted(z, 27)) * signed(SECOND)
    return z ^ shifted(z, 31)


def parameter(seed, position, name, shape, dtype):
    """weights.py's `random_parameter`, on the GPU."""
    word = mix(torch.tensor([position], device=DEVICE))
    stream = mix(word ^ seed)
    count = torch.Size(shape).numel()
    bits = mix(stream + torch.arange(count, device=DEVICE))
    if dtype == "uint32":
        words = shifted(bits, 32)  # as signed 64-bit words
        full = words & words >> 1 & words >> 2 & words >> 3 & 0x11111111
        return (words ^ full << 3).reshape(shape)
    t = shifted(bits, 40).float() * 2.0**-23 - 1
    if name.endswith("q_scale"):
        value = (1.5 + 0.5 * t) * torch.sqrt(torch.tensor(3 / (shape[-1] * 32), device=DEVICE)) / 7
    elif len(shape) == 1:
        value = 1 + 0.25 * t if name.endswith("weight") else 0.25 * t
    else:
        value = t * torch.sqrt(torch.tensor(3 / shape[-1], device=DEVICE))
    return value.half().reshape(shape)


def unpacked(words, scale):
    """(4-bit value - 7) * scale, as float16: what the library's kernels compute."""
    made = torch.empty(words.shape[0], words.shape[1] * 8, dtype=torch.float16, device=DEVICE)
    shifts = torch.arange(8, device=DEVICE) * 4
    for at in range(0, len(words), 1 << 13):
        rows = slice(at, at + (1 << 13))
        values = (words[rows, :, None] >> shifts & 15).flatten(1) - 7
        made[rows] = values.half() * scale[rows].repeat_interleave(32, dim=1)
    return made


def weights_of(config, dtype):
    made = {}
    for name, _, pieces in common.stored(config, NAMES[config["arch"]](config), dtype):
        values = [parameter(config["seed"], *piece) for piece in pieces]
        made[name] = values[0] if len(values) == 1 else unpacked(*values)
    return made


class Model:
    """A decoder that keeps keys, values and recurrent states of one sequence."""

    def __init__(self, config, weights, dtype):
        self.config = config
        self.w = {name: value.to(dtype) for name, value in weights.items()}
        rotary = config.get("rotary_dim", config["head_dim"])
        exponent = -torch.arange(rotary // 2, device=DEVICE, dtype=torch.float64) / (rotary // 2)
        self.frequency = config["rope_theta"] ** exponent
        self.state = {}

    def linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"])

    def norm(self, x, name):
        scale = x.float().square().mean(-1, keepdim=True) + self.config["rms_norm_eps"]
        return (x.float() * scale.rsqrt() * self.w[name + ".weight"].float()).to(x.dtype)

    def rotate(self, x, begin):
        angle = torch.arange(begin, begin + x.shape[0], device=DEVICE)[:, None] * self.frequency
        cos, sin = angle.cos()[:, None].float(), angle.sin()[:, None].float()
        half = len(self.frequency)
        a, b, rest = x.float().split([half, half, x.shape[-1] - 2 * half], dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin, rest], dim=-1).to(x.dtype)

    def attention(self, at, q, k, v, begin):
        q = self.rotate(self.norm(q, at + "q_norm"), begin)
        k = self.rotate(self.norm(k, at + "k_norm"), begin)
        if begin:
            old_k, old_v = self.state[at]
            k, v = torch.cat([old_k, k]), torch.cat([old_v, v])
        self.state[at] = (k, v)
        q, k, v = (t.transpose(0, 1)[None] for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=begin == 0, enable_gqa=True)
        return out[0].transpose(0, 1).flatten(1)

    def dense_attention(self, at, x, begin):
        config, width = self.config, self.config["head_dim"]
        heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        qkv = self.linear(x, at + "c_attn").unflatten(-1, (-1, width))
        out = self.attention(at, *qkv.split([heads, kv_heads, kv_heads], dim=1), begin)
        return self.linear(out, at + "o_proj")

    def gated_attention(self, at, x, begin):
        width = self.config["head_dim"]
        q, gate = self.linear(x, at + "q_proj").unflatten(-1, (-1, 2 * width)).chunk(2, -1)
        k, v = (self.linear(x, at + part).unflatten(-1, (-1, width)) for part in ("k_proj", "v_proj"))
        out = self.attention(at, q, k, v, begin) * torch.sigmoid(gate.flatten(1))
        return self.linear(out, at + "o_proj")

    def linear_attention(self, at, x, begin):
        config = self.config
        key_heads, heads = config["linear_num_key_heads"], config["linear_num_value_heads"]
        key_width, width = config["linear_key_head_dim"], config["linear_value_head_dim"]
        keys, taps = key_heads * key_width, config["linear_conv_kernel_dim"]
        new, filters = self.linear(x, at + "in_proj_qkv"), self.w[at + "conv1d_weight"].float()
        if begin == 0:
            self.state[at] = (new.new_zeros(taps - 1, new.shape[1]),
                              torch.zeros(heads, key_width, width, device=DEVICE))
        old, matrix = self.state[at]
        joined = torch.cat([old, new])
        mixed = sum(joined[j:j + len(new)].float() * filters[:, j] for j in range(taps))
        mixed = F.silu(mixed).to(x.dtype).float()

        def unit(value):
            value = value.unflatten(-1, (key_heads, key_width))
            value = value / torch.sqrt(value.square().sum(-1, keepdim=True) + 1e-6)
            return value.repeat_interleave(heads // key_heads, dim=1)

        q, k = unit(mixed[:, :keys]), unit(mixed[:, keys:2 * keys])
        v = mixed[:, 2 * keys:].unflatten(-1, (heads, width))
        step = F.softplus(self.linear(x, at + "in_proj_a").float() + self.w[at + "dt_bias"].float())
        decay = torch.exp(-torch.exp(self.w[at + "A_log"].float()) * step)
        beta = torch.sigmoid(self.linear(x, at + "in_proj_b").float())
        out = []
        for t in range(len(x)):
            matrix = matrix * decay[t, :, None, None]
            seen = torch.einsum("hk,hkv->hv", k[t], matrix)
            change = (v[t] - seen) * beta[t, :, None]
            matrix = matrix + k[t, :, :, None] * change[:, None]
            out.append(torch.einsum("hk,hkv->hv", q[t], matrix) * key_width**-0.5)
        self.state[at] = (joined[len(joined) - taps + 1:], matrix)
        out = self.norm(torch.stack(out).to(x.dtype), at + "norm")
        z = self.linear(x, at + "in_proj_z").unflatten(-1, (heads, width))
        return self.linear((out * F.silu(z)).flatten(1), at + "out_proj")

    def mixed(self, i, x, begin):
        at = f"model.layers.{i}."
        if self.config["arch"] == "dense":
            return self.dense_attention(at + "self_attn.", x, begin)
        if hybrid.is_full(self.config, i):
            return self.gated_attention(at + "self_attn.", x, begin)
        return self.linear_attention(at + "linear_attn.", x, begin)

    def forward(self, tokens, begin):
        """Logits after the last of the tokens, which stand at `begin` and after."""
        x = self.w["model.embed_tokens.weight"][tokens]
        for i in range(self.config["num_hidden_layers"]):
            at = f"model.layers.{i}."
            x = x + self.mixed(i, self.norm(x, at + "input_layernorm"), begin)
            normed = self.norm(x, at + "post_attention_layernorm")
            gate, up = self.linear(normed, at + "mlp.gate_up_proj").chunk(2, -1)
            x = x + self.linear(F.silu(gate) * up, at + "mlp.down_proj")
        head = "model.embed_tokens" if self.config["tie_word_embeddings"] else "lm_head"
        return self.linear(self.norm(x[-1:], "model.norm"), head)[0].float()


def embed(config, w, tokens):
    """The embedding of one sequence, in float32."""
    w = {name: value.float() for name, value in w.items()}
    heads, hidden = config["num_attention_heads"], config["hidden_size"]

    def affine(x, name):
        return F.linear(x, w[name + ".weight"], w[name + ".bias"])

    def norm(x, name):
        return F.layer_norm(x, (hidden,), w[name + ".weight"], w[name + ".bias"],
                            config["layer_norm_eps"])

    begin = config["first_position"]
    x = norm(w["embeddings.word_embeddings.weight"][tokens]
             + w["embeddings.position_embeddings.weight"][begin:begin + len(tokens)]
             + w["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        at = f"layers.{i}."
        q, k, v = (affine(x, f"{at}attention.{part}").unflatten(-1, (heads, -1)).transpose(0, 1)
                   for part in ("query", "key", "value"))
        out = F.scaled_dot_product_attention(q[None], k[None], v[None])[0]
        x = norm(affine(out.transpose(0, 1).flatten(1), at + "attention_output.dense") + x,
                 at + "attention_output.LayerNorm")
        inner = F.gelu(affine(x, at + "intermediate"))
        x = norm(affine(inner, at + "output.dense") + x, at + "output.LayerNorm")
    vector = x.mean(0) if config.get("pooling") == "mean" else x[0]
    return vector / vector.norm()


def generate(model, prompt, steps):
    """Greedy tokens, their margins, first and last logits, seconds per decoded token."""
    logits = first = model.forward(prompt, 0)
    tokens, margins, begin = [], [], None
    for step in range(steps):
        best = logits.topk(2).values
        margins.append((best[0] - best[1]).item())
        token = logits.argmax()[None]
        tokens.append(token.item())
        if step == steps - 1:
            break
        begin = begin or time.perf_counter()
        logits = model.forward(token, len(prompt) + step)
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    seconds = (time.perf_counter() - begin) / (steps - 1)
    return tokens, margins, first, logits, seconds


def prompts(count, length, vocab):
    """mission.py's prompts."""
    for sequence in range(count):
        spread = mix(torch.arange(length, device=DEVICE) + 1000 * sequence)
        yield str(sequence), shifted(spread, 40) % vocab


def decoder(config, weights, args):
    """Cases, and what is said of speed and precision."""
    cases, said = {}, {}
    for dtype in (torch.float32, torch.float16):
        model = Model(config, weights, dtype)
        for name, prompt in prompts(args.sequences, args.prompt_tokens, config["vocab_size"]):
            if dtype == torch.float16:
                generate(model, prompt, args.steps)  # warm-up
                _, _, first, _, seconds = generate(model, prompt, args.steps)
                exact = torch.tensor(cases[name]["first_logits"], device=DEVICE)
                said = {"eager_tokens_per_second": 1 / seconds,
                        "float16_difference": (first - exact).abs().max().item()}
                break
            tokens, margins, first, last, _ = generate(model, prompt, args.steps)
            cases[name] = {"prompt": prompt.tolist(), "tokens": tokens,
                           "margins": [round(m, 5) for m in margins],
                           "first_logits": [round(v, 4) for v in first.tolist()],
                           "last_logits": [round(v, 4) for v in last.tolist()]}
        del model
        torch.cuda.empty_cache()
    said["least_margin"] = min(m for case in cases.values() for m in case["margins"])
    return cases, said


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--config", default="qwen3-0.6b")
    parser.add_argument("--dtype", default="float16")
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--sequences", type=int, default=1)
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    config = common.load(args.config)
    weights, said = weights_of(config, args.dtype), {}
    if config["arch"] == "embedding":
        cases = {name: {"prompt": prompt.tolist(),
                        "embedding": [round(v, 7) for v in embed(config, weights, prompt).tolist()]}
                 for name, prompt in prompts(args.sequences, args.prompt_tokens, config["vocab_size"])}
    else:
        cases, said = decoder(config, weights, args)
    args.output.write_text(json.dumps({"model": args.config, "cases": cases}) + "\n")
    print(json.dumps({"model": args.config, "dtype": args.dtype, "torch": torch.__version__,
                      "device": torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu", **said}), flush=True)


if __name__ == "__main__":
    main()
