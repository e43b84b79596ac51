"""What the language models share: cache construction, heads, host-side helper functions.

Function names, parameter names and signatures are those that mlc-llm's engine
calls. The code is ours.
"""

from tvm import relax, te
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op
from tvm.relax.frontend.nn.llm.kv_cache import RopeMode, TIRPagedKVCache
from tvm.script import tirx as T

from . import compat, quantized
from .quantized import linear

CACHE_ARGUMENTS = ("max_batch_size", "max_total_seq_len", "prefill_chunk_size",
                   "page_size", "support_sliding_window")


def paged_kv_cache(config, dtype, target, layers, rotary_dim, sizes):
    return TIRPagedKVCache(
        attn_kind="mha",
        **dict(zip(CACHE_ARGUMENTS, sizes)),
        layer_partition=relax.ShapeExpr([0, layers]),
        num_hidden_layers=layers,
        num_attention_heads=config["num_attention_heads"],
        num_key_value_heads=config["num_key_value_heads"],
        qk_head_dim=config["head_dim"],
        v_head_dim=config["head_dim"],
        mla_original_qk_head_dim=0,
        mla_original_v_head_dim=0,
        rope_mode=RopeMode.NORMAL,
        rope_scale=1,
        rope_theta=config["rope_theta"],
        rope_scaling={},
        rope_ext_factors=compat.prim_value(0),
        rotary_dim=rotary_dim,
        enable_disaggregation=False,
        dtype=dtype,
        target=target,
    )


def last_position(x: nn.Tensor) -> nn.Tensor:
    """[b, s, d] -> [b, 1, d], the last of the sequence."""

    def take_last(value: te.Tensor):
        batch, length, width = value.shape
        return te.compute((batch, 1, width), lambda i, _, k: value[i, length - 1, k],
                          name="take_last")

    return op.tensor_expr_op(take_last, "take_last", [x])


class Embedding(nn.Embedding):
    """A token embedding that can also serve as the output head."""

    def head(self, x: nn.Tensor) -> nn.Tensor:
        return op.matmul(x, op.permute_dims(self.weight), out_dtype="float32")


def token_embedding(config):
    """The token embedding, quantised if the configuration says so."""
    if config.get("quantization") == "q4f16_1" and config.get("quantize_embedding"):
        return quantized.Embedding(config["vocab_size"], config["hidden_size"])
    return Embedding(config["vocab_size"], config["hidden_size"])


class MLP(nn.Module):
    """SwiGLU."""

    def __init__(self, config):
        self.width = config["intermediate_size"]
        self.gate_up_proj = linear(config, config["hidden_size"], 2 * self.width)
        self.down_proj = linear(config, self.width, config["hidden_size"])

    def forward(self, x):
        gate, up = op.split(self.gate_up_proj(x), 2, axis=-1)
        return self.down_proj(op.silu(gate) * up)


def external_call(x: nn.Tensor, weight: nn.Tensor) -> nn.Tensor:
    """Adds what an external packed function answers to a scalar question: zero.

    Host code reaches the function by name, which is what the lookup slot is for.
    The kernel takes a weight so that it is not folded into a constant.
    """

    width, dtype = weight.shape[0], weight.dtype

    @T.prim_func(s_tir=True)
    def ask(var_weight: T.handle, var_out: T.handle):
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True,
                     "op_pattern": 8})  # opaque: not to be fused
        _weight = T.match_buffer(var_weight, (T.int64(width),), dtype)
        out = T.match_buffer(var_out, (T.int64(1),), "float32")
        with T.sblock("root"):
            T.reads()
            T.writes(out[0])
            out[0] = T.Cast("float32", T.call_packed("vm.builtin.copy", T.int32(0)))

    answer = op.tensor_ir_op(ask, "ask_external", [weight], nn.Tensor.placeholder((1,), "float32"))
    return x + op.astype(answer, x.dtype)


class CausalLM(nn.Module):
    """The engine-facing surface of a decoder; the subclass provides `hidden` and states."""

    config: dict
    dtype: str

    def to(self, dtype=None):
        super().to(dtype=dtype)
        if dtype is not None:
            self.dtype = dtype

    def logits(self, x):
        if self.config["tie_word_embeddings"]:
            return self.model.embed_tokens.head(x)
        return op.astype(self.lm_head(x), "float32")

    def embed(self, input_ids: nn.Tensor):
        return self.model.embed_tokens(input_ids)

    def softmax_with_temperature(self, logits: nn.Tensor, temperature: nn.Tensor):
        batch = logits.shape[0]
        return op.softmax(logits / op.reshape(temperature, (batch, 1, 1)), axis=-1)

    def alloc_embedding_tensor(self):
        config = self.config
        shape = relax.ShapeExpr([config["prefill_chunk_size"], config["hidden_size"]])
        buffer = relax.op.builtin.alloc_tensor(shape, self.dtype, 0)
        return nn.Tensor(_expr=relax.BlockBuilder.current().emit(buffer))


def packed(arguments: dict) -> dict:
    return {**arguments, "$": {"param_mode": "packed", "effect_mode": "none"}}


def plain(arguments: dict) -> dict:
    return {**arguments, "$": {"param_mode": "none", "effect_mode": "none"}}


def shared_spec(config) -> dict:
    """The functions that every decoder has, whatever its states."""
    return {
        "embed": packed({"input_ids": nn.spec.Tensor(["seq_len"], "int32")}),
        "softmax_with_temperature": plain({
            "logits": nn.spec.Tensor(["batch_size", 1, config["vocab_size"]], "float32"),
            "temperature": nn.spec.Tensor(["batch_size"], "float32"),
        }),
        "alloc_embedding_tensor": plain({}),
        "create_tir_paged_kv_cache": plain({name: int for name in CACHE_ARGUMENTS}),
    }


def parameters(named) -> list[dict]:
    """`_metadata.params` of an exported module."""
    return [{"name": name, "shape": [int(d) for d in p.shape], "dtype": str(p.dtype),
             "preprocs": [], "pipeline_stages": [0]} for name, p in named]


def metadata(config, dtype, params, kv_layers, state_kind, task="chat") -> dict:
    value = {
        "model_type": config["model_type"],
        "quantization": config.get(
            "quantization", {"float32": "q0f32", "float16": "q0f16"}[dtype]),
        "context_window_size": config["context_window_size"],
        "sliding_window_size": -1,
        "attention_sink_size": -1,
        "prefill_chunk_size": config["prefill_chunk_size"],
        "max_batch_size": config["max_batch_size"],
        "tensor_parallel_shards": 1,
        "pipeline_parallel_stages": 1,
        "disaggregation": False,
        "kv_state_kind": state_kind,
        "active_vocab_size": config["vocab_size"],
        "model_task": task,
        "params": params,
    }
    if kv_layers is not None:
        value["kv_cache"] = {
            "num_hidden_layers": kv_layers,
            "num_attention_heads": config["num_attention_heads"],
            "num_key_value_heads": config.get("num_key_value_heads",
                                              config["num_attention_heads"]),
            "head_dim": config.get("head_dim",
                                   config["hidden_size"] // config["num_attention_heads"]),
        }
    return value
