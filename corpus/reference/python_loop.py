#!/usr/bin/env python3
"""The same decode loop on TVM's own Python VM wrapper, for the speed comparison.

    python python_loop.py LIBRARY REFERENCE.json#CASE [--device cuda] [--seed N]
                          [--entry batch|single] [--steps N] [--runs N] [--on-demand]

Runs in an environment that has tvm; with TVM_USE_RUNTIME_LIB=1 the compiler library is
not needed. Follows the sequence that an engine uses, greedy, one sequence; two
runs warm up. Prints one JSON line: medians of the runs. `host_seconds_per_step` is a
step without the forward call and the copy of its logits, as `artcheck verify` counts it.
With --on-demand it measures once for each entry named on standard input, a word a line.
"""

import argparse
import ctypes
import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import tvm
from tvm.runtime.vm import VirtualMachine

import weights


def load_device_part(name):
    """Without the compiler library, tvm leaves a device's part of the runtime unloaded."""
    if tvm.get_global_func(f"device_api.{name}", allow_missing=True) is None:
        folder = Path(tvm.__file__).parent / "lib"
        ctypes.CDLL(str(folder / f"libtvm_runtime_{name}.so"))


class Loop:
    def __init__(self, path, device, seed):
        self.device, self.forward_seconds = device, 0.0
        self.vm = VirtualMachine(tvm.runtime.load_module(path), device)
        metadata = json.loads(self.vm["_metadata"]())
        arrays = weights.random_parameters(seed, metadata["params"])
        self.params = [tvm.runtime.tensor(a, device) for a in arrays]
        self.embed = self.vm["embed"]
        builtin = {name: tvm.get_global_func("vm.builtin." + name)
                   for name in ("kv_state_clear", "kv_state_add_sequence",
                                "kv_state_begin_forward", "kv_state_end_forward", "reshape")}
        self.clear, self.add, self.begin, self.end, self.reshape = builtin.values()
        shape = self.shape
        self.states = [self.vm["create_tir_paged_kv_cache"](
            shape(1), shape(1024), shape(metadata["prefill_chunk_size"]), shape(16), shape(0))]
        if metadata["kv_state_kind"] == "hybrid":
            self.states.append(self.vm["create_rnn_state"](shape(1), shape(1)))

    @staticmethod
    def shape(*values):
        return tvm.runtime.ShapeTuple(list(values))

    def ids(self, tokens):
        return tvm.runtime.tensor(np.array(tokens, "int32"), self.device)

    def forward(self, function, tokens, *more):
        embedded = self.embed(self.ids(tokens), self.params)
        embedded = self.reshape(embedded, self.shape(1, len(tokens), embedded.shape[1]))
        ids, length = self.shape(0), self.shape(len(tokens))
        for state in self.states:
            self.begin(state, ids, length)
        begin = time.perf_counter()
        result = function(embedded, *more, *self.states, self.params)
        self.forward_seconds += time.perf_counter() - begin
        for state in self.states:
            self.end(state)
        result = result[0]
        begin = time.perf_counter()
        logits = result.numpy()
        self.forward_seconds += time.perf_counter() - begin
        return int(np.argmax(logits))

    def run(self, entry, prompt, steps):
        """Seconds per decode step, those of the host, and the tokens."""
        names = ("prefill", "decode") if entry == "single" else ("batch_prefill", "batch_decode")
        prefill, decode = (self.vm[name] for name in names)
        for state in self.states:
            self.clear(state)
            self.add(state, 0)
        more = [] if entry == "single" else [self.ids([len(prompt) - 1])]
        tokens = [self.forward(prefill, prompt, *more)]
        self.forward_seconds, begin = 0.0, time.perf_counter()
        for _ in range(steps - 1):
            tokens.append(self.forward(decode, tokens[-1:]))
        seconds = time.perf_counter() - begin
        return seconds / (steps - 1), (seconds - self.forward_seconds) / (steps - 1), tokens


def measured(loop, entry, prompt, args):
    for _ in range(2):
        loop.run(entry, prompt, args.steps)
    runs = [loop.run(entry, prompt, args.steps) for _ in range(args.runs)]
    step, host = (statistics.median(run[i] for run in runs) for i in (0, 1))
    return {"tvm": tvm.__version__, "entry": entry, "tokens_per_second": 1 / step,
            "host_seconds_per_step": host, "tokens": runs[-1][2]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("reference")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--entry", choices=["batch", "single"], default="batch")
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--on-demand", action="store_true")
    args = parser.parse_args()
    path, case = args.reference.rsplit("#", 1)
    with open(path) as file:
        prompt = json.load(file)["cases"][case]["prompt"]
    load_device_part(args.device)
    loop = Loop(args.library, tvm.device(args.device), args.seed)
    for entry in map(str.strip, sys.stdin) if args.on_demand else [args.entry]:
        print(json.dumps(measured(loop, entry, prompt, args)), flush=True)


if __name__ == "__main__":
    main()
