"""A library without weights, small enough to read by hand.

`add_one(x)` is a pure host function. `add_external(x)` calls an external packed
function from host code, so the library has the function-lookup slot. `main(x)`
adds a tensor constant. `pick()` returns one constant of every kind but the
float: an immediate, a shape, a string, a data type.
"""

import numpy as np
from tvm import relax
from tvm.script import tirx as T

from . import compat


@T.prim_func(s_tir=True)
def add_one_kernel(x: T.Buffer((4,), "float32"), y: T.Buffer((4,), "float32")):
    T.func_attr({"tirx.noalias": True})
    for i in range(4):
        with T.sblock("add"):
            vi = T.axis.spatial(4, i)
            y[vi] = x[vi] + T.float32(1)


@T.prim_func(s_tir=True)
def add_external_kernel(x: T.Buffer((4,), "float32"), y: T.Buffer((4,), "float32")):
    T.func_attr({"tirx.noalias": True})
    for i in range(4):
        with T.sblock("add"):
            vi = T.axis.spatial(4, i)
            y[vi] = x[vi] + T.Cast("float32", T.call_packed("vm.builtin.copy", T.int32(1)))


def build(config, dtype, target):
    builder = relax.BlockBuilder()
    for name, kernel in (("add_one", add_one_kernel), ("add_external", add_external_kernel)):
        x = relax.Var("x", compat.tensor_type((4,), "float32"))
        with builder.function(name, [x]):
            kernel_var = builder.add_func(kernel, f"{name}_kernel")
            call = relax.call_tir(kernel_var, [x], compat.tensor_type((4,), "float32"))
            builder.emit_func_output(builder.emit(call))
    x = relax.Var("x", compat.tensor_type((2, 3), "float32"))
    with builder.function("main", [x]):
        constant = relax.const(np.arange(6, dtype="float32").reshape(2, 3))
        builder.emit_func_output(builder.emit(relax.op.add(x, constant)))
    with builder.function("pick", []):
        fields = [compat.prim_value(7), relax.ShapeExpr([4, 5]), compat.string_imm("tirx"),
                  compat.dtype_constant("float16")]
        builder.emit_func_output(relax.Tuple(fields))
    return builder.get(), {"model_type": config["model_type"]}
