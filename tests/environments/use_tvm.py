import tvm, numpy
from tvm.script import ir as I, relax as R
@I.ir_module
class M:
    @R.function
    def main(x: R.Tensor((2,), "float32")):
        with R.dataflow():
            y = R.add(x, x)
            R.output(y)
        return y
vm = tvm.relax.VirtualMachine(tvm.compile(M, "llvm"), tvm.cpu())
out = vm["main"](tvm.runtime.tensor(numpy.ones(2, "float32")))
assert out.numpy().tolist() == [2, 2]
try:
    vm["main"](1, 2, 3)
except Exception as error:
    assert "argument" in str(error), error
else:
    raise SystemExit("no error")
