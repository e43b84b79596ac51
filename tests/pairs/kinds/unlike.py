"""Programs that are unlike all before: what a Relax program may do and models rarely do."""

import numpy as np
import tvm
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R

from models import compat

from . import Kind, call, kind, tensor

X = tensor((2, 3), seed=1)
F32 = "float32"


def start(*parameters):
    """A builder, and variables of these names, shapes and types."""
    builder = relax.BlockBuilder()
    return builder, [relax.Var(name, compat.tensor_type(shape, dtype))
                     for name, shape, dtype in parameters]


@kind("mixed-types")
def mixed_types():
    builder, parameters = start(("a", (2, 3), "float16"), ("b", (2, 3), "int8"), ("c", (2, 3), "float64"))
    with builder.function("main", parameters):
        a, b, c = (builder.emit(relax.op.astype(p, F32)) for p in parameters)
        both = builder.emit(relax.op.multiply(builder.emit(relax.op.add(a, b)), c))
        back = [builder.emit(relax.op.astype(both, t)) for t in ("float16", "int32", "bool")]
        builder.emit_func_output(builder.emit(relax.Tuple(back)))
    return Kind(builder.get(), [call("main", tensor((2, 3), "float16", 1), tensor((2, 3), "int8", 2),
                                     tensor((2, 3), "float64", 3))])


@kind("returns-function")
def returns_function():
    """A function that gives another, with what it has captured, to one that calls it."""
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 3), "float32"), y: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            @R.function
            def outer(a: R.Tensor((2, 3), "float32")) -> R.Callable((R.Tensor((2, 3), "float32"),), R.Tensor((2, 3), "float32"), True):
                @R.function
                def inner(b: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
                    s = R.add(a, b)
                    return s

                return inner

            made = outer(x)
            z = made(y)
            return z

    return Kind(Module, [call("main", X, tensor((2, 3), seed=2))])


@kind("closure-in-loop")
def closure_in_loop():
    @I.ir_module
    class Module:
        @R.function
        def step(i: R.Tensor((), "int32"), x: R.Tensor((2, 3), "float32"), d: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            R.func_attr({"relax.force_pure": True})

            @R.function
            def more(y: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
                z = R.add(y, d)
                return z

            again = R.less(i, R.const(3, "int32"))
            if again:
                j = R.add(i, R.const(1, "int32"))
                w = Module.step(j, x, d)
                r = more(w)
            else:
                r = x
            return r

        @R.function
        def main(x: R.Tensor((2, 3), "float32"), d: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = Module.step(R.const(0, "int32"), x, d)
            return y

    return Kind(Module, [call("main", X, tensor((2, 3), seed=2))])


@kind("branch-in-branch")
def branch_in_branch():
    @I.ir_module
    class Module:
        @R.function
        def main(a: R.Tensor((), "bool"), b: R.Tensor((), "bool"), x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            if a:
                if b:
                    y = R.add(x, x)
                else:
                    y = R.multiply(x, x)
                z = y
            else:
                z = R.subtract(x, R.const(1.0, "float32"))
            return z

    return Kind(Module, [call("main", ["array", "bool", a], ["array", "bool", b], X)
                         for a in (True, False) for b in (True, False)])


@kind("branch-on-shape")
def branch_on_shape():
    """A branch on what a tensor's shape says."""
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor(("n", 3), "float32")):
            t = R.shape_to_tensor(R.shape_of(x))
            total = R.sum(t)
            large = R.greater(total, R.const(6, "int64"))
            if large:
                y = R.add(x, x)
            else:
                y = R.multiply(x, R.const(0.5, "float32"))
            return y

    return Kind(Module, [call("main", X), call("main", tensor((5, 3), seed=2))])


@kind("packed-parameters")
def packed_parameters():
    """Weights in one nested tuple, as frontends pack them."""
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 3), "float32"),
                 p: R.Tuple(R.Tensor((3, 4), "float32"), R.Tuple(R.Tensor((4,), "float32"), R.Tensor((4, 2), "float32")))):
            w = p[0]
            rest = p[1]
            h = R.add(R.matmul(x, w), rest[0])
            y = R.matmul(R.nn.relu(h), rest[1])
            return (y, p)

    return Kind(Module, [call("main", X, ["tuple", tensor((3, 4), seed=2),
                                          ["tuple", tensor((4,), seed=3), tensor((4, 2), seed=4)]])])


@kind("string-argument")
def string_argument():
    """Text from the caller and of the program, given to a function of the application."""
    builder, (x,) = start(("x", (2, 3), F32))
    s = relax.Var("s", compat.object_type())
    with builder.function("main", [x, s]):
        out = builder.emit(compat.call_pure_packed(
            "artcheck.app.same", x, s, compat.string_imm("named"), out=compat.tensor_type((2, 3), F32)))
        builder.emit_func_output(builder.emit(relax.Tuple([out, s])))
    return Kind(builder.get(), [call("main", X, "text")], provides=["artcheck.app.same"])


@kind("nothing-passed")
def nothing_passed():
    """Nothing, made by the program, through a helper and a tuple."""
    @I.ir_module
    class Module:
        @R.function
        def pack(x: R.Tensor((2, 3), "float32"), n: R.Object):
            return (n, (x, n))

        @R.function
        def main(x: R.Tensor((2, 3), "float32")):
            n = R.null_value()
            t = Module.pack(x, n)
            return (t, n)

    return Kind(Module, [call("main", X), call("pack", X, None)])


@kind("dynamic-call")
def dynamic_call():
    """`call_tir_dyn`: a kernel that is given numbers of the shape."""
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor(("n", "m"), "float32")):
            n = T.int64()
            m = T.int64()
            y = R.reshape(x, R.shape([n * m]))
            z = R.strided_slice(y, axes=[0], begin=[0], end=[n * m - 1])
            return R.concat([z, z], axis=0)

    return Kind(Module, [call("main", X), call("main", tensor((4, 2), seed=2))])


@kind("dps-two-results")
def dps_two_results():
    """A function of the application with two outputs, one of a computed shape."""
    builder = relax.BlockBuilder()
    n = tvm.tirx.Var("n", "int64") if hasattr(tvm, "tirx") else tvm.tir.Var("n", "int64")
    x = relax.Var("x", compat.tensor_type((n, 3), F32))
    with builder.function("main", [x]):
        out = builder.emit(relax.op.call_dps_packed("artcheck.app.fill", relax.Tuple([x]),
                                                    compat.tensor_type((n, 3), F32)))
        builder.emit_func_output(builder.emit(relax.op.add(out, out)))
    return Kind(builder.get(), [call("main", X), call("main", tensor((4, 3), seed=2))],
                provides=["artcheck.app.fill"])


@kind("float-scalar")
def float_scalar():
    @I.ir_module
    class Module:
        @R.function
        def main(f: R.Prim("float32"), b: R.Prim("bool"), x: R.Tensor((2, 3), "float32")):
            y = R.add(x, R.const(1.5, "float32"))
            return (f, b, y)

    return Kind(Module, [call("main", 0.25, True, X), call("main", -3.5, False, X),
                         call("main", 2, True, X), call("main", "text", True, X)])


@kind("bool-parameters")
def bool_parameters():
    builder, (m, x) = start(("m", (2, 3), "bool"), ("x", (2, 3), F32))
    with builder.function("main", [m, x]):
        kept = builder.emit(relax.op.where(m, x, builder.emit(relax.op.negative(x))))
        flipped = builder.emit(relax.op.logical_not(m))
        any_of = builder.emit(relax.op.max(builder.emit(relax.op.astype(flipped, "int32"))))
        builder.emit_func_output(builder.emit(relax.Tuple([kept, flipped, any_of])))
    return Kind(builder.get(), [call("main", tensor((2, 3), "bool", 1), X)])


@kind("upper-bound")
def upper_bound():
    """Memory planned for the largest size that a symbol may have."""
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor(("n", 3), "float32"), w: R.Tensor((3, 3), "float32")):
            R.func_attr({"tir_var_upper_bound": {"n": 16}})
            y = R.matmul(x, w)
            z = R.nn.relu(y)
            return R.add(z, z)

    return Kind(Module, [call("main", X, tensor((3, 3), seed=2)),
                         call("main", tensor((9, 3), seed=3), tensor((3, 3), seed=2))])


@kind("dynamic-batch")
def dynamic_batch():
    builder = relax.BlockBuilder()
    var = tvm.tirx.Var if hasattr(tvm, "tirx") else tvm.tir.Var
    b, t = var("b", "int64"), var("t", "int64")
    x = relax.Var("x", compat.tensor_type((b, t, 4), F32))
    with builder.function("main", [x]):
        scores = builder.emit(relax.op.matmul(x, relax.op.permute_dims(x, [0, 2, 1])))
        probs = builder.emit(relax.op.nn.softmax(scores, axis=-1))
        builder.emit_func_output(builder.emit(relax.op.matmul(probs, x)))
    return Kind(builder.get(), [call("main", tensor((1, 2, 4), seed=1)),
                                call("main", tensor((3, 5, 4), seed=2))])


@kind("two-worlds")
def two_worlds():
    """Constants of several types in tuples that two functions share."""
    builder, (x,) = start(("x", (4,), "int64"))
    table = relax.const(np.arange(12, dtype="float32").reshape(4, 3))
    with builder.function("main", [x]):
        builder.emit_func_output(builder.emit(relax.op.take(table, x, axis=0)))
    y = relax.Var("y", compat.tensor_type((3,), F32))
    with builder.function("other", [y]):
        builder.emit_func_output(builder.emit(relax.op.matmul(table, y)))
    return Kind(builder.get(), [call("main", ["array", "int64", [3, 0, 1, 1]]),
                                call("other", tensor((3,), seed=2))])


@kind("copies-and-results")
def copies_and_results():
    """The parameter itself, twice, beside a constant, as result; and an empty tuple."""
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 3), "float32")):
            y = x
            return (y, x, R.const(2, "int32"), R.tuple())

    return Kind(Module, [call("main", X)])


@kind("empty-tensor")
def empty_tensor():
    builder = relax.BlockBuilder()
    var = tvm.tirx.Var if hasattr(tvm, "tirx") else tvm.tir.Var
    x = relax.Var("x", compat.tensor_type((var("n", "int64"), 3), F32))
    with builder.function("main", [x]):
        builder.emit_func_output(builder.emit(relax.op.add(x, x)))
    return Kind(builder.get(), [call("main", ["array", "float32", [[1.0, 2.0, 3.0]]]), call("main", X)])


@kind("wrong-calls")
def wrong_calls():
    """What the checks of a function refuse: types, shapes, numbers of arguments."""
    builder, (x, y) = start(("x", (2, 3), F32), ("y", (3,), "int32"))
    with builder.function("main", [x, y]):
        builder.emit_func_output(builder.emit(relax.op.add(x, relax.op.astype(y, F32))))
    y = ["array", "int32", [1, 2, 3]]
    return Kind(builder.get(), [call("main", X, y), call("main", tensor((3, 3), seed=1), y),
                                call("main", X, tensor((3,), seed=1)), call("main", X),
                                call("main", 3, y)])


@kind("quantised-words")
def quantised_words():
    """Dequantisation with types that are half and a quarter of a word, in one function."""
    builder, (w, s) = start(("w", (4, 2), "uint32"), ("s", (4, 1), "float16"))
    with builder.function("main", [w, s]):
        low = builder.emit(relax.op.bitwise_and(w, relax.const(255, "uint32")))
        wide = builder.emit(relax.op.astype(low, "float16"))
        builder.emit_func_output(builder.emit(relax.op.multiply(wide, s)))
    return Kind(builder.get(), [call("main", tensor((4, 2), "uint32", 5, 0, 2**31),
                                     tensor((4, 1), "float16", 6))])


@kind("branch-compiled")
def branch_compiled():
    made = branch_in_branch()
    made.mode = "compiled"
    return made


@kind("shapes-compiled")
def shapes_compiled():
    made = dynamic_call()
    made.mode = "compiled"
    return made


@kind("tuples-compiled")
def tuples_compiled():
    made = packed_parameters()
    made.mode = "compiled"
    return made


@kind("absent-compiled")
def absent_compiled():
    """A compiled function calls one that the application does not have."""
    builder, (x,) = start(("x", (2, 3), F32))
    with builder.function("main", [x]):
        out = compat.call_pure_packed("artcheck.app.absent", x, out=compat.tensor_type((2, 3), F32))
        builder.emit_func_output(builder.emit(out))
    return Kind(builder.get(), [call("main", X)], mode="compiled")


from tvm.script import tirx as T  # noqa: E402
