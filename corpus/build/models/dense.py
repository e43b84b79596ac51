"""A Qwen3-shaped decoder: grouped-query attention, q/k RMS norm, RoPE, SwiGLU."""

from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op
from tvm.relax.frontend.nn.llm.kv_cache import PagedKVCache

from . import common
from .quantized import linear


class Attention(nn.Module):
    def __init__(self, config):
        self.heads = config["num_attention_heads"]
        self.kv_heads = config["num_key_value_heads"]
        self.width = config["head_dim"]
        eps = config["rms_norm_eps"]
        self.c_attn = linear(config, config["hidden_size"],
                                (self.heads + 2 * self.kv_heads) * self.width)
        self.o_proj = linear(config, self.heads * self.width, config["hidden_size"])
        self.q_norm = nn.RMSNorm(self.width, -1, eps, bias=False)
        self.k_norm = nn.RMSNorm(self.width, -1, eps, bias=False)

    def forward(self, x, cache: PagedKVCache, layer: int):
        batch, length, _ = x.shape
        heads, kv_heads, width = self.heads, self.kv_heads, self.width
        qkv = op.reshape(self.c_attn(x), (batch, length, heads + 2 * kv_heads, width))
        q, k, v = op.split(qkv, [heads, heads + kv_heads], axis=2)
        qkv = op.concat([self.q_norm(q), self.k_norm(k), v], dim=2)
        out = cache.attention_with_fused_qkv(layer, qkv, heads, sm_scale=width**-0.5)
        return self.o_proj(op.reshape(out, (batch, length, heads * width)))


class Layer(nn.Module):
    def __init__(self, config):
        hidden, eps = config["hidden_size"], config["rms_norm_eps"]
        self.self_attn = Attention(config)
        self.mlp = common.MLP(config)
        self.input_layernorm = nn.RMSNorm(hidden, -1, eps, bias=False)
        self.post_attention_layernorm = nn.RMSNorm(hidden, -1, eps, bias=False)

    def forward(self, x, cache, layer):
        x = x + self.self_attn(self.input_layernorm(x), cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x))


class Model(nn.Module):
    def __init__(self, config):
        hidden = config["hidden_size"]
        self.embed_tokens = common.token_embedding(config)
        self.layers = nn.ModuleList([Layer(config) for _ in range(config["num_hidden_layers"])])
        self.norm = nn.RMSNorm(hidden, -1, config["rms_norm_eps"], bias=False)

    def forward(self, x, cache):
        for index, layer in enumerate(self.layers):
            x = layer(x, cache, index)
        return self.norm(x)


class DenseForCausalLM(common.CausalLM):
    def __init__(self, config, target):
        self.config = config
        self.target = target
        self.dtype = "float32"
        self.model = Model(config)
        if not config["tie_word_embeddings"]:
            self.lm_head = linear(config, config["hidden_size"], config["vocab_size"])

    def hidden(self, input_embeds, cache):
        if self.config.get("external_call"):
            input_embeds = common.external_call(input_embeds, self.model.norm.weight)
        return self.model(input_embeds, cache)

    def prefill(self, input_embed: nn.Tensor, paged_kv_cache: PagedKVCache):
        x = common.last_position(self.hidden(input_embed, paged_kv_cache))
        return self.logits(x), paged_kv_cache

    def decode(self, input_embed: nn.Tensor, paged_kv_cache: PagedKVCache):
        return self.logits(self.hidden(input_embed, paged_kv_cache)), paged_kv_cache

    def batch_prefill(self, input_embeds: nn.Tensor, logit_positions: nn.Tensor,
                      paged_kv_cache: PagedKVCache):
        x = op.take(self.hidden(input_embeds, paged_kv_cache), logit_positions, axis=1)
        return self.logits(x), paged_kv_cache

    def batch_decode(self, input_embeds: nn.Tensor, paged_kv_cache: PagedKVCache):
        return self.logits(self.hidden(input_embeds, paged_kv_cache)), paged_kv_cache

    def batch_verify(self, input_embeds: nn.Tensor, paged_kv_cache: PagedKVCache):
        return self.logits(self.hidden(input_embeds, paged_kv_cache)), paged_kv_cache

    def create_tir_paged_kv_cache(self, max_batch_size, max_total_seq_len, prefill_chunk_size,
                                  page_size, support_sliding_window):
        sizes = (max_batch_size, max_total_seq_len, prefill_chunk_size, page_size,
                 support_sliding_window)
        return common.paged_kv_cache(self.config, self.dtype, self.target,
                                     self.config["num_hidden_layers"],
                                     self.config["head_dim"], sizes)

    def spec(self):
        hidden, cache = self.config["hidden_size"], nn.spec.Object(object_type=PagedKVCache)

        def embeds(*dims):
            return nn.spec.Tensor([*dims, hidden], self.dtype)

        functions = {
            "prefill": common.packed({"input_embed": embeds(1, "seq_len"),
                                      "paged_kv_cache": cache}),
            "decode": common.packed({"input_embed": embeds(1, 1), "paged_kv_cache": cache}),
            "batch_prefill": common.packed({
                "input_embeds": embeds(1, "seq_len"),
                "logit_positions": nn.spec.Tensor(["batch_size"], "int32"),
                "paged_kv_cache": cache}),
            "batch_decode": common.packed({"input_embeds": embeds("batch_size", 1),
                                           "paged_kv_cache": cache}),
            "batch_verify": common.packed({"input_embeds": embeds(1, "seq_len"),
                                           "paged_kv_cache": cache}),
            **common.shared_spec(self.config),
        }
        chosen = self.config.get("functions", list(functions))
        return {name: functions[name] for name in chosen}


def build(config, dtype, target):
    model = DenseForCausalLM(config, target)
    model.to(dtype)
    module, named = model.export_tvm(spec=model.spec())[:2]
    layers = config["num_hidden_layers"]
    return module, common.metadata(config, dtype, common.parameters(named), layers, "kv_cache")
