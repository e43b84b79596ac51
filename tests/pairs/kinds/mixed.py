"""Two of the other kinds at once: a window in half floats, a closure in compiled code, a
function of Python behind a branch, small floats through tuples and branches."""

from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from models import compat

from . import KINDS, Kind, caches, call, kind, tensor

F32 = "float32"
X = tensor((2, 3), seed=1)

caches.plain("layer-window-f16", caches.turns("float16"), kinds=["mha", "mha_sliding"],
             dtype="float16")
caches.plain("layer-window-system-lib", kinds=["mha_sliding", "mha"], system_lib=True)
caches.plain("sequence-window-compiled", caches.turns(window=[6, 1], sliding=1), mode="compiled")
caches.plain("cache-bf16", caches.turns("bfloat16"), dtype="bfloat16")
caches.plain("mla-compiled", caches.turns(decode=False), attention="mla", kinds=["mha", "mla"],
             mode="compiled")
caches.plain("cross-compiled", caches.turns(decode=False, fill=True), attention="cross", layers=1,
             mode="compiled")
caches.plain("shared-kv-f16", caches.turns("float16"), attention="shared", dtype="float16")


def compiled(name, of):
    """A kind that there is, its VM functions compiled to host code."""
    @kind(name)
    def make():
        made = KINDS[of]()
        made.mode = "compiled"
        return made


compiled("closure-compiled", "closure")
compiled("loop-compiled", "loop")
compiled("devices-compiled", "two-devices")
compiled("foreign-compiled", "foreign-code")
compiled("python-compiled", "python-function")
compiled("scope-compiled", "memory-scope")
compiled("f8-compiled", "f8-e4m3")


@kind("system-lib-compiled")
def system_lib_compiled():
    made = KINDS["dynamic-call"]()
    made.mode, made.system_lib = "compiled", True
    return made


@kind("python-in-branch")
def python_in_branch():
    """A function of Python that one way through the code calls, in a helper."""
    @I.ir_module
    class Module:
        @R.function
        def helper(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            return x

        @R.function
        def main(c: R.Tensor((), "bool"), x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            if c:
                y = Module.helper(x)
            else:
                y = R.add(x, x)
            return y

    # The script has another keyword for the result's type in each release.
    inner = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((2, 3), F32))
    with inner.function("helper", [x]):
        out = relax.op.call_py_func(compat.string_imm("artcheck_twice"), relax.Tuple([x]),
                                    compat.tensor_type((2, 3), F32))
        inner.emit_func_output(inner.emit(out))
    Module.update_func(Module.get_global_var("helper"), inner.get()["helper"])
    return Kind(Module, [call("main", ["array", "bool", False], X), {"python": "artcheck_twice"},
                         call("main", ["array", "bool", True], X)])


@kind("f8-in-branch")
def f8_in_branch():
    """Small floats that go through a tuple, a helper and a branch."""
    @I.ir_module
    class Module:
        @R.function
        def pick(t: R.Tuple(R.Tensor((2, 3), "float8_e4m3fn"), R.Tensor((2, 3), "bfloat16"))):
            a = t[0]
            b = t[1]
            return (R.astype(a, "float32"), R.astype(b, "float32"))

        @R.function
        def main(c: R.Tensor((), "bool"), x: R.Tensor((2, 3), "float8_e4m3fn"), y: R.Tensor((2, 3), "bfloat16")):
            both = Module.pick((x, y))
            if c:
                z = R.add(both[0], both[1])
            else:
                z = R.multiply(both[0], both[1])
            return R.astype(z, "float8_e4m3fn")

    return Kind(Module, [call("main", ["array", "bool", way], tensor((2, 3), "float8_e4m3fn", 1),
                              tensor((2, 3), "bfloat16", 2)) for way in (True, False)])


@kind("devices-in-branch")
def devices_in_branch():
    """A tensor that one way through the code copies to another device."""
    @I.ir_module
    class Module:
        I.module_global_infos({"vdevice": [I.vdevice("llvm", 0), I.vdevice("llvm", 1)]})

        @R.function
        def main(c: R.Tensor((), "bool"), x: R.Tensor((2, 3), "float32", "llvm:0")):
            if c:
                y = R.add(x, x)
                z = R.to_vdevice(R.to_vdevice(y, "llvm:1"), "llvm:0")
            else:
                z = R.multiply(x, x)
            return z

    return Kind(Module, [call("main", ["array", "bool", way], X) for way in (True, False)],
                devices=2)


@kind("recursion-on-shape")
def recursion_on_shape():
    """A function that calls itself with a tensor that grows, until its shape is enough."""
    @I.ir_module
    class Module:
        @R.function
        def grow(x: R.Tensor(("n", 3), "float32")) -> R.Tensor(ndim=2, dtype="float32"):
            n = T.int64()
            R.func_attr({"relax.force_pure": True})
            small = R.less(R.sum(R.shape_to_tensor(R.shape([n]))), R.const(8, "int64"))
            if small:
                y: R.Tensor((n * 2, 3), "float32") = R.concat([x, x], axis=0)
                z: R.Tensor(ndim=2, dtype="float32") = Module.grow(y)
            else:
                z: R.Tensor(ndim=2, dtype="float32") = x
            return z

    return Kind(Module, [call("grow", X), call("grow", tensor((9, 3), seed=2))])


@kind("foreign-and-window")
def foreign_and_window():
    """A cache with a layer that slides, and beside it a function of the application."""
    made = caches.Decoder(kinds=["mha_sliding", "mha"])
    module = caches.module(made)
    builder = relax.BlockBuilder(module)
    x = relax.Var("x", compat.tensor_type((2, 3), F32))
    with builder.function("look", [x]):
        out = compat.call_pure_packed("artcheck.app.same", x, out=compat.tensor_type((2, 3), F32))
        builder.emit_func_output(builder.emit(out))
    return Kind(builder.finalize(), [call("look", X), *caches.turns()],
                provides=["artcheck.app.same"])
