"""Divisions of integers in TVM's kernels, on the simulated device, against plain loops.

    PYTHON division.py PLUGIN FOLDER

Random sizes, threads that take no part, every width and sign, and divisors that have no
quotient: zero, and -1 for the least number. Whatever comes out for these, the process
lives and every other element is right. FOLDER takes the libraries. Prints one JSON
object: what was wrong, how many elements were looked at, and the device's report.
"""

import ctypes
import json
import random
import re
import sys

import numpy as np
import tvm
from tvm.script import tirx as T

TARGET = tvm.target.Target({
    "kind": "metal", "max_threads_per_block": 1024, "max_shared_memory_per_block": 32768,
    "thread_warp_size": 32, "host": {"kind": "llvm", "mtriple": "x86_64-linux-gnu"}})
PLUGIN, FOLDER = sys.argv[1:]
DEVICE = tvm.device("metal")
RANDOM = random.Random(41)


def guarded(kind, n, threads):
    """Lanes beyond `n` have no divisor."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, b: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (n,), kind)
        B = T.match_buffer(b, (n,), kind)
        C = T.match_buffer(c, (n * 2,), kind)
        for tx in T.thread_binding(threads, thread="threadIdx.x"):
            with T.sblock("all"):
                T.reads(A[0:n], B[0:n])
                T.writes(C[0:n * 2])
                if tx < n:
                    C[tx] = T.truncdiv(A[tx], B[tx])
                    C[n + tx] = T.truncmod(A[tx], B[tx])

    return main


def chosen(kind, n, threads):
    """Lanes whose divisor is zero do not divide."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, b: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (n,), kind)
        B = T.match_buffer(b, (n,), kind)
        C = T.match_buffer(c, (n * 2,), kind)
        for tx in T.thread_binding(threads, thread="threadIdx.x"):
            with T.sblock("all"):
                T.reads(A[0:n], B[0:n])
                T.writes(C[0:n * 2])
                S = T.sblock_alloc_buffer((2,), kind, scope="local")
                S[0] = T.Cast(kind, 0)
                S[1] = T.Cast(kind, 0)
                if tx < n:
                    if B[tx] != T.Cast(kind, 0):
                        S[0] = A[tx]
                        S[1] = A[tx]
                        S[0] = T.truncdiv(S[0], B[tx])
                        S[1] = T.truncmod(S[1], B[tx])
                    C[tx] = S[0]
                    C[n + tx] = S[1]

    return main


def shared(kind, n, threads):
    """One divisor for all lanes, which is zero in some threadgroups."""

    @T.prim_func(s_tir=True)
    def main(a: T.handle, b: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (n,), kind)
        B = T.match_buffer(b, (n,), kind)
        C = T.match_buffer(c, (n * 2,), kind)
        for bx in T.thread_binding(n, thread="blockIdx.x"):
            for tx in T.thread_binding(threads, thread="threadIdx.x"):
                with T.sblock("all"):
                    T.reads(A[0:n], B[0:n])
                    T.writes(C[0:n * 2])
                    if tx == 0:
                        C[bx] = T.truncdiv(A[bx], B[bx])
                        C[n + bx] = T.truncmod(A[bx], B[bx])

    return main


def vectors(kind, n, threads):
    """Vectors of four."""
    m = n * 4

    @T.prim_func(s_tir=True)
    def main(a: T.handle, b: T.handle, c: T.handle):
        T.func_attr({"global_symbol": "main", "tirx.noalias": True})
        A = T.match_buffer(a, (m,), kind)
        B = T.match_buffer(b, (m,), kind)
        C = T.match_buffer(c, (m * 2,), kind)
        for tx in T.thread_binding(threads, thread="threadIdx.x"):
            with T.sblock("all"):
                T.reads(A[0:m], B[0:m])
                T.writes(C[0:m * 2])
                if tx < n:
                    for j in T.vectorized(4):
                        C[tx * 4 + j] = T.truncdiv(A[tx * 4 + j], B[tx * 4 + j])
                    for j in T.vectorized(4):
                        C[m + tx * 4 + j] = T.truncmod(A[tx * 4 + j], B[tx * 4 + j])

    return main


def operands(kind, n, zeros):
    facts = np.iinfo(kind)
    a = [RANDOM.choice([RANDOM.randint(facts.min, facts.max), RANDOM.randint(0, 99), facts.min, facts.max])
         for _ in range(n)]
    b = [RANDOM.choice([RANDOM.randint(facts.min, facts.max), RANDOM.randint(1, 9), facts.max,
                        facts.max if facts.min == 0 else -1, 0 if zeros else 3]) or 1
         for _ in range(n)]
    for i in range(0, n, 5):
        b[i] = 0 if zeros else b[i] or 1
    return np.array(a, kind), np.array(b, kind)


def differ(kind, a, b, got, zero):
    """Elements that are not what the loop says; `zero` is what a zero divisor gives, if known."""
    n, low, wrong = len(a), np.iinfo(kind).min, []
    for i, (x, y) in enumerate(zip(a.tolist(), b.tolist())):
        if (y == 0 and zero is None) or (y == -1 and x == low):
            continue
        quotient = zero if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)
        rest = zero if y == 0 else x - quotient * y
        if (int(got[i]), int(got[n + i])) != (quotient, rest):
            wrong.append(f"{x} by {y}: {got[i]}, {got[n + i]}")
    return wrong


def compound(path):
    """The divisions of a lane's own number as `/=` and `%=`, which TVM does not write."""
    data = open(path, "rb").read()
    change = lambda m: m[1] + b" " + m[2] + b"=" + b" " * (len(m[0]) - len(m[1]) - 3)  # noqa: E731
    data, count = re.subn(rb"(\w+\[\d\]) = \(\1 ([/%])(?= )", lambda m: change(m)[:-1] + b"(", data)
    assert count == 2, f"{path}: {count} divisions"
    open(path, "wb").write(data)


def run(number, make, kind, zeros, spelled):
    n = RANDOM.randint(1, 90)
    threads = -(-n // 32) * 32 + RANDOM.choice([0, 5, 32])
    name = f"{make.__name__} {kind} {n} of {threads}" + (" compound" if spelled else "")
    module = tvm.compile(tvm.IRModule({"main": make(kind, n, threads)}), target=TARGET).mod
    path = f"{FOLDER}/division{number}.so"
    module.export_library(path)
    if spelled:
        compound(path)
    count = n * 4 if make is vectors else n
    a, b = operands(kind, count, zeros)
    out = tvm.runtime.tensor(np.full(count * 2, 77, kind), DEVICE)
    tvm.runtime.load_module(path)["main"](tvm.runtime.tensor(a, DEVICE), tvm.runtime.tensor(b, DEVICE), out)
    return count, [f"{name}: {one}" for one in differ(kind, a, b, out.numpy(), 0 if make is chosen else None)]


def main():
    ctypes.CDLL(PLUGIN, mode=ctypes.RTLD_GLOBAL)
    looked, wrong = 0, []
    cases = [(make, kind, zeros, spelled) for kind in ("int32", "uint32", "int64", "uint64", "int8", "int16")
             for make, zeros, spelled in ((guarded, False, False), (guarded, True, False), (shared, True, False),
                                          (vectors, True, False), (chosen, True, False), (chosen, True, True))]
    for number, case in enumerate(cases):
        count, found = run(number, *case)
        looked, wrong = looked + count, wrong + found
    report = json.loads(tvm.get_global_func("artcheck.metal_sim.report")())
    print(json.dumps({"looked": looked, "wrong": wrong, "report": report}))


main()
