"""Values: shapes, scalars, unknown types, nothing, text, tensors in and out."""

import tvm
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R

from models import compat

from . import Kind, call, kind, tensor

X = tensor((2, 3), seed=1)


@kind("unknown-dtype")
def unknown_dtype():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor(ndim=2)):
            s = R.shape_of(x)
            return s

    return Kind(Module, [call("main", X), call("main", tensor((3,), seed=1))])


@kind("unknown-rank")
def unknown_rank():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor("float32")):
            s = R.shape_of(x)
            return s

    return Kind(Module, [call("main", X)])


@kind("unknown-tensor")
def unknown_tensor():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor, t: R.Tuple(R.Tensor, R.Tensor((2, 3), "float32"))):
            s = R.shape_of(x)
            y = t[1]
            return (s, R.add(y, y))

    return Kind(Module, [call("main", X, ["tuple", X, X])])


@kind("unknown-result")
def unknown_result():
    """A value of unknown type inside, which a function without known types is given."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.object_type())
    with builder.function("inner", [x]):
        builder.emit_func_output(builder.emit(relax.Tuple([x, x])))
    y = relax.Var("y", compat.tensor_type((2, 3), "float32"))
    with builder.function("main", [y]):
        out = compat.call_pure_packed("vm.builtin.copy", y, out=compat.object_type())
        seen = builder.match_cast(builder.emit(out), compat.tensor_type((2, 3), "float32"))
        builder.emit_func_output(builder.emit(relax.op.add(seen, seen)))
    return Kind(builder.get(), [call("main", X), call("inner", X)])


@kind("symbolic")
def symbolic():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor(("n", "m"), "float32"), y: R.Tensor(("m", "n"), "float32")) -> R.Tensor(("n", "n"), "float32"):
            z = R.matmul(x, y)
            return z

    return Kind(Module, [call("main", X, tensor((3, 2), seed=2)),
                         call("main", X, tensor((2, 2), seed=2))])


@kind("match-cast")
def match_cast():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor(ndim=2, dtype="float32")):
            n = T.int64()
            m = T.int64()
            y = R.match_cast(x, R.Tensor((n, m), "float32"))
            z = R.reshape(y, R.shape([n * m]))
            return z

    return Kind(Module, [call("main", X)])


@kind("shapes")
def shapes():
    @I.ir_module
    class Module:
        @R.function
        def main(s: R.Shape(["a", "b"]), x: R.Tensor(("a", "b"), "float32")):
            a = T.int64()
            b = T.int64()
            y = R.reshape(x, R.shape([b, a]))
            t = R.shape_to_tensor(s)
            back = R.tensor_to_shape(t)
            return (y, t, back, R.shape([a + b, a * 2]))

    return Kind(Module, [call("main", ["shape", [2, 3]], X), call("main", ["shape", [2, 4]], X)])


@kind("shape-alone")
def shape_alone():
    builder = relax.BlockBuilder()
    s = relax.Var("s", (getattr(relax, "ShapeStructInfo", None) or relax.ShapeType)(ndim=2))
    with builder.function("main", [s]):
        builder.emit_func_output(builder.emit(relax.op.shape_to_tensor(s)))
    return Kind(builder.get(), [call("main", ["shape", [2, 3]])])


@kind("scalars")
def scalars():
    @I.ir_module
    class Module:
        @R.function
        def main(n: R.Prim("int64"), x: R.Tensor((2, 3), "float32")):
            y = R.add(x, R.const(1.5, "float32"))
            return (n, y, R.prim_value(4))

    return Kind(Module, [call("main", 5, X)])


@kind("named-scalar")
def named_scalar():
    @I.ir_module
    class Module:
        @R.function
        def main(n: R.Prim(value="n"), x: R.Tensor(("n", 3), "float32")) -> R.Tensor(("n", 3), "float32"):
            y = R.add(x, x)
            return y

    return Kind(Module, [call("main", 2, X), call("main", 3, X)])


@kind("nothing")
def nothing():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 3), "float32")):
            n = R.null_value()
            return (x, n)

    return Kind(Module, [call("main", X)])


@kind("objects")
def objects():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Object):
            return x

    return Kind(Module, [call("main", X), call("main", "text"), call("main", 3)])


@kind("text-and-types")
def text_and_types():
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((2, 3), "float32"))
    with builder.function("main", [x]):
        items = [builder.emit(compat.call_pure_packed("vm.builtin.copy", value,
                                                      out=compat.object_type()))
                 for value in (compat.string_imm("text"), compat.prim_value(1.25))]
        builder.emit_func_output(builder.emit(relax.Tuple([*items, x])))
    return Kind(builder.get(), [call("main", X)])


@kind("constants")
def constants():
    import numpy as np

    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((64, 64), "float32"))
    with builder.function("main", [x]):
        weight = relax.const(np.arange(4096, dtype="float32").reshape(64, 64) / 4096)
        builder.emit_func_output(builder.emit(relax.op.add(x, weight)))
    return Kind(builder.get(), [call("main", tensor((64, 64), seed=3))])


@kind("views")
def views():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 6), "float32")):
            y = R.memory.view(x, R.shape([3, 4]))
            z = R.memory.ensure_zero_offset(y)
            return z

    return Kind(Module, [call("main", tensor((2, 6), seed=1))])


@kind("dynamic-slice")
def dynamic_slice():
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((8, 4), "float32"))
    starts, ends, steps = (relax.Var(n, compat.tensor_type((2,), "int64"))
                           for n in ("starts", "ends", "steps"))
    with builder.function("main", [x, starts, ends, steps]):
        out = builder.emit(relax.op.dynamic_strided_slice(x, starts, ends, steps))
        builder.emit_func_output(out)
    return Kind(builder.get(), [call("main", tensor((8, 4), seed=1), ["array", "int64", [1, 0]],
                                     ["array", "int64", [5, 4]], ["array", "int64", [2, 1]])])


@kind("bare-executable")
def bare_executable():
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.object_type())
    with builder.function("main", [x]):
        out = compat.call_pure_packed("vm.builtin.copy", x, out=compat.object_type())
        builder.emit_func_output(builder.emit(out))
    return Kind(builder.get(), [call("main", X)], bare=True)


@kind("program-compiled")
def program_compiled():
    made = symbolic()
    made.mode = "compiled"
    return made


@kind("program-system-lib")
def program_system_lib():
    made = symbolic()
    made.system_lib = True
    return made


@kind("two-devices")
def two_devices():
    @I.ir_module
    class Module:
        I.module_global_infos({"vdevice": [I.vdevice("llvm", 0), I.vdevice("llvm", 1)]})

        @R.function
        def main(x: R.Tensor((2, 3), "float32", "llvm:0")):
            y = R.add(x, x)
            z = R.to_vdevice(y, "llvm:1")
            w = R.multiply(z, z)
            return w

    return Kind(Module, [call("main", X)], devices=2)


@kind("memory-scope")
def memory_scope():
    @I.ir_module
    class Module:
        @R.function
        def main():
            s = R.memory.alloc_storage(R.shape([64]), R.prim_value(0), R.str("global"), R.dtype("uint8"))
            t = R.memory.alloc_tensor(s, R.prim_value(0), R.shape([2, 3]), R.dtype("float32"))
            return R.shape_of(t)

    return Kind(Module, [call("main")])


from tvm.script import tirx as T  # noqa: E402
