"""Small and unusual types of data, each through a function of its own."""

from tvm import relax

from models import compat

from . import Kind, call, kind, tensor

# name of the kind -> type, and what is done with it
TYPES = {"bf16": "bfloat16", "f8-e4m3": "float8_e4m3fn", "f8-e5m2": "float8_e5m2",
         "f16": "float16", "f64": "float64", "int8": "int8", "uint8": "uint8",
         "int64": "int64", "boolean": "bool"}


def of(name, dtype):
    @kind(name)
    def make():
        builder = relax.BlockBuilder()
        x = relax.Var("x", compat.tensor_type((4, 8), dtype))
        with builder.function("main", [x]):
            wide = builder.emit(relax.op.astype(x, "float32"))
            builder.emit_func_output(builder.emit(relax.op.add(wide, wide)))
        x = relax.Var("x", compat.tensor_type((4, 8), dtype))
        with builder.function("same", [x]):
            builder.emit_func_output(builder.emit(relax.op.reshape(x, (8, 4))))
        return Kind(builder.get(), [call("main", tensor((4, 8), dtype, seed=4)),
                                    call("same", tensor((4, 8), dtype, seed=4))])


for name, dtype in TYPES.items():
    of(name, dtype)


@kind("packed-int4")
def packed_int4():
    """Four-bit numbers, eight to a word, as quantized models hold them."""
    builder = relax.BlockBuilder()
    words = relax.Var("words", compat.tensor_type((4, 2), "uint32"))
    with builder.function("main", [words]):
        low = builder.emit(relax.op.bitwise_and(words, relax.const(15, "uint32")))
        high = builder.emit(relax.op.right_shift(words, relax.const(28, "uint32")))
        both = builder.emit(relax.op.concat([low, high], axis=1))
        builder.emit_func_output(builder.emit(relax.op.astype(both, "float32")))
    return Kind(builder.get(), [call("main", tensor((4, 2), "uint32", 5, 0, 2**31))])


@kind("int4")
def int4():
    builder = relax.BlockBuilder()
    x = relax.Var("x", compat.tensor_type((4, 8), "int8"))
    with builder.function("main", [x]):
        small = builder.emit(relax.op.astype(x, "int4"))
        builder.emit_func_output(builder.emit(relax.op.astype(small, "int32")))
    return Kind(builder.get(), [call("main", tensor((4, 8), "int8", 5, -8, 8))])
