"""Control flow: branches, loops, closures, helpers, tuples, recursion."""

from tvm.script import ir as I
from tvm.script import relax as R

from . import Kind, call, kind, tensor

X = tensor((2, 3), seed=1)


@kind("branch")
def branch():
    @I.ir_module
    class Module:
        @R.function
        def main(c: R.Tensor((), "bool"), x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            if c:
                y = R.add(x, x)
            else:
                y = R.multiply(x, x)
            return y

    return Kind(Module, [call("main", ["array", "bool", True], X),
                         call("main", ["array", "bool", False], X)])


@kind("loop")
def loop():
    @I.ir_module
    class Module:
        @R.function
        def step(i: R.Tensor((), "int32"), x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            R.func_attr({"relax.force_pure": True})
            more = R.less(i, R.const(4, "int32"))
            if more:
                j = R.add(i, R.const(1, "int32"))
                y = R.add(x, R.const(0.5, "float32"))
                z = Module.step(j, y)
            else:
                z = x
            return z

        @R.function
        def main(x: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            y = Module.step(R.const(0, "int32"), x)
            return y

    return Kind(Module, [call("main", X)])


@kind("closure")
def closure():
    @I.ir_module
    class Module:
        @R.function
        def main(x: R.Tensor((2, 3), "float32"), y: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
            @R.function
            def inner(z: R.Tensor((2, 3), "float32")) -> R.Tensor((2, 3), "float32"):
                s = R.add(x, z)
                return s

            out = inner(y)
            return out

    return Kind(Module, [call("main", X, tensor((2, 3), seed=2))])


@kind("nested-tuples")
def nested_tuples():
    @I.ir_module
    class Module:
        @R.function
        def main(t: R.Tuple(R.Tensor((2, 3), "float32"), R.Tuple(R.Tensor((2, 3), "float32"), R.Shape([2, 3])))):
            a = t[0]
            inner = t[1]
            b = inner[0]
            c = R.add(a, b)
            return ((c, a), (b, (inner[1],)))

    return Kind(Module, [call("main", ["tuple", X, ["tuple", tensor((2, 3), seed=2),
                                                    ["shape", [2, 3]]]])])


@kind("helpers")
def helpers():
    @I.ir_module
    class Module:
        @R.function
        def twice(x: R.Tensor(("n", 3), "float32")) -> R.Tensor(("n", 3), "float32"):
            y = R.add(x, x)
            return y

        @R.function
        def main(x: R.Tensor(("n", 3), "float32")) -> R.Tensor(("n", 3), "float32"):
            y = Module.twice(x)
            z = Module.twice(y)
            return z

    return Kind(Module, [call("main", X), call("twice", X)])


@kind("assert-and-print")
def assert_and_print():
    @I.ir_module
    class Module:
        @R.function(pure=False)
        def main(x: R.Tensor((2, 3), "float32"), c: R.Tensor((), "bool")) -> R.Tensor((2, 3), "float32"):
            _ = R.assert_op(c, x, format="value {}")
            _1 = R.print(x, format="value {}")
            y = R.add(x, x)
            return y

    return Kind(Module, [call("main", X, ["array", "bool", True]),
                         call("main", X, ["array", "bool", False])])
