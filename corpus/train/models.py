"""The `dense` and `hybrid` corpus models in PyTorch, over batches, for training.

Weights carry the names and shapes of the compiled libraries, so that they are
exported as they are.
"""

import math
import sys
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parents[1] / "reference"))
import dense  # noqa: E402
import hybrid  # noqa: E402

ARCHES = {"dense": dense, "hybrid": hybrid}


def initial(name, shape):
    """Where training begins."""
    if name.endswith("A_log"):
        return torch.log(torch.linspace(1, 4, shape[0]))
    if name.endswith("dt_bias"):
        return torch.log(torch.expm1(torch.linspace(0.02, 0.2, shape[0])))
    if len(shape) == 1:
        return torch.ones(shape)
    if name.endswith("conv1d_weight"):
        return torch.randn(shape) * 0.1 + torch.tensor([0.0] * (shape[1] - 1) + [1.0])
    scale = 0.05 if name.endswith("embed_tokens.weight") else 0.7 / math.sqrt(shape[-1])
    return torch.randn(shape) * scale


def rms_norm(x, weight, eps):
    return F.rms_norm(x, (x.shape[-1],), weight, eps)


def rotate(x, theta, width):
    """Rotary embedding of [batch, time, heads, dim] on the first `width` dimensions."""
    half = width // 2
    frequency = theta ** (-torch.arange(half) * 2 / width)
    angle = torch.arange(x.shape[1])[:, None] * frequency
    cos, sin = angle.cos()[None, :, None], angle.sin()[None, :, None]
    a, b = x[..., :half], x[..., half:width]
    return torch.cat([a * cos - b * sin, b * cos + a * sin, x[..., width:]], dim=-1)


def attend(q, k, v):
    q, k, v = (t.transpose(1, 2) for t in (q, k, v))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
    return out.transpose(1, 2)


class Network(nn.Module):
    """Either model; the configuration's `arch` decides."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.names = []
        for name, shape in ARCHES[config["arch"]].names(config):
            self.names.append(name)
            self.register_parameter(name.replace(".", "__"), nn.Parameter(initial(name, shape)))

    def weight(self, name):
        return getattr(self, name.replace(".", "__"))

    def tensors(self):
        """(name, array) in the library's order."""
        return [(n, self.weight(n).detach().numpy()) for n in self.names]

    def forward(self, tokens):
        config, w = self.config, self.weight
        eps = config["rms_norm_eps"]
        x = w("model.embed_tokens.weight")[tokens]
        for i in range(config["num_hidden_layers"]):
            p = f"model.layers.{i}."
            h = rms_norm(x, w(p + "input_layernorm.weight"), eps)
            if config["arch"] == "dense":
                x = x + self.attention(p + "self_attn.", h)
            elif hybrid.is_full(config, i):
                x = x + self.gated_attention(p + "self_attn.", h)
            else:
                x = x + self.delta_net(p + "linear_attn.", h)
            h = rms_norm(x, w(p + "post_attention_layernorm.weight"), eps)
            gate, up = (h @ w(p + "mlp.gate_up_proj.weight").T).chunk(2, dim=-1)
            x = x + (F.silu(gate) * up) @ w(p + "mlp.down_proj.weight").T
        x = rms_norm(x, w("model.norm.weight"), eps)
        tied = config["tie_word_embeddings"]
        return x @ w("model.embed_tokens.weight" if tied else "lm_head.weight").T

    def attention(self, p, x):
        config, w = self.config, self.weight
        heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
        dim, eps, theta = config["head_dim"], config["rms_norm_eps"], config["rope_theta"]
        qkv = (x @ w(p + "c_attn.weight").T).unflatten(-1, (-1, dim))
        q, k, v = qkv.split([heads, kv_heads, kv_heads], dim=2)
        q = rotate(rms_norm(q, w(p + "q_norm.weight"), eps), theta, dim)
        k = rotate(rms_norm(k, w(p + "k_norm.weight"), eps), theta, dim)
        return attend(q, k, v).flatten(2) @ w(p + "o_proj.weight").T

    def gated_attention(self, p, x):
        config, w = self.config, self.weight
        dim, eps, theta = config["head_dim"], config["rms_norm_eps"], config["rope_theta"]
        width = config["rotary_dim"]
        both = (x @ w(p + "q_proj.weight").T).unflatten(-1, (-1, 2 * dim))
        q, gate = both.chunk(2, dim=-1)
        k = (x @ w(p + "k_proj.weight").T).unflatten(-1, (-1, dim))
        v = (x @ w(p + "v_proj.weight").T).unflatten(-1, (-1, dim))
        q = rotate(rms_norm(q, w(p + "q_norm.weight"), eps), theta, width)
        k = rotate(rms_norm(k, w(p + "k_norm.weight"), eps), theta, width)
        return (attend(q, k, v) * gate.sigmoid()).flatten(2) @ w(p + "o_proj.weight").T

    def delta_net(self, p, x):
        config, w = self.config, self.weight
        key_heads, key_dim = config["linear_num_key_heads"], config["linear_key_head_dim"]
        heads, value_dim = config["linear_num_value_heads"], config["linear_value_head_dim"]
        filters = w(p + "conv1d_weight")
        taps, keys = filters.shape[1], key_heads * key_dim
        padded = F.pad((x @ w(p + "in_proj_qkv.weight").T).transpose(1, 2), (taps - 1, 0))
        mixed = F.conv1d(padded, filters[:, None], groups=filters.shape[0]).transpose(1, 2)
        q, k, v = F.silu(mixed).split([keys, keys, heads * value_dim], dim=-1)

        def key_side(t):
            t = t.unflatten(-1, (key_heads, key_dim))
            t = t / (t.square().sum(-1, keepdim=True) + 1e-6).sqrt()
            return t.repeat_interleave(heads // key_heads, dim=2)

        q, k, v = key_side(q), key_side(k), v.unflatten(-1, (heads, value_dim))
        step = F.softplus(x @ w(p + "in_proj_a.weight").T + w(p + "dt_bias"))
        decay = torch.exp(-w(p + "A_log").exp() * step)[..., None, None]
        beta = (x @ w(p + "in_proj_b.weight").T).sigmoid()[..., None, None]
        state = x.new_zeros(x.shape[0], heads, key_dim, value_dim)
        outs = []
        for t in range(x.shape[1]):
            state = state * decay[:, t]
            seen = k[:, t, :, None] @ state
            change = beta[:, t] * (v[:, t, :, None] - seen)
            state = state + k[:, t, :, :, None] * change
            outs.append(q[:, t, :, None] @ state)
        out = torch.stack(outs, dim=1).squeeze(3) * key_dim**-0.5
        z = (x @ w(p + "in_proj_z.weight").T).unflatten(-1, (heads, value_dim))
        out = rms_norm(out, w(p + "norm.weight"), config["rms_norm_eps"]) * F.silu(z)
        return out.flatten(2) @ w(p + "out_proj.weight").T
