"""Functions that come from elsewhere: the application, Python packages, other compilers."""

import tvm
import tvm_ffi
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R
from tvm.script import tirx as T

from models import compat

from . import Kind, call, kind, tensor

X = tensor((2, 3), seed=1)


def calls_packed(name, provides):
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((2, 3), "float32"))
    with builder.function("main", [x]):
        out = compat.call_pure_packed(name, x, out=compat.tensor_type((2, 3), "float32"))
        builder.emit_func_output(builder.emit(out))
    return Kind(builder.get(), [call("main", X)], provides=provides)


@kind("application")
def application():
    return calls_packed("artcheck.app.same", ["artcheck.app.same"])


@kind("application-absent")
def application_absent():
    return calls_packed("artcheck.app.absent", [])


@kind("application-compiled")
def application_compiled():
    made = calls_packed("artcheck.app.same", ["artcheck.app.same"])
    made.mode = "compiled"
    return made


@kind("application-dps")
def application_dps():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = R.call_dps_packed("artcheck.app.fill", (x,), R.Tensor((2, 3), "float32"))
            return y

    return Kind(Module, [call("main", X)], provides=["artcheck.app.fill"])


@kind("python-registered")
def python_registered():
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((6,), "int64"))
    with builder.function("main", [x]):
        found = builder.emit(relax.op.unique(x, sorted=True))
        builder.emit_func_output(found)
    x = relax.Var("x", compat.tensor_type((6,), "int64"))
    with builder.function("where", [x]):
        builder.emit_func_output(builder.emit(relax.op.nonzero(x)))
    return Kind(builder.get(), [call("main", tensor((6,), "int64", 6, 0, 3)),
                                call("where", tensor((6,), "int64", 6, 0, 3))])


@kind("sorting")
def sorting():
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((4, 8), "float32"))
    with builder.function("main", [x]):
        one = builder.emit(relax.op.sort(x))
        two = builder.emit(relax.op.argsort(x))
        three = builder.emit(relax.op.topk(x, 3, ret_type="values"))
        four = builder.emit(relax.op.cumsum(x, axis=1))
        builder.emit_func_output(builder.emit(relax.Tuple([one, two, three, four])))
    return Kind(builder.get(), [call("main", tensor((4, 8), seed=7))])


@kind("collectives")
def collectives():
    """Disco: the functions of a communicator, which no CPU wheel brings."""
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = R.ccl.allreduce(x, "sum")
            return y

        @R.function
        def plain(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = R.add(x, x)
            return y

    return Kind(Module, [call("plain", X), call("main", X)])


@kind("foreign-code")
def foreign_code():
    """Bring-your-own-codegen: a part of the graph goes to another compiler, which answers
    with C source that is linked in."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((2, 3), "float32"))
    with builder.function("main", [x]):
        builder.emit_func_output(builder.emit(relax.op.add(x, x)))
    pattern = relax.dpl.is_op("relax.add")(relax.dpl.wildcard(), relax.dpl.wildcard())
    module = relax.transform.FuseOpsByPattern([("artcheck.add", pattern)], annotate_codegen=True,
                                              bind_constants=False)(builder.get())

    def compiler(functions, *_):
        return [foreign_source(str(function.attrs["global_symbol"])) for function in functions]

    tvm_ffi.register_global_func("relax.ext.artcheck", compiler, override=True)
    return Kind(relax.transform.RunCodegen()(module), [call("main", X)])


def foreign_source(name):
    source = FOREIGN.replace("NAME", name)
    make = tvm.get_global_func("runtime.CSourceModuleCreate", allow_missing=True)
    make = make or tvm.get_global_func("target.CSourceModuleCreate")
    return make(source, "c", [name], None)


# Twice the first tensor, into the last.
FOREIGN = r"""
#include <tvm/ffi/c_api.h>

int __tvm_ffi_NAME(void* self, const TVMFFIAny* args, int32_t count, TVMFFIAny* result) {
  const TVMFFIAny* in = &args[0];
  const TVMFFIAny* out = &args[count - 1];
  DLTensor* from = in->type_index == kTVMFFIDLTensorPtr
                       ? (DLTensor*)in->v_ptr
                       : TVMFFITensorGetDLTensorPtr((TVMFFIObjectHandle)in->v_obj);
  DLTensor* to = out->type_index == kTVMFFIDLTensorPtr
                     ? (DLTensor*)out->v_ptr
                     : TVMFFITensorGetDLTensorPtr((TVMFFIObjectHandle)out->v_obj);
  for (int i = 0; i < 6; ++i) ((float*)to->data)[i] = 2 * ((float*)from->data)[i];
  return 0;
}
"""


@kind("host-callback")
def host_callback():
    """A kernel that calls a function of the application from host code."""
    @I.ir_module
    class Module:
        @T.prim_func(private=True, s_tir=True)
        def kernel(x: T.Buffer((2, 3), "float32"), y: T.Buffer((2, 3), "float32")):
            T.func_attr({"tirx.is_scheduled": True})
            with T.sblock("root"):
                T.reads()
                T.writes()
                T.evaluate(T.call_packed("artcheck.app.look", T.int32(3)))
                for i, j in T.grid(2, 3):
                    with T.sblock("body"):
                        a, b = T.axis.remap("SS", [i, j])
                        y[a, b] = x[a, b] * T.float32(3)

        @R.function
        def main(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            cls = Module
            y = R.call_tir(cls.kernel, (x,), R.Tensor((2, 3), "float32"))
            return y

    return Kind(Module, [call("main", X)], provides=["artcheck.app.look"])


@kind("sampling")
def sampling():
    builder = relax.BlockBuilder()
    prob = relax.Var("prob", compat.tensor_type((2, 8), "float32"))
    uniform = relax.Var("uniform", compat.tensor_type((3, 1), "float32"))
    index = relax.Var("index", compat.tensor_type((3, 1), "int64"))
    with builder.function("main", [prob, uniform, index]):
        out = builder.emit(relax.op.multinomial_from_uniform(prob, uniform, index, dtype="int64"))
        builder.emit_func_output(out)
    even = ["array", "float32", [[0.125] * 8, [0.5, 0.5] + [0.0] * 6]]
    return Kind(builder.get(), [call("main", even, ["array", "float32", [[0.1], [0.6], [0.9]]],
                                     ["array", "int64", [[0], [1], [1]]])])


@kind("python-function")
def python_function():
    """A function of Python that the machine calls by name."""
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((2, 3), "float32"))
    with builder.function("main", [x]):
        out = relax.op.call_py_func(compat.string_imm("artcheck_twice"), relax.Tuple([x]),
                                    compat.tensor_type((2, 3), "float32"))
        builder.emit_func_output(builder.emit(out))
    return Kind(builder.get(), [{"python": "artcheck_twice"}, call("main", X)])
