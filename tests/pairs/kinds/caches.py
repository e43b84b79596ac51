"""Decoders on the paged cache: every attention kind, window, rope and way to make one.

A forward takes queries, keys and values as they are: attention is all there is, so
no weights are needed and each layer's input is made of the one before.
"""

import tvm
from tvm import relax
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op
from tvm.relax.frontend.nn.llm.kv_cache import PagedKVCache, RopeMode, TIRPagedKVCache

from models import compat

from . import Kind, call, kind, tensor

HEADS, KV_HEADS, WIDTH = 4, 2, 16
SIZES = ("max_batch_size", "max_total_seq_len", "prefill_chunk_size", "page_size",
         "support_sliding_window")
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32,
        "beta_fast": 32, "beta_slow": 1, "inv_theta_log_scale": 0.05428}


class Decoder(nn.Module):
    def __init__(self, kinds=None, layers=2, dtype="float32", attention="fused", **options):
        super().__init__()
        self.kinds, self.layers, self.type = kinds or "mha", layers, dtype
        self.attention, self.options = attention, options

    def layer(self, index, qkv, cache):
        q, k, v = op.split(qkv, [HEADS, HEADS + KV_HEADS], axis=2)
        if self.attention == "fused":
            return cache.attention_with_fused_qkv(index, qkv, HEADS, WIDTH**-0.5)
        if self.attention == "self":
            return cache.self_attention(index, q, k, v, WIDTH**-0.5)[0]
        if self.attention == "shared":
            out = cache.attention_with_fused_qkv(index, qkv, HEADS, WIDTH**-0.5)
            return out + cache.attention_with_shared_kv(index, q, k, v, WIDTH**-0.5)
        if self.attention == "mla" and index == 0:
            return cache.attention_with_fused_qkv(index, qkv, HEADS, WIDTH**-0.5)
        if self.attention == "mla":
            latent = op.split(qkv, [HEADS, HEADS + 1], axis=2)[1]
            cache._expr = cache.append_mla_kv(index, latent)._expr
            return cache.self_attention(index, q, k, v, WIDTH**-0.5)[0]
        # Over what is cached already: the layer's own new tokens come first.
        out = cache.attention_with_fused_qkv(index, qkv, HEADS, WIDTH**-0.5)
        return out + cache.cross_attention(index, q, WIDTH, WIDTH**-0.5)[0]

    def forward(self, qkv: nn.Tensor, cache: PagedKVCache):
        for index in range(self.layers):
            _, k, v = op.split(qkv, [HEADS, HEADS + KV_HEADS], axis=2)
            out = self.layer(index, qkv, cache)
            qkv = op.concat([out, k * 0.5, v + 0.25], dim=2)
        return out

    def fill(self, qkv: nn.Tensor, cache: PagedKVCache):
        """The first forward of a decoder that attends over what is cached already."""
        return cache.attention_with_fused_qkv(0, qkv, HEADS, WIDTH**-0.5)

    def positions(self, qkv: nn.Tensor, cache: PagedKVCache):
        return cache.get_query_positions(qkv.shape[0] * qkv.shape[1])

    def create(self, max_batch_size, max_total_seq_len, prefill_chunk_size, page_size,
               support_sliding_window):
        options = dict(
            attn_kind=self.kinds, layer_partition=relax.ShapeExpr([0, self.layers]),
            num_hidden_layers=self.layers, num_attention_heads=HEADS,
            num_key_value_heads=KV_HEADS, qk_head_dim=WIDTH, v_head_dim=WIDTH,
            mla_original_qk_head_dim=0, mla_original_v_head_dim=0, rope_mode=RopeMode.NORMAL,
            rope_scale=1, rope_theta=10000, rope_scaling={},
            rope_ext_factors=compat.prim_value(0), rotary_dim=WIDTH,
            enable_disaggregation=False, dtype=self.type, target=tvm.target.Target("llvm"))
        options.update(self.options)
        return TIRPagedKVCache(max_batch_size=max_batch_size,
                               max_total_seq_len=max_total_seq_len,
                               prefill_chunk_size=prefill_chunk_size, page_size=page_size,
                               support_sliding_window=support_sliding_window, **options)


def module(decoder, positions=False):
    qkv = nn.spec.Tensor(["batch", "length", HEADS + 2 * KV_HEADS, WIDTH], decoder.type)
    cache = nn.spec.Object(object_type=PagedKVCache)
    spec = {"forward": {"qkv": qkv, "cache": cache}, "create": {name: int for name in SIZES}}
    if decoder.attention == "cross":
        spec["fill"] = {"qkv": qkv, "cache": cache}
    if positions:
        spec["positions"] = {"qkv": qkv, "cache": cache}
    return decoder.export_tvm(spec=spec)[0]


def turns(dtype="float32", window=None, sliding=0, tree=None, decode=True, page=16, fill=False,
          **more):
    """Add a sequence; a prompt in two parts; a second sequence forked off; decoding of both."""
    calls = [{"make": "create", "sizes": [4, 64, 32, page, sliding]}, {"builtin": "add_sequence",
                                                                     "arguments": [0]}]
    if window:
        calls.append({"window": [0, *window]})
    forward = {"dtype": dtype, "heads": HEADS + 2 * KV_HEADS, "width": WIDTH, **more}
    first = {"function": "fill"} if fill else {}
    calls.append({"forward": [0], "lengths": [5], "seed": 1, **forward, **first})
    calls.append({"forward": [0], "lengths": [4], "seed": 2, "tree": tree, **forward})
    if tree:
        calls.append({"builtin": "commit", "arguments": [[0], [2]]})
    if decode:
        calls.append({"builtin": "fork_sequence", "arguments": [0, 1, -1]})
        calls.append({"forward": [0, 1], "lengths": [1, 1], "seed": 3, **forward})
        calls.append({"forward": [0], "lengths": [9], "seed": 4, **forward})
        calls.append({"builtin": "popn", "arguments": [0, 2]})
        calls.append({"forward": [0], "lengths": [1], "seed": 5, **forward})
    return calls


def plain(name, calls=None, **options):
    mode = options.pop("mode", "bytecode")
    system_lib = options.pop("system_lib", False)
    positions = options.pop("positions", False)

    @kind(name)
    def make():
        built = module(Decoder(**options), positions)
        return Kind(built, calls or turns(options.get("dtype", "float32")), mode, system_lib)

    return make


plain("paged")
plain("layer-window", kinds=["mha_sliding", "mha"])
plain("layer-window-all", kinds=["mha_sliding", "mha_sliding"])
plain("sequence-window", turns(window=[6, 1], sliding=1))
plain("self-attention", turns(decode=False), attention="self")
plain("cross-attention", turns(decode=False, fill=True), attention="cross", layers=1)
plain("mla", turns(decode=False), attention="mla", kinds=["mha", "mla"])
plain("shared-kv", attention="shared")
plain("verify-tree", turns(tree=[-1, 0, 0, 1]))
plain("positions", turns(positions=True), positions=True)
plain("rope-inline", rope_mode=RopeMode.INLINE)
plain("rope-none", rope_mode=RopeMode.NONE)
plain("rope-partial", rotary_dim=8)
plain("rope-llama3", rope_scaling=LLAMA3)
plain("rope-yarn", rope_scaling=YARN)
plain("rope-scale", rope_scale=2, rope_theta=500000)
plain("cache-f16", turns("float16"), dtype="float16")
plain("three-layers", layers=3, kinds=["mha", "mha_sliding", "mha"])
plain("cache-compiled", mode="compiled")
plain("layer-window-compiled", kinds=["mha_sliding", "mha"], mode="compiled")
plain("cache-system-lib", system_lib=True)


class Helped(Decoder):
    """A decoder in whose `create` each expression that is long enough, or a text, comes
    out of a VM function of its own."""

    def __init__(self, owner, name, function):
        super().__init__()
        self.owner, self.name, self.function = owner, name, function

    def create(self, max_batch_size, max_total_seq_len, prefill_chunk_size, page_size,
               support_sliding_window):
        original = getattr(self.owner, self.name)

        def made(values, *more):
            if isinstance(values, (list, tuple)) and len(values) < 5:
                return original(values, *more)
            builder = relax.BlockBuilder.current()
            helper, arguments = self.function(original, values)
            return builder.emit(relax.Call(builder.add_func(helper, "helper"), arguments))

        setattr(self.owner, self.name, made)
        try:
            return super().create(max_batch_size, max_total_seq_len, prefill_chunk_size,
                                  page_size, support_sliding_window)
        finally:
            setattr(self.owner, self.name, original)


def config_helper(shape, values):
    """The config of a shape of its symbolic elements."""
    from tvm import tirx

    inner = relax.BlockBuilder()
    names = [tirx.Var(f"n{i}", "int64") for i in range(5)]
    given = relax.Var("sizes", (getattr(relax, "ShapeStructInfo", None) or relax.ShapeType)(names))
    with inner.function("helper", [given]):
        inner.emit_func_output(inner.emit(shape([*names, *values[5:]])))
    return inner.get()["helper"], [shape(list(values[:5]))]


def tag_helper(imm, text):
    inner = relax.BlockBuilder()
    with inner.function("helper", []):
        inner.emit_func_output(inner.emit(imm(text)))
    return inner.get()["helper"], []


@kind("config-from-function")
def config_from_function():
    return Kind(module(Helped(relax, "ShapeExpr", config_helper)), turns())


@kind("tag-from-function")
def tag_from_function():
    owner = tvm.ir if hasattr(tvm.ir, "StringImm") else relax
    return Kind(module(Helped(owner, "StringImm", tag_helper)), turns())


@kind("legacy-cache")
def legacy_cache():
    builder = relax.BlockBuilder()
    value = relax.Var("value", compat.tensor_type((1, 2, 4), "float32"))
    cache = relax.Var("cache", compat.object_type())

    def packed(name, *arguments, out):
        return builder.emit(compat.call_pure_packed(name, *arguments, out=out))

    with builder.function("create", [value]):
        made = packed("vm.builtin.attention_kv_cache_create", value, relax.ShapeExpr([8, 2, 4]),
                      compat.prim_value(0), out=compat.object_type())
        builder.emit_func_output(made)
    value = relax.Var("value", compat.tensor_type((1, 2, 4), "float32"))
    with builder.function("append", [cache, value]):
        after = packed("vm.builtin.attention_kv_cache_append", cache, value,
                       out=compat.object_type())
        builder.emit_func_output(after)
    cache = relax.Var("cache", compat.object_type())
    with builder.function("look", [cache]):
        seen = packed("vm.builtin.attention_kv_cache_view", cache, relax.ShapeExpr([2, 2, 4]),
                      out=compat.tensor_type((2, 2, 4), "float32"))
        builder.emit_func_output(seen)
    return Kind(builder.get(), [
        {"keep": "cache", **call("create", tensor((1, 2, 4), seed=1))},
        {"keep": "cache", **call("append", ["kept", "cache"], tensor((1, 2, 4), seed=2))},
        {"keep": "cache", **call("append", ["kept", "cache"], tensor((1, 2, 4), seed=3))},
        call("look", ["kept", "cache"])])
