"""Holds simd-group matrices on the simulated device against products in float64.

    PYTHON matrices.py PLUGIN SHAPES SEED FOLDER

PYTHON is the virtual environment of the TVM to compile with, and to run on. TVM's
own schedule for matrix products on Metal gives one kernel, in which every
dimension is known at the launch only; hand-written tiles give the forms that the
schedule leaves out: loads from and stores to device memory, transposed ones,
and float. A last kernel has other forms that TVM's generator can write. FOLDER
takes the libraries. Prints one JSON object. With no shapes it holds what the device
says of two faulty kernels.
"""

import ctypes
import hashlib
import json
import sys

import numpy as np
import tvm
from tvm import relax
from tvm.s_tir import dlight
from tvm.script import tirx as T

TARGET = tvm.target.Target({
    "kind": "metal", "max_threads_per_block": 256, "max_shared_memory_per_block": 32768,
    "thread_warp_size": 1, "host": {"kind": "llvm", "mtriple": "x86_64-linux-gnu"}})


def scheduled(transposed):
    """A float16 product of unknown dimensions, by TVM's schedule."""
    m, n, k = (tvm.tirx.Var(name, "int64") for name in "mnk")
    struct = getattr(relax, "TensorType", None) or relax.TensorStructInfo
    x = relax.Var("x", struct((m, k), "float16"))
    w = relax.Var("w", struct((n, k) if transposed else (k, n), "float16"))
    builder = relax.BlockBuilder()
    with builder.function("main", [x, w]):
        with builder.dataflow():
            right = builder.emit(relax.op.permute_dims(w)) if transposed else w
            out = builder.emit_output(builder.emit(relax.op.matmul(x, right)))
        builder.emit_func_output(out)
    mod = builder.get()
    with TARGET:
        for step in (relax.transform.LegalizeOps(), relax.transform.AnnotateTIROpPattern(),
                     relax.transform.FuseOps(), relax.transform.FuseTIR()):
            mod = step(mod)
        mod = dlight.ApplyDefaultSchedule(dlight.gpu.Matmul(), dlight.gpu.Fallback())(mod)
    return relax.build(mod, target=TARGET).mod


def tiles(dtype, ta, tb, tc, beyond=0, threads=32):
    """C = A B by tiles of 8 by 8, straight from and to device memory; each of the
    three may lie transposed in memory."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, b: T.handle, c: T.handle, m: T.int64, n: T.int64, k: T.int64):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (m * k,), dtype)
        B = T.match_buffer(b, (k * n,), dtype)
        C = T.match_buffer(c, (m * n,), dtype)
        for bx in T.thread_binding(m // 8, thread="blockIdx.x"):
            for by in T.thread_binding(n // 8, thread="blockIdx.y"):
                for tx in T.thread_binding(threads, thread="threadIdx.x"):
                    with T.sblock("tile"):
                        T.reads(A[0:m * k], B[0:k * n])
                        T.writes(C[0:m * n])
                        M = T.sblock_alloc_buffer((192,), dtype, scope="metal.simdgroup")
                        T.metal.make_filled_simdgroup_matrix(M.data, 0, T.float32(0), 8, 8)
                        for kk in range(k // 8):
                            T.metal.simdgroup_load(
                                M.data, 1,
                                A.access_ptr("r", offset=beyond + 8 * (
                                    (kk * m + bx) if ta else (bx * k + kk))),
                                m if ta else k, 8, 8, ta)
                            T.metal.simdgroup_load(
                                M.data, 2,
                                B.access_ptr("r", offset=8 * (
                                    (by * k + kk) if tb else (kk * n + by))),
                                k if tb else n, 8, 8, tb)
                            T.metal.simdgroup_multiply_accumulate(
                                M.data, 0, M.data, 1, M.data, 2, M.data, 0)
                        T.metal.simdgroup_store(
                            M.data, 0,
                            C.access_ptr("w", offset=8 * ((by * m + bx) if tc else (bx * n + by))),
                            m if tc else n, 8, 8, tc)

    return tvm.compile(tvm.IRModule({"main": main}), target=TARGET).mod


def sources(module):
    return "".join(i.inspect_source() if i.kind == "metal" else sources(i) for i in module.imports)


def reloaded(module, name):
    """The module as the simulated device's loader sees it."""
    path = f"{FOLDER}/{name}.so"
    module.export_library(path)
    return tvm.runtime.load_module(path)


def kept(array):
    """The array; its bytes count for what all products together are."""
    BYTES.update(np.ascontiguousarray(array).tobytes())
    return array


def off(got, a, b):
    """The largest difference to the product in float64, beside the sum of the
    products' sizes: what rounding can account for."""
    want = a.astype("float64") @ b.astype("float64")
    room = np.abs(a).astype("float64") @ np.abs(b).astype("float64")
    return float((np.abs(got - want) / room).max()) if got.size else 0.0


def run_scheduled(shapes, random):
    worst, plain = 0.0, []
    for transposed in (False, True):
        module = scheduled(transposed)
        text = sources(module)
        assert "simdgroup_half8x8" in text and "simdgroup_multiply_accumulate" in text
        vm = relax.VirtualMachine(reloaded(module, f"scheduled{transposed}"), DEVICE)
        for _ in range(shapes // 2):
            m, n, k = (int(v) for v in random.integers(1, 90, 3))
            a = random.uniform(-1, 1, (m, k)).astype("float16")
            b = random.uniform(-1, 1, (k, n)).astype("float16")
            given = np.ascontiguousarray(b.T) if transposed else b
            out = kept(vm["main"](tensor(a), tensor(given)).numpy())
            worst = max(worst, off(out, a, b))
            plain.append((m, n, k))
    return worst, plain


def run_tiles(shapes, random):
    worst, count = {}, 0
    for number, dtype in enumerate(["float16", "float32"] * 4):
        ta, tb, tc = (bool(number >> i & 1) for i in range(3))
        module = tiles(dtype, ta, tb, tc)
        run = reloaded(module, f"tiles{number}")["main"]
        for _ in range(shapes):
            m, n, k = (int(8 * v) for v in random.integers(1, 6, 3))
            a, b = (random.uniform(-1, 1, s).astype(dtype) for s in ((m, k), (k, n)))
            given = [np.ascontiguousarray(x.T if turned else x).ravel()
                     for x, turned in ((a, ta), (b, tb))]
            c = tensor(np.zeros(m * n, dtype))
            run(tensor(given[0]), tensor(given[1]), c, m, n, k)
            got = kept(c.numpy())
            got = got.reshape((n, m)).T if tc else got.reshape((m, n))
            worst[dtype] = max(worst.get(dtype, 0.0), off(got, a, b))
            count += 1
    return worst, count


def forms():
    """Whatever else generated kernels may hold: vectors of three, bits counted in 64,
    a loop without a header, the four lanes of a quad-group."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, l: T.handle, c: T.handle, d: T.handle, e: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (192,), "float32")
        L = T.match_buffer(l, (64,), "int64")
        C = T.match_buffer(c, (192,), "float32")
        D = T.match_buffer(d, (64,), "int32")
        E = T.match_buffer(e, (64,), "float32")
        for tx in T.thread_binding(64, thread="threadIdx.x"):
            with T.sblock("all"):
                T.reads(A[0:192], L[0:64])
                T.writes(C[0:192], D[0:64], E[0:64])
                for i in T.vectorized(3):
                    C[tx * 3 + i] = A[tx * 3 + i] * A[tx * 3 + i] + T.float32(1)
                D[tx] = T.clz(L[tx])
                S = T.sblock_alloc_buffer((1,), "float32", scope="local")
                S[0] = A[tx]
                while S[0] < T.float32(8):
                    S[0] = S[0] * T.float32(2)
                E[tx] = T.call_extern("float32", "quad_sum", S[0]) - T.call_extern(
                    "float32", "quad_shuffle_xor", S[0], 1)

    module = tvm.compile(tvm.IRModule({"main": main}), target=TARGET).mod
    text = sources(module)
    for part in ("packed_float3", "clz(", "while (1)", "quad_sum("):
        assert part in text, text
    a = np.random.default_rng(1).uniform(0.5, 2, 192).astype("float32")
    numbers = np.array([1 << (i % 63) for i in range(64)], "int64")
    c, d, e = (tensor(np.zeros(n, t)) for n, t in ((192, "float32"), (64, "int32"), (64, "float32")))
    reloaded(module, "forms")["main"](tensor(a), tensor(numbers), c, d, e)
    s = a[:64] * 2 ** np.ceil(np.log2(8 / a[:64]))
    quads = s.reshape(16, 4)
    want = np.repeat(quads.sum(1), 4) - quads[:, [1, 0, 3, 2]].ravel()
    return {"three": float(np.abs(c.numpy() - (a * a + 1)).max()),
            "bits": bool((d.numpy() == 63 - np.arange(64) % 63).all()),
            "quads": float(np.abs(e.numpy() - want).max())}


def fault(kind):
    """What the device says of a tile that begins one element late, or of a
    threadgroup that has fewer threads than a matrix takes."""
    module = (tiles("float16", False, False, False, beyond=1) if kind == "beyond"
              else tiles("float16", False, False, False, threads=16))
    run = reloaded(module, kind)["main"]
    a = tensor(np.ones(256, "float16"))
    try:
        run(a, tensor(np.ones(256, "float16")), tensor(np.zeros(256, "float16")), 16, 16, 16)
    except Exception as error:  # noqa: BLE001 - whatever the runtime throws is the result
        return str(error)
    return "nothing"


def tensor(array):
    return tvm.runtime.tensor(array, DEVICE)


PLUGIN, SHAPES, SEED, FOLDER = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
ctypes.CDLL(PLUGIN, ctypes.RTLD_GLOBAL)
DEVICE, BYTES = tvm.metal(), hashlib.sha256()
if SHAPES == 0:
    print(json.dumps({"errors": [fault("beyond"), fault("narrow")]}))
else:
    made = np.random.default_rng(SEED)
    scheduled_worst, plain = run_scheduled(SHAPES, made)
    tile_worst, count = run_tiles(SHAPES // 8 + 1, made)
    report = json.loads(tvm.get_global_func("artcheck.metal_sim.report")())
    by_thread = [kernel["name"] for kernel in report["list"] if not kernel["lanes"]]
    print(json.dumps({"shapes": len(set(plain)), "scheduled": scheduled_worst, "tiles": count,
                      "tile_worst": tile_worst, "bytes": BYTES.hexdigest(), "by_thread": by_thread,
                      "forms": forms()}))
