"""What served models ask for besides a decoder: drafts and their checks, embeddings of other
kinds of input, adapters, experts, recurrent states with a history, several machines, and
sampling on the device; and kernels that ask the runtime for something."""

import numpy as np
import tvm
from tvm import relax
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn import op
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from models import compat, rnn_state

from . import Kind, caches, call, kind, tensor

F32 = "float32"
X = tensor((2, 3), seed=1)


def var(name):
    return (tvm.tirx.Var if hasattr(tvm, "tirx") else tvm.tir.Var)(name, "int64")


def parameter(name, shape, dtype=F32):
    return relax.Var(name, compat.tensor_type(shape, dtype))


@kind("image-embeddings")
def image_embeddings():
    """Patches of an image become embeddings, and stand where the prompt has room for them."""
    n, m = var("n"), var("m")
    builder = relax.BlockBuilder()
    image, weight = parameter("image", (1, 3, 8, 8)), parameter("weight", (4, 3, 2, 2))
    with builder.function("image_embed", [image, weight]):
        patches = builder.emit(relax.op.nn.conv2d(image, weight, strides=2))
        flat = builder.emit(relax.op.reshape(patches, (1, 4, 16)))
        builder.emit_func_output(builder.emit(relax.op.permute_dims(flat, [0, 2, 1])))
    ids, table = parameter("ids", (n,), "int32"), parameter("table", (10, 4))
    with builder.function("embed", [ids, table]):
        builder.emit_func_output(builder.emit(relax.op.take(table, ids, axis=0)))
    text, seen = parameter("text", (1, n, 4)), parameter("seen", (1, m, 4))
    with builder.function("prefill", [text, seen]):
        both = builder.emit(relax.op.concat([text, seen, text], axis=1))
        scores = builder.emit(relax.op.matmul(both, relax.op.permute_dims(both, [0, 2, 1])))
        builder.emit_func_output(builder.emit(relax.op.matmul(
            builder.emit(relax.op.nn.softmax(scores, axis=-1)), both)))
    return Kind(builder.get(), [
        {"keep": "seen", **call("image_embed", tensor((1, 3, 8, 8), seed=1),
                                tensor((4, 3, 2, 2), seed=2))},
        call("embed", ["array", "int32", [1, 5, 9]], tensor((10, 4), seed=3)),
        call("prefill", tensor((1, 3, 4), seed=4), ["kept", "seen"])])


@kind("adapters")
def adapters():
    """LoRA: each row of a batch has an adapter of its own, or the one of zeros."""
    n = var("n")
    builder = relax.BlockBuilder()
    x, which = parameter("x", (n, 1, 6)), parameter("which", (n,), "int32")
    base = parameter("base", (6, 5))
    down, up = parameter("down", (3, 6, 2)), parameter("up", (3, 2, 5))
    with builder.function("batch_decode", [x, which, base, down, up]):
        plain = builder.emit(relax.op.matmul(x, base))
        of_row = [builder.emit(relax.op.take(one, which, axis=0)) for one in (down, up)]
        low = builder.emit(relax.op.matmul(x, of_row[0]))
        more = builder.emit(relax.op.matmul(low, of_row[1]))
        scaled = builder.emit(relax.op.multiply(more, relax.const(0.5, F32)))
        builder.emit_func_output(builder.emit(relax.op.add(plain, scaled)))
    weights = [tensor((6, 5), seed=2), tensor((3, 6, 2), seed=3), tensor((3, 2, 5), seed=4)]
    return Kind(builder.get(), [
        call("batch_decode", tensor((rows, 1, 6), seed=rows), ["array", "int32", which], *weights)
        for rows, which in ((1, [2]), (3, [0, 2, 2]))])


@kind("experts")
def experts():
    """A mixture of experts: the best two of each token, its rows sorted by expert, a kernel
    that multiplies group by group, and the way back."""
    @I.ir_module
    class Module:
        @T.prim_func(private=True, s_tir=True)
        def grouped(var_x: T.handle, w: T.Buffer((T.int64(4), T.int64(6), T.int64(5)), "float32"),
                    var_owner: T.handle, var_out: T.handle):
            rows = T.int64()
            x = T.match_buffer(var_x, (rows, T.int64(6)), "float32")
            owner = T.match_buffer(var_owner, (rows,), "int32")
            out = T.match_buffer(var_out, (rows, T.int64(5)), "float32")
            for i, j, k in T.grid(rows, T.int64(5), T.int64(6)):
                with T.sblock("product"):
                    vi, vj, vk = T.axis.remap("SSR", [i, j, k])
                    with T.init():
                        out[vi, vj] = T.float32(0)
                    out[vi, vj] = out[vi, vj] + x[vi, vk] * w[T.Cast("int64", owner[vi]), vk, vj]

        @R.function
        def main(x: R.Tensor(("n", 6), "float32"), gate: R.Tensor((6, 4), "float32"),
                 w: R.Tensor((4, 6, 5), "float32")):
            n = T.int64()
            cls = Module
            scores = R.nn.softmax(R.matmul(x, gate), axis=-1)
            best = R.topk(scores, 2, axis=-1, ret_type="both", dtype="int32")
            weight = best[0]
            owner = R.reshape(best[1], R.shape([n * 2]))
            order = R.argsort(owner, axis=0, dtype="int32")
            twice = R.reshape(R.concat([R.expand_dims(x, 1), R.expand_dims(x, 1)], axis=1),
                              R.shape([n * 2, 6]))
            rows = R.take(twice, order, axis=0)
            owners = R.take(owner, order, axis=0)
            made = R.call_tir(cls.grouped, (rows, w, owners),
                              R.Tensor((n * 2, 5), "float32"))
            back = R.take(made, R.argsort(order, axis=0, dtype="int32"), axis=0)
            parts = R.reshape(back, R.shape([n, 2, 5]))
            return R.sum(R.multiply(parts, R.expand_dims(weight, 2)), axis=1)

    weights = [tensor((6, 4), seed=2), tensor((4, 6, 5), seed=3)]
    return Kind(Module, [call("main", tensor((rows, 6), seed=rows), *weights) for rows in (1, 4)])


class DeltaRule(nn.Module):
    """Two states a layer, and a gate that lets them fade."""

    def step(self, x: nn.Tensor, state: rnn_state.RNNState):
        batch = x.shape[0]
        old = state.get(0, 0, (batch, 2, 3, 4), F32)
        last = state.get(0, 1, (batch, 1, 1, 6), F32)
        key, value = op.split(x, [2 * 3], axis=1)
        key = op.reshape(key, (batch, 2, 3, 1))
        value = op.reshape(value, (batch, 2, 1, 4))
        gate = op.sigmoid(op.sum(last, axis=-1, keepdims=True))
        made = old * gate + op.matmul(key, value)
        state = state.set(0, 0, made)
        state = state.set(0, 1, op.reshape(key, (batch, 1, 1, 6)))
        return op.sum(made, axis=2), state

    def create(self, max_batch_size, max_history):
        return rnn_state.create(1, max_batch_size, max_history,
                                [((2, 3, 4), F32), ((1, 1, 6), F32)])

    def export(self):
        state = nn.spec.Object(object_type=rnn_state.RNNState)
        return self.export_tvm(spec={
            "step": {"x": nn.spec.Tensor(["batch", 14], F32), "state": state},
            "create": {"max_batch_size": int, "max_history": int}})[0]


@kind("delta-net")
def delta_net():
    """A gated delta net whose drafts are taken back, and whose sequences fork."""
    def step(sequences, seed):
        return {"step": sequences, "input": tensor((len(sequences), 14), seed=seed)}

    return Kind(DeltaRule().export(), [
        {"make": "create", "sizes": [3, 4]},
        {"builtin": "add_sequence", "arguments": [0]},
        step([0], 1), step([0], 2), step([0], 3),
        {"builtin": "popn", "arguments": [0, 2]},
        step([0], 4),
        {"builtin": "fork_sequence", "arguments": [0, 1, -1]},
        step([0, 1], 5), step([1], 6),
        {"builtin": "popn", "arguments": [1, 9]},
        {"builtin": "remove_sequence", "arguments": [0]}, step([1], 7)])


@kind("pipeline")
def pipeline():
    """Layers on several machines: what goes to the next group and comes from the one before.
    Without a session of workers only what needs none of it works."""
    @I.ir_module
    class Module:
        @R.function(pure=False)
        def main(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = R.call_dps_packed("runtime.disco.recv_from_prev_group", (), R.Tensor((2, 3), "float32"))
            z = R.add(x, y)
            _ = R.call_packed("runtime.disco.send_to_next_group", z, ty_args=R.Tuple())
            return z

        @R.function
        def plain(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = R.add(x, x)
            return y

    return Kind(Module, [call("plain", X), call("main", X)])


@kind("draft-heads")
def draft_heads():
    """Medusa: several heads on one hidden state, the best of each; and EAGLE's input, the
    hidden states of kept positions beside the embeddings of the tokens behind them."""
    n, kept = var("n"), var("kept")
    builder = relax.BlockBuilder()
    hidden = parameter("hidden", (n, 1, 6))
    heads = parameter("heads", (3, 6, 9))
    with builder.function("drafts", [hidden, heads]):
        results = []
        for index in range(3):
            head = builder.emit(relax.op.take(heads, relax.const(index, "int32"), axis=0))
            more = builder.emit(relax.op.nn.silu(hidden))
            results.append(builder.emit(relax.op.matmul(builder.emit(relax.op.add(hidden, more)), head)))
        stacked = builder.emit(relax.op.concat(results, axis=1))
        best = builder.emit(relax.op.topk(stacked, 2, axis=-1, ret_type="both", dtype="int32"))
        builder.emit_func_output(builder.emit(relax.Tuple(
            [stacked, best, builder.emit(relax.op.argmax(stacked, axis=-1))])))
    hidden, at = parameter("hidden", (n, 6)), parameter("at", (kept,), "int32")
    embedded = parameter("embedded", (kept, 6))
    fuse = parameter("fuse", (12, 6))
    with builder.function("fuse_embed_hidden", [hidden, at, embedded, fuse]):
        rows = builder.emit(relax.op.take(hidden, at, axis=0))
        both = builder.emit(relax.op.concat([embedded, rows], axis=-1))
        builder.emit_func_output(builder.emit(relax.op.matmul(both, fuse)))
    return Kind(builder.get(), [
        call("drafts", tensor((2, 1, 6), seed=1), tensor((3, 6, 9), seed=2)),
        call("fuse_embed_hidden", tensor((5, 6), seed=3), ["array", "int32", [0, 4]],
             tensor((2, 6), seed=4), tensor((12, 6), seed=5))])


@kind("verify-drafts")
def verify_drafts():
    """A kernel that walks a tree of drafted tokens and says how far they are accepted."""
    @I.ir_module
    class Module:
        @T.prim_func(private=True, s_tir=True)
        def walk(var_draft: T.handle, var_model: T.handle, var_tokens: T.handle,
                 var_parent: T.handle, var_uniform: T.handle, var_kept: T.handle):
            nodes = T.int64()
            words = T.int64()
            draft = T.match_buffer(var_draft, (nodes, words), "float32")
            model = T.match_buffer(var_model, (nodes, words), "float32")
            tokens = T.match_buffer(var_tokens, (nodes,), "int32")
            parent = T.match_buffer(var_parent, (nodes,), "int32")
            uniform = T.match_buffer(var_uniform, (nodes,), "float32")
            kept = T.match_buffer(var_kept, (nodes,), "int32")
            with T.sblock("root"):
                for i in range(nodes):
                    with T.sblock("node"):
                        v = T.axis.opaque(nodes, i)
                        kept[v] = T.if_then_else(
                            parent[v] < 0, 1,
                            T.if_then_else(
                                kept[T.max(parent[v], 0)] > 0
                                and uniform[v] * draft[v, T.Cast("int64", tokens[v])]
                                < model[v, T.Cast("int64", tokens[v])], 1, 0))

        @R.function
        def main(draft: R.Tensor(("n", "v"), "float32"), model: R.Tensor(("n", "v"), "float32"),
                 tokens: R.Tensor(("n",), "int32"), parent: R.Tensor(("n",), "int32"),
                 uniform: R.Tensor(("n",), "float32")):
            n = T.int64()
            cls = Module
            d = R.nn.softmax(draft, axis=-1)
            m = R.nn.softmax(model, axis=-1)
            kept = R.call_tir(cls.walk, (d, m, tokens, parent, uniform), R.Tensor((n,), "int32"))
            left = R.maximum(R.subtract(m, d), R.const(0, "float32"))
            return (kept, R.sum(kept), left)

    even = ["array", "float32", [0.9, 0.5, 0.7, 0.2, 0.4]]
    return Kind(Module, [call("main", tensor((5, 7), seed=1), tensor((5, 7), seed=2),
                              ["array", "int32", [0, 3, 6, 2, 1]],
                              ["array", "int32", [-1, 0, 0, 1, 3]], even)])


@kind("device-sampling")
def device_sampling():
    """Sampling on the device: temperature, sorted probabilities, the mass that is kept, and
    the first token that lies behind a random number."""
    n = var("n")
    builder = relax.BlockBuilder()
    logits, heat = parameter("logits", (n, 1, 11)), parameter("heat", (n,))
    with builder.function("softmax_with_temperature", [logits, heat]):
        scaled = builder.emit(relax.op.divide(logits, builder.emit(relax.op.reshape(heat, (n, 1, 1)))))
        builder.emit_func_output(builder.emit(relax.op.nn.softmax(scaled, axis=-1)))
    probs, mass = parameter("probs", (n, 11)), parameter("mass", (n, 1))
    uniform = parameter("uniform", (n, 1))
    with builder.function("sample_with_top_p", [probs, mass, uniform]):
        best = builder.emit(relax.op.topk(probs, 0, axis=-1, ret_type="both", dtype="int32"))
        ordered, index = (builder.emit(relax.TupleGetItem(best, at)) for at in (0, 1))
        so_far = builder.emit(relax.op.cumsum(ordered, axis=1))
        before = builder.emit(relax.op.subtract(so_far, ordered))
        kept = builder.emit(relax.op.where(builder.emit(relax.op.less(before, mass)), ordered,
                                           relax.op.zeros_like(ordered)))
        total = builder.emit(relax.op.sum(kept, axis=1, keepdims=True))
        reach = builder.emit(relax.op.multiply(uniform, total))
        behind = builder.emit(relax.op.greater(builder.emit(relax.op.cumsum(kept, axis=1)), reach))
        first = builder.emit(relax.op.argmax(builder.emit(relax.op.astype(behind, "int32")), axis=1,
                                             keepdims=True))
        builder.emit_func_output(builder.emit(relax.op.gather_elements(index, first, axis=1)))
    return Kind(builder.get(), [
        {"keep": "probs", **call("softmax_with_temperature", tensor((2, 1, 11), seed=1),
                                 ["array", "float32", [0.7, 1.5]])},
        call("sample_with_top_p", ["array", "float32", np.full((2, 11), 1 / 11).tolist()],
             ["array", "float32", [[0.9], [0.4]]], ["array", "float32", [[0.2], [0.8]]]),
        call("softmax_with_temperature", tensor((5, 1, 11), seed=2),
             ["array", "float32", [1.0, 1.0, 0.5, 0.1, 2.0]])])


@kind("encoder-decoder")
def encoder_decoder():
    """What the encoder gives is a tuple that each step of the decoder attends to."""
    n, m = var("n"), var("m")
    builder = relax.BlockBuilder()
    sound, key, value = (parameter("sound", (1, 4, n)), parameter("key", (6, 6)),
                         parameter("value", (6, 6)))
    filters = parameter("filters", (6, 4, 3))
    with builder.function("encode", [sound, filters, key, value]):
        heard = builder.emit(relax.op.nn.conv1d(sound, filters, padding=1))
        heard = builder.emit(relax.op.nn.gelu(builder.emit(relax.op.permute_dims(heard, [0, 2, 1]))))
        both = [builder.emit(relax.op.matmul(heard, one)) for one in (key, value)]
        builder.emit_func_output(builder.emit(relax.Tuple(both)))
    query = parameter("query", (1, m, 6))
    keys, values = parameter("keys", (1, n, 6)), parameter("values", (1, n, 6))
    with builder.function("decode", [query, keys, values]):
        own = builder.emit(relax.op.matmul(query, relax.op.permute_dims(query, [0, 2, 1])))
        causal = builder.emit(relax.op.tril(relax.op.ones_like(own)))
        own = builder.emit(relax.op.where(builder.emit(relax.op.greater(causal, relax.const(0, F32))), own,
                                          relax.op.full_like(own, relax.const(-1e9, F32))))
        mixed = builder.emit(relax.op.matmul(builder.emit(relax.op.nn.softmax(own, axis=-1)), query))
        seen = builder.emit(relax.op.matmul(mixed, relax.op.permute_dims(keys, [0, 2, 1])))
        builder.emit_func_output(builder.emit(relax.op.matmul(
            builder.emit(relax.op.nn.softmax(seen, axis=-1)), values)))
    return Kind(builder.get(), [
        call("encode", tensor((1, 4, 7), seed=1), tensor((6, 4, 3), seed=2), tensor((6, 6), seed=3),
             tensor((6, 6), seed=4)),
        call("decode", tensor((1, 3, 6), seed=5), tensor((1, 7, 6), seed=6), tensor((1, 7, 6), seed=7)),
        call("decode", tensor((1, 1, 6), seed=8), tensor((1, 7, 6), seed=6), tensor((1, 7, 6), seed=7))])


# Prefill and decoding on different machines: the cache's own functions for it.
caches.plain("disaggregated", enable_disaggregation=True)


def asks(name, *arguments, also=None):
    """A kernel that calls a function by its name, and a function that does not need it."""
    @I.ir_module
    class Module:
        @T.prim_func(private=True, s_tir=True)
        def kernel(x: T.Buffer((2, 3), "float32"), y: T.Buffer((2, 3), "float32")):
            T.func_attr({"tirx.is_scheduled": True})
            with T.sblock("root"):
                T.reads()
                T.writes()
                T.evaluate(T.call_packed(name, *arguments))
                for i, j in T.grid(2, 3):
                    with T.sblock("body"):
                        a, b = T.axis.remap("SS", [i, j])
                        y[a, b] = x[a, b] * T.float32(3)

        @R.function
        def main(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            cls = Module
            y = R.call_tir(cls.kernel, (x,), R.Tensor((2, 3), "float32"))
            return y

    return Kind(Module, [call("main", X)])


@kind("kernel-asks-nobody")
def kernel_asks_nobody():
    return asks("artcheck.app.absent", 3)


@kind("kernel-asks-itself")
def kernel_asks_itself():
    """By its own name, which only the library exports."""
    return asks("kernel", 3)


@kind("kernel-asks-too-much")
def kernel_asks_too_much():
    return asks("vm.builtin.null_value", 3)


@kind("kernel-asks-rightly")
def kernel_asks_rightly():
    return asks("runtime.NumThreads")


def packed(name, *arguments):
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((2, 3), F32))
    with builder.function("main", [x]):
        given = [x if one == "x" else one for one in arguments]
        builder.emit(compat.call_pure_packed(name, *given, out=compat.object_type()))
        builder.emit_func_output(builder.emit(relax.op.add(x, x)))
    return Kind(builder.get(), [call("main", X)])


@kind("module-of-tensor")
def module_of_tensor():
    return packed("ffi.ModuleLoadFromFile", "x")


@kind("state-of-tensor")
def state_of_tensor():
    return packed("vm.builtin.kv_state_clear", "x")


@kind("sort-of-one")
def sort_of_one():
    return packed("tvm.contrib.sort.argsort", "x")


@kind("debug-of-one")
def debug_of_one():
    return packed("vm.builtin.invoke_debug_func", "x")
