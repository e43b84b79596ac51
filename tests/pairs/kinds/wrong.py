"""Programs with one call that fails on every run, behind the checks of their parameters.
No runtime is asked about them: both ways to compile one must show the same call."""

from tvm import relax

from models import compat

from . import Kind, kind

OBJECT = compat.object_type()


def wrong(name, dtype, body):
    @kind(name)
    def make():
        builder = relax.BlockBuilder()
        parameter = relax.Var("x", compat.tensor_type((4, 3), dtype))

        def packed(builtin, *arguments):
            call = compat.call_pure_packed(f"vm.builtin.{builtin}", *arguments, out=OBJECT)
            return builder.emit(call)

        with builder.function("main", [parameter]):
            builder.emit_func_output(body(packed, parameter))
        return Kind(builder.finalize(), [])


def item_behind(packed, x):
    return packed("tuple_getitem", packed("make_tuple", x, x), compat.prim_value(5))


wrong("wrong-view", "float32", lambda packed, x: packed("reshape", x, relax.ShapeExpr([5, 3])))
wrong("wrong-item", "float32", item_behind)
wrong("wrong-type", "float16", lambda packed, x: packed(
    "apply_softmax_with_temperature", x, compat.prim_value(0.5)))
wrong("wrong-condition", "float32", lambda packed, x: packed("read_if_cond", x))
