"""A Qwen3.5-shaped decoder: gated-delta-rule layers on an RNN state, and every n-th layer
full attention (with an output gate and partial RoPE) on the KV cache.

A gated-delta-rule layer keeps two states per sequence: the last inputs of its
causal convolution and, per value head, a key-by-value matrix. Prefill takes one
sequence at a time; decode takes a batch.
"""

from tvm import te, tirx
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op
from tvm.relax.frontend.nn.llm.kv_cache import PagedKVCache

from . import common, delta_rule, rnn_state
from .quantized import linear


def l2_normalized(x: nn.Tensor, eps: float) -> nn.Tensor:
    """x / sqrt(sum of squares over the last axis + eps), in float32."""
    x = op.astype(x, "float32")
    return x / op.sqrt(op.sum(op.square(x), axis=-1, keepdims=True) + eps)


def _joined(old: te.Tensor, new: te.Tensor, b, t, c):
    """Row t of the sequence that `old` [b, 1, rows, c] begins and `new` [b, n, c] continues."""
    rows = old.shape[2]
    return tirx.if_then_else(t < rows, old[b, 0, tirx.min(t, rows - 1), c],
                             new[b, tirx.max(t - rows, 0), c])


def convolve(old: nn.Tensor, new: nn.Tensor, weight: nn.Tensor, taps: int) -> nn.Tensor:
    """Causal depthwise convolution followed by SiLU."""

    def kernel(before: te.Tensor, value: te.Tensor, filters: te.Tensor):
        def at(b, t, c):
            total = tirx.const(0, "float32")
            for j in range(taps):
                total += (_joined(before, value, b, t + j, c).astype("float32")
                          * filters[c, j].astype("float32"))
            return (total / (1 + tirx.exp(-total))).astype(value.dtype)

        return te.compute(value.shape, at, name="causal_conv")

    return op.tensor_expr_op(kernel, "causal_conv", [old, new, weight])


def last_rows(old: nn.Tensor, new: nn.Tensor) -> nn.Tensor:
    """What the next convolution needs of this sequence, in the state's shape."""

    def kernel(before: te.Tensor, value: te.Tensor):
        length = value.shape[1]
        return te.compute(before.shape,
                          lambda b, _, t, c: _joined(before, value, b, t + length, c),
                          name="last_rows")

    return op.tensor_expr_op(kernel, "last_rows", [old, new])


def gates(a: nn.Tensor, b: nn.Tensor, a_log: nn.Tensor, dt_bias: nn.Tensor):
    """decay = exp(-exp(A_log) * softplus(a + dt_bias)), beta = sigmoid(b), both float32."""

    def kernel(a_, b_, log_, bias_):
        def decay(i, t, h):
            z = a_[i, t, h].astype("float32") + bias_[h].astype("float32")
            soft = tirx.max(z, tirx.const(0, "float32")) + tirx.log(1 + tirx.exp(-tirx.abs(z)))
            return tirx.exp(-tirx.exp(log_[h].astype("float32")) * soft)

        def beta(i, t, h):
            return 1 / (1 + tirx.exp(-b_[i, t, h].astype("float32")))

        return [te.compute(a_.shape, decay, name="decay"), te.compute(b_.shape, beta, name="beta")]

    return op.tensor_expr_op(kernel, "gates", [a, b, a_log, dt_bias])


class GatedDeltaNet(nn.Module):
    def __init__(self, config, target):
        hidden = config["hidden_size"]
        self.target = target
        self.eps = config["rms_norm_eps"]
        self.key_heads = config["linear_num_key_heads"]
        self.value_heads = config["linear_num_value_heads"]
        self.key_width = config["linear_key_head_dim"]
        self.value_width = config["linear_value_head_dim"]
        self.taps = config["linear_conv_kernel_dim"]
        self.keys = self.key_heads * self.key_width
        self.values = self.value_heads * self.value_width
        self.channels = 2 * self.keys + self.values
        self.in_proj_qkv = linear(config, hidden, self.channels)
        self.in_proj_z = linear(config, hidden, self.values)
        self.in_proj_b = linear(config, hidden, self.value_heads)
        self.in_proj_a = linear(config, hidden, self.value_heads)
        self.conv1d_weight = nn.Parameter((self.channels, self.taps))
        self.A_log = nn.Parameter((self.value_heads,))
        self.dt_bias = nn.Parameter((self.value_heads,))
        self.norm = nn.RMSNorm(self.value_width, -1, self.eps, bias=False)
        self.out_proj = linear(config, self.values, hidden)

    def forward(self, x, state, index: int):
        batch, length, _ = x.shape
        heads, repeat = self.value_heads, self.value_heads // self.key_heads
        new = self.in_proj_qkv(x)
        old = state.get(index, 0, (batch, 1, self.taps - 1, self.channels), x.dtype)
        state = state.set(index, 0, last_rows(old, new))
        mixed = convolve(old, new, self.conv1d_weight, self.taps)
        q, k, v = op.split(mixed, [self.keys, 2 * self.keys], axis=-1)

        def key_side(value):
            value = op.reshape(value, (batch, length, self.key_heads, self.key_width))
            return op.repeat(l2_normalized(value, 1e-6), repeat, axis=2)

        v = op.reshape(v, (batch, length, heads, self.value_width))
        decay, beta = gates(self.in_proj_a(x), self.in_proj_b(x), self.A_log, self.dt_bias)
        matrix = state.get(index, 1, (batch, heads, self.key_width, self.value_width), "float32")
        out, matrix = delta_rule.scan(key_side(q), key_side(k), op.astype(v, "float32"), decay,
                                      beta, matrix, self.key_width**-0.5, self.target)
        state = state.set(index, 1, matrix)
        z = op.reshape(self.in_proj_z(x), (batch, length, heads, self.value_width))
        out = self.norm(op.astype(out, x.dtype)) * op.silu(z)
        return self.out_proj(op.reshape(out, (batch, length, self.values))), state


class GatedAttention(nn.Module):
    def __init__(self, config):
        hidden, eps = config["hidden_size"], config["rms_norm_eps"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config["num_key_value_heads"]
        self.width = config["head_dim"]
        self.q_proj = linear(config, hidden, 2 * self.heads * self.width)
        self.k_proj = linear(config, hidden, self.kv_heads * self.width)
        self.v_proj = linear(config, hidden, self.kv_heads * self.width)
        self.o_proj = linear(config, self.heads * self.width, hidden)
        self.q_norm = nn.RMSNorm(self.width, -1, eps, bias=False)
        self.k_norm = nn.RMSNorm(self.width, -1, eps, bias=False)

    def forward(self, x, cache: PagedKVCache, index: int):
        batch, length, _ = x.shape
        heads, kv_heads, width = self.heads, self.kv_heads, self.width
        both = op.reshape(self.q_proj(x), (batch, length, heads, 2 * width))
        q, gate = op.split(both, 2, axis=-1)
        k = op.reshape(self.k_proj(x), (batch, length, kv_heads, width))
        v = op.reshape(self.v_proj(x), (batch, length, kv_heads, width))
        qkv = op.concat([self.q_norm(q), self.k_norm(k), v], dim=2)
        out = cache.attention_with_fused_qkv(index, qkv, heads, sm_scale=width**-0.5)
        out = op.reshape(out, (batch, length, heads * width))
        return self.o_proj(out * op.sigmoid(op.reshape(gate, (batch, length, heads * width))))


class Layer(nn.Module):
    def __init__(self, config, full_attention: bool, target):
        hidden, eps = config["hidden_size"], config["rms_norm_eps"]
        self.full_attention = full_attention
        if full_attention:
            self.self_attn = GatedAttention(config)
        else:
            self.linear_attn = GatedDeltaNet(config, target)
        self.mlp = common.MLP(config)
        self.input_layernorm = nn.RMSNorm(hidden, -1, eps, bias=False)
        self.post_attention_layernorm = nn.RMSNorm(hidden, -1, eps, bias=False)

    def forward(self, x, cache, state, index: int):
        normed = self.input_layernorm(x)
        if self.full_attention:
            mixed = self.self_attn(normed, cache, index)
        else:
            mixed, state = self.linear_attn(normed, state, index)
        x = x + mixed
        return x + self.mlp(self.post_attention_layernorm(x)), state


def is_full(config, layer: int) -> bool:
    return (layer + 1) % config["full_attention_interval"] == 0


class Model(nn.Module):
    def __init__(self, config, target):
        hidden = config["hidden_size"]
        self.embed_tokens = common.token_embedding(config)
        self.layers = nn.ModuleList([Layer(config, is_full(config, i), target)
                                     for i in range(config["num_hidden_layers"])])
        self.norm = nn.RMSNorm(hidden, -1, config["rms_norm_eps"], bias=False)

    def forward(self, x, cache, state):
        seen = {True: 0, False: 0}  # layers of each kind are counted on their own
        for layer in self.layers:
            x, state = layer(x, cache, state, seen[layer.full_attention])
            seen[layer.full_attention] += 1
        return self.norm(x), state


class HybridForCausalLM(common.CausalLM):
    def __init__(self, config, target):
        self.config = config
        self.target = target
        self.dtype = "float32"
        self.model = Model(config, target)
        self.attention_layers = sum(is_full(config, i) for i in range(config["num_hidden_layers"]))
        if not config["tie_word_embeddings"]:
            self.lm_head = linear(config, config["hidden_size"], config["vocab_size"])

    def batch_prefill(self, input_embeds: nn.Tensor, logit_positions: nn.Tensor,
                      paged_kv_cache: PagedKVCache, rnn_state: rnn_state.RNNState):
        x, rnn_state = self.model(input_embeds, paged_kv_cache, rnn_state)
        return self.logits(op.take(x, logit_positions, axis=1)), paged_kv_cache, rnn_state

    def batch_decode(self, input_embeds: nn.Tensor, paged_kv_cache: PagedKVCache,
                     rnn_state: rnn_state.RNNState):
        x, rnn_state = self.model(input_embeds, paged_kv_cache, rnn_state)
        return self.logits(x), paged_kv_cache, rnn_state

    def create_tir_paged_kv_cache(self, max_batch_size, max_total_seq_len, prefill_chunk_size,
                                  page_size, support_sliding_window):
        sizes = (max_batch_size, max_total_seq_len, prefill_chunk_size, page_size,
                 support_sliding_window)
        return common.paged_kv_cache(self.config, self.dtype, self.target, self.attention_layers,
                                     self.config["rotary_dim"], sizes)

    def create_rnn_state(self, max_batch_size, max_history):
        layer = next(x.linear_attn for x in self.model.layers if not x.full_attention)
        states = [((1, layer.taps - 1, layer.channels), self.dtype),
                  ((layer.value_heads, layer.key_width, layer.value_width), "float32")]
        layers = self.config["num_hidden_layers"] - self.attention_layers
        return rnn_state.create(layers, max_batch_size, max_history, states)

    def spec(self):
        hidden = self.config["hidden_size"]
        states = {"paged_kv_cache": nn.spec.Object(object_type=PagedKVCache),
                  "rnn_state": nn.spec.Object(object_type=rnn_state.RNNState)}
        return {
            "batch_prefill": common.packed({
                "input_embeds": nn.spec.Tensor([1, "seq_len", hidden], self.dtype),
                "logit_positions": nn.spec.Tensor(["batch_size"], "int32"), **states}),
            "batch_decode": common.packed({
                "input_embeds": nn.spec.Tensor(["batch_size", 1, hidden], self.dtype), **states}),
            "create_rnn_state": common.plain({"max_batch_size": int, "max_history": int}),
            **common.shared_spec(self.config),
        }


def build(config, dtype, target):
    model = HybridForCausalLM(config, target)
    model.to(dtype)
    module, named = model.export_tvm(spec=model.spec())[:2]
    return module, common.metadata(config, dtype, common.parameters(named),
                                   model.attention_layers, "hybrid")
