"""Kernels of TVM for what lanes may do, on the simulated device; prints what came out.

    PYTHON lanes.py PLUGIN FOLDER

Run once as it is and once with ARTCHECK_METAL_SIM_LANES=0, the two must print the same:
sums of bytes of each output, for several sizes of the threadgroup. FOLDER takes the
libraries. One JSON object, with the device's report.
"""

import ctypes
import hashlib
import json
import sys

import numpy as np
import tvm
from tvm.script import tirx as T

TARGET = tvm.target.Target({
    "kind": "metal", "max_threads_per_block": 1024, "max_shared_memory_per_block": 32768,
    "thread_warp_size": 32, "host": {"kind": "llvm", "mtriple": "x86_64-linux-gnu"}})
PLUGIN, FOLDER = sys.argv[1:]
DEVICE = tvm.device("metal")
SIZES = (5, 32, 33, 64, 200)


def branches(n):
    """Branches within branches, and reads that only some lanes may make."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, i: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (n,), "float32")
        I = T.match_buffer(i, (n,), "int32")
        C = T.match_buffer(c, (n,), "float32")
        for tx in T.thread_binding(n, thread="threadIdx.x"):
            with T.sblock("all"):
                T.reads(A[0:n], I[0:n])
                T.writes(C[0:n])
                S = T.sblock_alloc_buffer((2,), "float32", scope="local")
                S[0] = A[tx]
                S[1] = T.float32(1)
                if I[tx] % 3 == 0:
                    if tx + 1 < n:
                        S[0] = S[0] + A[tx + 1]
                    else:
                        S[1] = T.float32(3)
                    S[0] = S[0] * S[1]
                else:
                    if tx >= 7:
                        S[0] = S[0] - A[tx - 7]
                C[tx] = S[0] / S[1]

    return main, [("float32", n), ("int32", n)], ("float32", n)


def gathered(n):
    """Tables, and loops of each lane's own length."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, i: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (n,), "float16")
        I = T.match_buffer(i, (n,), "int32")
        C = T.match_buffer(c, (n,), "float16")
        for tx in T.thread_binding(n, thread="threadIdx.x"):
            with T.sblock("all"):
                T.reads(A[0:n], I[0:n])
                T.writes(C[0:n])
                S = T.sblock_alloc_buffer((1,), "float16", scope="local")
                S[0] = A[(tx * 7 + 3) % n]
                for k in range(I[tx] % 9):
                    S[0] = S[0] + A[(I[tx] + k) % n] * A[k]
                C[n - 1 - tx] = T.max(S[0], -S[0])

    return main, [("float16", n), ("int32", n)], ("float16", n)


def integers(n):
    """Shifts, remainders and widths of integers."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, i: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (n,), "uint32")
        I = T.match_buffer(i, (n,), "int64")
        C = T.match_buffer(c, (n * 4,), "int32")
        for tx in T.thread_binding(n, thread="threadIdx.x"):
            with T.sblock("all"):
                T.reads(A[0:n], I[0:n])
                T.writes(C[0:n * 4])
                for j in range(4):
                    C[tx * 4 + j] = (
                        T.Cast("int32", (A[tx] >> T.Cast("uint32", j * 8)) & T.uint32(255))
                        + T.Cast("int32", I[tx] // T.int64(3) % T.int64(1000))
                        - T.Cast("int32", T.Cast("int8", A[n - 1 - tx])))

    return main, [("uint32", n), ("int64", n)], ("int32", 4 * n)


def together(n):
    """Simd-groups that wait for each other, and lanes that exchange."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, i: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (n * 3,), "float32")
        I = T.match_buffer(i, (n,), "int32")
        C = T.match_buffer(c, (n * 3,), "float32")
        for bx in T.thread_binding(3, thread="blockIdx.x"):
            for tx in T.thread_binding(n, thread="threadIdx.x"):
                with T.sblock("all"):
                    T.reads(A[0:n * 3], I[0:n])
                    T.writes(C[0:n * 3])
                    S = T.sblock_alloc_buffer((n,), "float32", scope="shared")
                    L = T.sblock_alloc_buffer((1,), "float32", scope="local")
                    S[tx] = T.exp(A[bx * n + tx])
                    T.tvm_storage_sync("shared")
                    L[0] = S[n - 1 - tx] + T.sqrt(S[tx])
                    L[0] = L[0] + T.call_extern("float32", "simd_shuffle_down", L[0], 4)
                    L[0] = L[0] * T.call_extern("float32", "simd_shuffle_xor", L[0], 1)
                    L[0] = L[0] - T.call_extern("float32", "simd_shuffle_up", L[0], I[0] % 4 + 1)
                    T.tvm_storage_sync("shared")
                    S[tx] = L[0]
                    T.tvm_storage_sync("shared")
                    C[bx * n + tx] = S[(tx + 1) % n] + L[0]

    return main, [("float32", 3 * n), ("int32", n)], ("float32", 3 * n)


def vectors(n):
    """Vectors of four in every kind of memory, endless loops, and reads behind a condition."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, i: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (n * 8,), "float16")
        I = T.match_buffer(i, (n,), "int32")
        C = T.match_buffer(c, (n * 8,), "float16")
        for tx in T.thread_binding(n, thread="threadIdx.x"):
            with T.sblock("all"):
                T.reads(A[0:n * 8], I[0:n])
                T.writes(C[0:n * 8])
                S = T.sblock_alloc_buffer((n * 4,), "float16", scope="shared")
                L = T.sblock_alloc_buffer((8,), "float16", scope="local")
                K = T.sblock_alloc_buffer((2,), "int32", scope="local")
                for j in T.vectorized(4):
                    S[tx * 4 + j] = A[tx * 4 + j]
                for j in T.vectorized(4):
                    L[j] = A[(tx * 5 + 3) % n * 8 + j]
                for j in T.vectorized(4):
                    L[4 + j] = T.float16(0.25)
                T.tvm_storage_sync("shared")
                K[0] = 0
                while K[0] < 3:
                    for j in T.vectorized(4):
                        L[j] = L[j] * S[(n - 1 - tx) * 4 + j] + T.float16(0.5)
                    K[0] = K[0] + 1
                K[1] = I[tx] % 5
                while K[1] > 0:
                    for j in T.vectorized(4):
                        L[4 + j] = L[4 + j] + L[j]
                    K[1] = K[1] - 1
                if tx % 2 == 0 and A[tx * 3] > T.float16(0):
                    for j in T.vectorized(4):
                        L[j] = T.exp(L[j] * T.float16(-0.5))
                for j in T.vectorized(4):
                    C[tx * 4 + j] = L[j]
                for j in T.vectorized(4):
                    C[n * 4 + (n - 1 - tx) * 4 + j] = L[4 + j]

    return main, [("float16", 8 * n), ("int32", n)], ("float16", 8 * n)


def made(random, kind, count):
    if kind.startswith("float"):
        return random.uniform(-2, 2, count).astype(kind)
    low = 0 if kind[0] == "u" or kind == "int32" else -10**9
    return random.integers(low, 10**9, count).astype(kind)


def run(make, n):
    function, inputs, (kind, count) = make(n)
    module = tvm.compile(tvm.IRModule({"main": function}), target=TARGET).mod
    path = f"{FOLDER}/{make.__name__}{n}.so"
    module.export_library(path)
    random = np.random.default_rng(n)
    given = [tvm.runtime.tensor(made(random, *one), DEVICE) for one in inputs]
    out = tvm.runtime.tensor(np.zeros(count, kind), DEVICE)
    tvm.runtime.load_module(path)["main"](*given, out)
    got = out.numpy()
    assert len(set(got.tolist())) > 1, f"{make.__name__} {n}: nothing was computed"
    return hashlib.sha256(got.tobytes()).hexdigest()


def main():
    ctypes.CDLL(PLUGIN, mode=ctypes.RTLD_GLOBAL)
    found = {f"{make.__name__} {n}": run(make, n)
             for make in (branches, gathered, integers, together, vectors) for n in SIZES}
    report = json.loads(tvm.get_global_func("artcheck.metal_sim.report")())
    print(json.dumps({"found": found, "report": report}))


main()
