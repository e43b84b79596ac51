"""Relax's operators as TVM compiles them for Metal, on the simulated device.

    PYTHON operators.py PLUGIN FOLDER

Each is compiled for Metal with TVM's own schedules and for the CPU, and both answers are
held against each other. FOLDER takes the libraries. Prints one JSON object: the largest
difference of each operator, what was refused and why, and the words of Metal's language
that the kernels hold beside C's.
"""

import ctypes
import json
import re
import sys

import numpy as np
import tvm
from tvm import relax
from tvm.relax import op
from tvm.s_tir import dlight

METAL = tvm.target.Target({
    "kind": "metal", "max_threads_per_block": 1024, "max_shared_memory_per_block": 32768,
    "thread_warp_size": 32, "host": {"kind": "llvm", "mtriple": "x86_64-linux-gnu"}})
CPU = tvm.target.Target({"kind": "llvm", "mtriple": "x86_64-linux-gnu"})
F, H, I = "float32", "float16", "int32"
STRUCT = getattr(relax, "TensorType", None) or relax.TensorStructInfo

# Name: inputs (shape, type), the operator.
CASES = {
    "softmax": ([((7, 300), F)], lambda x: op.nn.softmax(x, axis=-1)),
    "log_softmax half": ([((5, 200), H)], lambda x: op.nn.log_softmax(x, axis=-1)),
    "gelu": ([((5, 77), H)], op.nn.gelu),
    "silu": ([((5, 77), F)], op.nn.silu),
    "layer_norm": ([((6, 96), F), ((96,), F), ((96,), F)], lambda x, w, b: op.nn.layer_norm(x, w, b, axes=[-1])),
    "rms_norm half": ([((6, 96), H), ((96,), H)], lambda x, w: op.nn.rms_norm(x, w, axes=[-1])),
    "matmul": ([((33, 65), F), ((65, 40), F)], op.matmul),
    "matmul half": ([((64, 64), H), ((64, 128), H)], op.matmul),
    "matmul of one row": ([((1, 256), H), ((256, 512), H)], op.matmul),
    "conv2d": ([((1, 3, 14, 14), F), ((8, 3, 3, 3), F)], lambda x, w: op.nn.conv2d(x, w, padding=(1, 1))),
    "max_pool2d": ([((1, 4, 12, 12), F)], lambda x: op.nn.max_pool2d(x, (3, 3), (2, 2))),
    "argmax": ([((5, 130), F)], lambda x: op.argmax(x, axis=-1)),
    "sum": ([((4, 5, 600), F)], lambda x: op.sum(x, axis=[0, 2])),
    "variance": ([((9, 70), F)], lambda x: op.variance(x, axis=-1)),
    "cumsum": ([((3, 1000), F)], lambda x: op.cumsum(x, axis=-1)),
    "sort": ([((3, 200), F)], lambda x: op.sort(x, axis=-1)),
    "argsort": ([((3, 200), F)], lambda x: op.argsort(x, axis=-1, dtype=I)),
    "topk": ([((3, 300), F)], lambda x: op.topk(x, k=7, ret_type="values")),
    "scatter_elements": ([((6, 8), F), ((3, 8), I), ((3, 8), F)],
                         lambda x, i, u: op.scatter_elements(x, i, u, axis=0, reduction="add")),
    "scatter_nd": ([((20,), F), ((5, 1), I), ((5,), F)], lambda x, i, u: op.scatter_nd(x, i, u, "update")),
    "gather_elements": ([((6, 8), F), ((3, 8), I)], lambda x, i: op.gather_elements(x, i, axis=0)),
    "take": ([((6, 8), H), ((4,), I)], lambda x, i: op.take(x, i, axis=0)),
    "one_hot": ([((9,), I)], lambda i: op.one_hot(i, relax.prim_value(1), relax.prim_value(0), 6)),
    "tril": ([((9, 9), F)], op.tril),
    "where": ([((5, 9), F), ((5, 9), F)], lambda x, y: op.where(op.less(x, y), x, op.negative(y))),
    "round": ([((300,), F)], op.round),
    "floor and others": ([((300,), F)], lambda x: op.add(op.floor(x), op.ceil(op.trunc(x)))),
    "erf, tanh, exp": ([((300,), F)], lambda x: op.add(op.erf(x), op.multiply(op.tanh(x), op.exp(x)))),
    "sines": ([((300,), F)], lambda x: op.add(op.sin(x), op.subtract(op.cos(x), op.sinh(x)))),
    "power": ([((300,), F), ((300,), F)], lambda x, y: op.power(op.abs(x), y)),
    "integers": ([((300,), I), ((300,), I)], lambda x, y: op.bitwise_xor(op.floor_divide(x, op.add(y, relax.const(9, I))), op.left_shift(y, relax.const(2, I)))),
    "bytes": ([((300,), F)], lambda x: op.astype(op.clip(op.multiply(x, relax.const(40.0, F)), -128, 127), "int8")),
    "flip": ([((4, 33), F)], lambda x: op.flip(x, axis=1)),
    "resize2d": ([((1, 2, 7, 9), F)], lambda x: op.image.resize2d(x, (14, 11), layout="NCHW", method="linear")),
    "attention": ([((1, 9, 2, 16), F)] * 3, op.nn.attention),
}


def compiled(inputs, make, target):
    builder = relax.BlockBuilder()
    variables = [relax.Var(f"x{n}", STRUCT(shape, kind)) for n, (shape, kind) in enumerate(inputs)]
    with builder.function("main", variables):
        with builder.dataflow():
            out = builder.emit_output(builder.emit(make(*variables)))
        builder.emit_func_output(out)
    mod = builder.get()
    with target:
        mod = tvm.transform.Sequential([
            relax.backend.DispatchSampling(), relax.backend.DispatchSortScan(),
            relax.transform.LegalizeOps(), relax.transform.AnnotateTIROpPattern(),
            relax.transform.FoldConstant(), relax.transform.FuseOps(), relax.transform.FuseTIR()])(mod)
        if target.kind.name == "metal":
            gpu = dlight.gpu
            mod = dlight.ApplyDefaultSchedule(gpu.Matmul(), gpu.GEMV(), gpu.Reduction(),
                                              gpu.GeneralReduction(), gpu.Fallback())(mod)
    return relax.build(mod, target=target).mod


def sources(module):
    return "".join(i.inspect_source() if i.kind == "metal" else sources(i) for i in module.imports)


def answer(module, device, arrays):
    vm = relax.VirtualMachine(module, device)
    return vm["main"](*(tvm.runtime.tensor(a, device) for a in arrays)).numpy()


def made(random, shape, kind):
    if kind == I:
        return random.integers(0, 5, shape).astype(kind)
    return random.uniform(-2, 2, shape).astype(kind)


def main():
    ctypes.CDLL(PLUGIN, mode=ctypes.RTLD_GLOBAL)
    random, found, refused, words = np.random.default_rng(3), {}, {}, set()
    for number, (name, (inputs, make)) in enumerate(CASES.items()):
        if ONLY and not any(part in name for part in ONLY):
            continue
        arrays = [made(random, *one) for one in inputs]
        try:
            module = compiled(inputs, make, METAL)
        except Exception as error:  # noqa: BLE001 - what TVM cannot compile is not the device's
            refused[name] = "TVM: " + str(error).strip().splitlines()[-1][:150]
            continue
        words |= set(re.findall(r"\b(?:simd|quad|atomic|threadgroup|simdgroup|as_type|select|texture)\w*", sources(module)))
        path = f"{FOLDER}/operator{number}.so"
        module.export_library(path)
        try:
            got = answer(tvm.runtime.load_module(path), tvm.metal(), arrays)
        except Exception as error:  # noqa: BLE001 - what the device says
            refused[name] = str(error).strip().splitlines()[-1][:300]
            continue
        want = answer(compiled(inputs, make, CPU), tvm.cpu(), arrays).astype("float64")
        found[name] = float((np.abs(got.astype("float64") - want) / (1 + np.abs(want))).max())
    print(json.dumps({"found": found, "refused": refused, "words": sorted(words)}))


PLUGIN, FOLDER, *ONLY = sys.argv[1:]
main()
