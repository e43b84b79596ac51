"""What the others leave out: a cache config that comes through tensors, tuples, branches,
closures and recursion; two caches of one program; functions as values; kernels with odd
parameters; operators that become functions of the runtime."""

from tvm import relax, tirx
from tvm.relax.frontend import nn
from tvm.relax.frontend.nn.llm.kv_cache import PagedKVCache
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from models import compat

from . import KINDS, Kind, caches, call, kind, tensor
from .serving import parameter, var

F32 = "float32"
X = tensor((2, 3), seed=1)
shape_type = getattr(relax, "ShapeStructInfo", None) or relax.ShapeType


def compiled(name):
    """The same kind, its VM functions compiled to host code."""
    of = KINDS[name]

    @kind(f"{name}-compiled")
    def make():
        made = of()
        made.mode = "compiled"
        return made


# How the config of a cache is made, in a function that is given its first five elements.


def elements():
    """A parameter of five elements, and their names."""
    names = [var(f"n{index}") for index in range(5)]
    return relax.Var("sizes", shape_type(names)), names


def through_tensor(shape, values):
    """It becomes a tensor, and a shape again."""
    inner = relax.BlockBuilder()
    given, names = elements()
    with inner.function("helper", [given]):
        whole = inner.emit(shape([*names, *values[5:]]))
        made = inner.emit(relax.op.shape_to_tensor(whole))
        inner.emit_func_output(inner.emit(relax.op.tensor_to_shape(made)))
    return inner.get()["helper"], [shape(list(values[:5]))]


def through_tuple(shape, values):
    """It lies in a tuple, in a tuple."""
    inner = relax.BlockBuilder()
    given, names = elements()
    with inner.function("helper", [given]):
        whole = inner.emit(shape([*names, *values[5:]]))
        pair = inner.emit(relax.Tuple([given, inner.emit(relax.Tuple([whole, given]))]))
        second = inner.emit(relax.TupleGetItem(pair, 1))
        inner.emit_func_output(inner.emit(relax.TupleGetItem(second, 0)))
    return inner.get()["helper"], [shape(list(values[:5]))]


def through_branch(shape, values):
    """Five elements on one way, which a constant takes, and six on the other."""
    inner = relax.BlockBuilder()
    given, names = elements()
    with inner.function("helper", [given]):
        ways = []
        for more in ([], [1 << 20]):
            made = relax.Var("made", shape_type(ndim=5 + len(more)))
            block = relax.BindingBlock([relax.VarBinding(made, shape([*names, *more]))])
            ways.append(relax.SeqExpr([block], made))
        inner.emit_func_output(inner.emit(relax.If(relax.const(True, "bool"), *ways)))
    return inner.get()["helper"], [shape(list(values[:5]))]


def computed(shape, values):
    """Each element is worked out of others."""
    inner = relax.BlockBuilder()
    given, names = elements()
    with inner.function("helper", [given]):
        a, b, c, d, e = names
        inner.emit_func_output(inner.emit(shape([a, b * 2 - b, c + a - a, d, e, *values[5:]])))
    return inner.get()["helper"], [shape(list(values[:5]))]


def config(name, function):
    @kind(name)
    def make():
        return Kind(caches.module(caches.Helped(relax, "ShapeExpr", function)), caches.turns())

    compiled(name)


config("config-through-tensor", through_tensor)
config("config-through-tuple", through_tuple)
config("config-of-five-or-six", through_branch)
config("config-computed", computed)


class Two(nn.Module):
    """A model and its draft, each with a cache of its own."""

    def __init__(self, kinds):
        super().__init__()
        self.model = caches.Decoder(layers=2)
        self.draft = caches.Decoder(layers=len(kinds), kinds=kinds)

    def forward(self, qkv: nn.Tensor, cache: PagedKVCache):
        return self.model.forward(qkv, cache)

    def draft_forward(self, qkv: nn.Tensor, cache: PagedKVCache):
        return self.draft.forward(qkv, cache)

    def create(self, max_batch_size, max_total_seq_len, prefill_chunk_size, page_size,
               support_sliding_window):
        return self.model.create(max_batch_size, max_total_seq_len, prefill_chunk_size, page_size,
                                 support_sliding_window)

    def draft_create(self, max_batch_size, max_total_seq_len, prefill_chunk_size, page_size,
                     support_sliding_window):
        original = relax.BlockBuilder.add_func

        def apart(builder, function, name):
            """Both caches bring kernels of the same names."""
            if isinstance(function, tirx.PrimFunc):
                name = f"draft_{name}"
                function = function.with_attr("global_symbol", name)
            return original(builder, function, name)

        relax.BlockBuilder.add_func = apart
        try:
            return self.draft.create(max_batch_size, max_total_seq_len, prefill_chunk_size,
                                     page_size, support_sliding_window)
        finally:
            relax.BlockBuilder.add_func = original


def of_two(kinds):
    qkv = nn.spec.Tensor(["batch", "length", caches.HEADS + 2 * caches.KV_HEADS, caches.WIDTH], F32)
    cache = nn.spec.Object(object_type=PagedKVCache)
    of_forward, of_create = {"qkv": qkv, "cache": cache}, {name: int for name in caches.SIZES}
    forward = {"dtype": F32, "heads": caches.HEADS + 2 * caches.KV_HEADS, "width": caches.WIDTH}
    draft = {"of": "draft"}
    calls = [{"make": "create", "sizes": [4, 64, 32, 16, 0]},
             {"make": "draft_create", "sizes": [2, 64, 32, 16, 0], **draft},
             {"builtin": "add_sequence", "arguments": [0]},
             {"builtin": "add_sequence", "arguments": [0], **draft}]
    for seed in (1, 2, 3):
        calls += [{"forward": [0], "lengths": [5], "seed": seed, **forward, **draft,
                   "function": "draft_forward"},
                  {"forward": [0], "lengths": [5], "seed": seed, **forward}]
    return Kind(Two(kinds).export_tvm(spec={
        "forward": of_forward, "draft_forward": of_forward, "create": of_create,
        "draft_create": of_create})[0], calls)


@kind("two-caches")
def two_caches():
    return of_two(["mha"])


@kind("two-caches-window")
def two_caches_window():
    return of_two(["mha", "mha_sliding"])


compiled("two-caches")
compiled("two-caches-window")


@kind("sequences-inside")
def sequences_inside():
    """The program itself adds a sequence and says what comes, with the cache's own functions."""
    made = caches.module(caches.Decoder())
    builder = relax.BlockBuilder(made)
    cache = relax.Var("cache", compat.object_type())

    def packed(name, *arguments):
        return builder.emit(compat.call_pure_packed(f"vm.builtin.{name}", *arguments,
                                                    out=compat.object_type()))

    with builder.function("open", [cache]):
        packed("kv_state_add_sequence", cache, compat.prim_value(0))
        packed("kv_state_begin_forward", cache, relax.ShapeExpr([0]), relax.ShapeExpr([5]))
        builder.emit_func_output(packed("attention_kv_cache_get_num_available_pages", cache))
    cache = relax.Var("cache", compat.object_type())
    with builder.function("close", [cache]):
        packed("kv_state_end_forward", cache)
        builder.emit_func_output(packed("attention_kv_cache_get_total_sequence_length", cache))
    return Kind(builder.finalize(), [
        {"make": "create", "sizes": [4, 64, 32, 16, 0]}, call("open", ["kept", "cache"]),
        call("forward", tensor((1, 5, 8, 16), seed=1), ["kept", "cache"]),
        call("close", ["kept", "cache"])])


compiled("sequences-inside")


@kind("functions-as-values")
def functions_as_values():
    """A function of the program that is handed over to another, which calls it."""
    @I.ir_module
    class Module:
        @R.function
        def twice(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = R.add(x, x)
            return y

        @R.function
        def apply(f: R.Callable((R.Tensor((2, 3), "float32"),), R.Tensor((2, 3), "float32"), True), x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = f(x)
            return y

        @R.function
        def main(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = Module.apply(Module.twice, x)
            z = Module.apply(Module.twice, y)
            return z

    return Kind(Module, [call("main", X)])


compiled("functions-as-values")


@kind("even-and-odd")
def even_and_odd():
    """Two functions that call each other until a number is used up."""
    @I.ir_module
    class Module:
        @R.function
        def even(i: R.Tensor((), "int32"), x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            R.func_attr({"relax.force_pure": True})
            more = R.greater(i, R.const(0, "int32"))
            if more:
                y = R.add(x, x)
                z = Module.odd(R.subtract(i, R.const(1, "int32")), y)
            else:
                z = x
            return z

        @R.function
        def odd(i: R.Tensor((), "int32"), x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            R.func_attr({"relax.force_pure": True})
            more = R.greater(i, R.const(0, "int32"))
            if more:
                y = R.subtract(x, R.const(1, "float32"))
                z = Module.even(R.subtract(i, R.const(1, "int32")), y)
            else:
                z = R.negative(x)
            return z

    return Kind(Module, [call("even", ["array", "int32", count], X) for count in (0, 3, 4)])


compiled("even-and-odd")


@kind("odd-kernels")
def odd_kernels():
    """Kernels with numbers, with tensors of no dimension, of booleans, of given strides, one
    that takes nothing, and one of which two results have different types."""
    @I.ir_module
    class Module:
        @T.prim_func(s_tir=True)
        def scaled(x: T.Buffer((2, 3), "float32"), times: T.int64, by: T.float32, flag: T.bool,
                   y: T.Buffer((2, 3), "float32")):
            T.func_attr({"global_symbol": "scaled"})
            for i, j in T.grid(2, 3):
                with T.sblock("body"):
                    a, b = T.axis.remap("SS", [i, j])
                    y[a, b] = x[a, b] * T.Cast("float32", times) * T.if_then_else(flag, by, T.float32(1))

        @T.prim_func(private=True, s_tir=True)
        def single(x: T.Buffer((), "float32"), m: T.Buffer((3,), "bool"), s: T.handle,
                   y: T.Buffer((3,), "float32"), z: T.Buffer((), "int8")):
            step = T.int64()
            rows = T.match_buffer(s, (T.int64(2), T.int64(3)), "float32", strides=[step, T.int64(1)])
            for i in T.grid(3):
                with T.sblock("body"):
                    a = T.axis.remap("S", [i])
                    y[a] = T.if_then_else(m[a], x[()], rows[1, a])
            with T.sblock("last"):
                z[()] = T.int8(7)

        @T.prim_func(s_tir=True)
        def nothing():
            T.func_attr({"global_symbol": "nothing"})
            T.evaluate(0)

        @R.function(pure=False)
        def main(x: R.Tensor((2, 3), "float32"), e: R.Tensor((), "float32"), m: R.Tensor((3,), "bool")):
            cls = Module
            _ = cls.nothing()
            both = R.call_tir(cls.single, (e, m, x), [R.Tensor((3,), "float32"), R.Tensor((), "int8")])
            return (R.add(x, x), both[0], both[1])

    return Kind(Module, [call("main", X, ["array", "float32", 2.5],
                              ["array", "bool", [True, False, True]])])


compiled("odd-kernels")


@kind("kernel-of-numbers")
def kernel_of_numbers():
    """A kernel that is called as a packed function, with numbers of three types between."""
    @I.ir_module
    class Module:
        @T.prim_func(s_tir=True)
        def scaled(x: T.Buffer((2, 3), "float32"), times: T.int64, by: T.float32,
                   y: T.Buffer((2, 3), "float32")):
            T.func_attr({"global_symbol": "scaled"})
            for i, j in T.grid(2, 3):
                with T.sblock("body"):
                    a, b = T.axis.remap("SS", [i, j])
                    y[a, b] = x[a, b] * T.Cast("float32", times) * by

    builder = relax.BlockBuilder(Module)
    x, y = parameter("x", (2, 3)), parameter("y", (2, 3))
    with builder.function("main", [x, y]):
        builder.emit(compat.call_pure_packed("scaled", x, compat.prim_value(3), compat.prim_value(0.5),
                                             y, out=compat.object_type()))
        builder.emit_func_output(y)
    x, y = parameter("x", (2, 3)), parameter("y", (2, 3))
    with builder.function("wrong", [x, y]):
        builder.emit(compat.call_pure_packed("scaled", x, compat.prim_value(0.5), compat.prim_value(3),
                                             y, out=compat.object_type()))
        builder.emit_func_output(y)
    return Kind(builder.finalize(), [call("main", X, X)])


compiled("kernel-of-numbers")


@kind("in-place")
def in_place():
    """A kernel that writes over what it is given, and a function of the application that does."""
    @I.ir_module
    class Module:
        @T.prim_func(private=True, s_tir=True)
        def more(x: T.Buffer((2, 3), "float32"), y: T.Buffer((2, 3), "float32")):
            for i, j in T.grid(2, 3):
                with T.sblock("body"):
                    a, b = T.axis.remap("SS", [i, j])
                    x[a, b] = x[a, b] + y[a, b]

        @R.function
        def main(x: R.Tensor((2, 3), "float32"), y: R.Tensor((2, 3), "float32")):
            cls = Module
            own = R.multiply(x, R.const(2, "float32"))
            z = R.call_tir_inplace(cls.more, (own, y), [0], R.Tensor((2, 3), "float32"))
            return z

    return Kind(Module, [call("main", X, tensor((2, 3), seed=2))])


compiled("in-place")


@kind("indexing")
def indexing():
    """Operators that pick, place and order, with indices that are given."""
    builder = relax.BlockBuilder()
    x, index = parameter("x", (4, 5)), parameter("index", (3,), "int64")
    with builder.function("main", [x, index]):
        wide = builder.emit(relax.op.reshape(index, (3, 1)))
        results = [relax.op.gather_nd(x, wide), relax.op.one_hot(index, compat.prim_value(1), compat.prim_value(0), 6),
                   relax.op.scatter_elements(index, relax.const([0, 2], "int64"),
                                             relax.const([9, 8], "int64"), axis=0),
                   relax.op.flip(x, axis=1), relax.op.argmin(x, axis=1), relax.op.cumprod(x, axis=0)]
        builder.emit_func_output(builder.emit(relax.Tuple([builder.emit(one) for one in results])))
    return Kind(builder.get(), [call("main", tensor((4, 5), seed=1), ["array", "int64", [3, 0, 2]])])


compiled("indexing")


@kind("resized-image")
def resized_image():
    builder = relax.BlockBuilder()
    x = parameter("x", (1, 2, 4, 6))
    with builder.function("main", [x]):
        small = builder.emit(relax.op.image.resize2d(x, relax.ShapeExpr([3, 3]), layout="NCHW", method="linear",
                                                     coordinate_transformation_mode="half_pixel"))
        pooled = builder.emit(relax.op.nn.max_pool2d(x, (2, 2), strides=(2, 2)))
        builder.emit_func_output(builder.emit(relax.Tuple([small, pooled])))
    return Kind(builder.get(), [call("main", tensor((1, 2, 4, 6), seed=1))])


@kind("bundled-parameters")
def bundled_parameters():
    """Weights that are worked out once, by a function of its own, and handed over in a tuple."""
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 3), "float32"), w: R.Tensor((4, 3), "float32"), b: R.Tensor((4,), "float32")):
            R.func_attr({"num_input": 1})
            with R.dataflow():
                t = R.permute_dims(w, [1, 0])
                s = R.multiply(b, R.const(0.5, "float32"))
                y = R.add(R.matmul(x, t), s)
                R.output(y)
            return y

    module = relax.transform.LiftTransformParams()(Module)
    weights = [tensor((4, 3), seed=2), tensor((4,), seed=3)]
    return Kind(relax.transform.BundleModelParams()(module), [
        {"keep": "weights", **call("main_transform_params", ["tuple", ["tuple", *weights]])},
        call("main", X, ["kept", "weights"])])


compiled("bundled-parameters")


@kind("odd-texts")
def odd_texts():
    """Texts with a zero byte, beyond ASCII, of no length and of great length."""
    builder = relax.BlockBuilder()
    x = parameter("x", (2, 3))
    with builder.function("main", [x]):
        texts = ["", "a\0b", "größer", "1234567", "12345678", "x" * 3000]
        items = [builder.emit(compat.call_pure_packed("vm.builtin.copy", compat.string_imm(text),
                                                      out=compat.object_type())) for text in texts]
        builder.emit_func_output(builder.emit(relax.Tuple([*items, x])))
    return Kind(builder.get(), [call("main", X)])


compiled("odd-texts")


@kind("tuple-items-let-go")
def tuple_items_let_go():
    """Weights in a tuple whose items the program lets go, one by one."""
    builder = relax.BlockBuilder()
    given = relax.Var("given", compat.type_of(relax.Tuple([parameter("a", (2, 3)), parameter("b", (2, 3))])))
    with builder.function("main", [given]):
        first = builder.emit(relax.TupleGetItem(given, 0))
        builder.emit(compat.call_pure_packed("vm.builtin.tuple_reset_item", given, compat.prim_value(0),
                                             out=compat.object_type()))
        second = builder.emit(relax.TupleGetItem(given, 1))
        builder.emit_func_output(builder.emit(relax.op.add(first, second)))
    return Kind(builder.get(), [call("main", ["tuple", X, tensor((2, 3), seed=2)])])


compiled("tuple-items-let-go")
