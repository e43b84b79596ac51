#!/usr/bin/env python3
"""Reference values and speed of the full-size model, in PyTorch on a GPU.

    python full_size.py OUTPUT.json [--config NAME] [--prompt-tokens N] [--steps N]

Needs PyTorch with CUDA; NumPy is not used. The forward pass is written with
plain tensor operations. Weights follow the rule of weights.py, made on the GPU
and rounded to float16 as the library's are. Expected values are computed from
these in float32; tokens per second are measured in float16 with a key-value
cache, eager, which is what the library is compared with.
"""

import argparse
import json
import time
import tomllib
from pathlib import Path

import torch
from torch.nn import functional as F

MODELS = Path(__file__).parents[1] / "models.toml"
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


def parameter(seed, position, name, shape):
    """weights.py's `random_parameter` for float16, on the GPU."""
    word = mix(torch.tensor([position], device="cuda"))
    stream = mix(word ^ seed)
    count = torch.Size(shape).numel()
    bits = mix(stream + torch.arange(count, device="cuda"))
    t = shifted(bits, 40).float() * 2.0**-23 - 1
    if len(shape) == 1:
        value = 1 + 0.25 * t if name.endswith("weight") else 0.25 * t
    else:
        value = t * torch.sqrt(torch.tensor(3 / shape[-1], device="cuda"))
    return value.half().reshape(shape)


def names(config):
    hidden, width, inner = (config[k] for k in ("hidden_size", "head_dim", "intermediate_size"))
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    yield "embed", "model.embed_tokens.weight", (config["vocab_size"], hidden)
    for i in range(config["num_hidden_layers"]):
        yield f"{i}.qkv", "c_attn.weight", ((heads + 2 * kv_heads) * width, hidden)
        yield f"{i}.out", "o_proj.weight", (hidden, heads * width)
        yield f"{i}.q_norm", "q_norm.weight", (width,)
        yield f"{i}.k_norm", "k_norm.weight", (width,)
        yield f"{i}.gate_up", "gate_up_proj.weight", (2 * inner, hidden)
        yield f"{i}.down", "down_proj.weight", (hidden, inner)
        yield f"{i}.norm", "input_layernorm.weight", (hidden,)
        yield f"{i}.norm2", "post_attention_layernorm.weight", (hidden,)
    yield "norm", "model.norm.weight", (hidden,)


class Model:
    def __init__(self, config, weights, dtype):
        self.config = config
        self.w = {name: value.to(dtype) for name, value in weights.items()}
        half = config["head_dim"] // 2
        exponent = -torch.arange(half, device="cuda", dtype=torch.float64) / half
        self.frequency = config["rope_theta"] ** exponent
        self.cache = {}

    def norm(self, x, name):
        scale = x.float().square().mean(-1, keepdim=True) + self.config["rms_norm_eps"]
        return (x.float() * scale.rsqrt() * self.w[name].float()).to(x.dtype)

    def rotate(self, x, begin):
        angle = torch.arange(begin, begin + x.shape[0], device="cuda")[:, None] * self.frequency
        cos, sin = angle.cos()[:, None].float(), angle.sin()[:, None].float()
        a, b = x.float().chunk(2, dim=-1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)

    def attend(self, i, x, begin):
        config, width = self.config, self.config["head_dim"]
        heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        qkv = F.linear(x, self.w[f"{i}.qkv"]).unflatten(-1, (-1, width))
        q, k, v = qkv.split([heads, kv_heads, kv_heads], dim=1)
        q = self.rotate(self.norm(q, f"{i}.q_norm"), begin)
        k = self.rotate(self.norm(k, f"{i}.k_norm"), begin)
        if begin:
            old_k, old_v = self.cache[i]
            k, v = torch.cat([old_k, k]), torch.cat([old_v, v])
        self.cache[i] = (k, v)
        q, k, v = (t.transpose(0, 1)[None] for t in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v, is_causal=begin == 0, enable_gqa=True)
        return F.linear(out[0].transpose(0, 1).flatten(1), self.w[f"{i}.out"])

    def forward(self, tokens, begin):
        """Logits after the last of the tokens, which stand at `begin` and after."""
        x = self.w["embed"][tokens]
        for i in range(self.config["num_hidden_layers"]):
            x = x + self.attend(i, self.norm(x, f"{i}.norm"), begin)
            gate, up = F.linear(self.norm(x, f"{i}.norm2"), self.w[f"{i}.gate_up"]).chunk(2, -1)
            x = x + F.linear(F.silu(gate) * up, self.w[f"{i}.down"])
        return F.linear(self.norm(x[-1:], "norm"), self.w["embed"])[0].float()


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
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - begin) / (steps - 1)
    return tokens, margins, first, logits, seconds


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--config", default="qwen3-0.6b")
    parser.add_argument("--prompt-tokens", type=int, default=128)
    parser.add_argument("--steps", type=int, default=64)
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    config = tomllib.loads(MODELS.read_text())[args.config]
    weights = {key: parameter(config["seed"], position, name, shape)
               for position, (key, name, shape) in enumerate(names(config))}
    spread = mix(torch.arange(args.prompt_tokens, device="cuda"))
    prompt = shifted(spread, 40) % config["vocab_size"]

    exact = Model(config, weights, torch.float32)
    tokens, margins, first, last, _ = generate(exact, prompt, args.steps)
    del exact
    eager = Model(config, weights, torch.float16)
    generate(eager, prompt, args.steps)  # warm-up
    _, _, halved, _, seconds = generate(eager, prompt, args.steps)
    case = {"prompt": prompt.tolist(), "tokens": tokens,
            "margins": [round(m, 5) for m in margins],
            "first_logits": [round(v, 4) for v in first.tolist()],
            "last_logits": [round(v, 4) for v in last.tolist()]}
    args.output.write_text(json.dumps({"model": args.config, "cases": {"prompt": case}}) + "\n")
    print(json.dumps({"torch": torch.__version__, "device": torch.cuda.get_device_name(),
                      "eager_tokens_per_second": 1 / seconds,
                      "float16_difference": (halved - first).abs().max().item(),
                      "least_margin": min(margins)}))


if __name__ == "__main__":
    main()
