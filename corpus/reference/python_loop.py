#!/usr/bin/env python3
"""The same decode loop on TVM's own Python VM wrapper, for the speed comparison.

    python python_loop.py LIBRARY REFERENCE.json#CASE [--device cuda] [--seed N]
                          [--entry batch|single] [--steps N] [--runs N]

Runs in an environment that has tvm; with TVM_USE_RUNTIME_LIB=1 the compiler library is
not needed. Follows the sequence that an engine uses,
greedy, one sequence; the first run warms up. Prints one JSON line.
"""

import argparse
import json
import statistics
import time

import numpy as np
import tvm
from tvm.runtime.vm import VirtualMachine

import weights


class Loop:
    def __init__(self, path, device, seed, entry):
        self.device, self.entry = device, entry
        self.vm = VirtualMachine(tvm.runtime.load_module(path), device)
        metadata = json.loads(self.vm["_metadata"]())
        arrays = weights.random_parameters(seed, metadata["params"])
        self.params = [tvm.runtime.tensor(a, device) for a in arrays]
        single = entry == "single"
        self.prefill_function = self.vm["prefill" if single else "batch_prefill"]
        self.decode_function = self.vm["decode" if single else "batch_decode"]
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
        result = function(embedded, *more, *self.states, self.params)
        for state in self.states:
            self.end(state)
        return int(np.argmax(result[0].numpy()))

    def run(self, prompt, steps):
        """Seconds per decoded token, and the tokens."""
        for state in self.states:
            self.clear(state)
            self.add(state, 0)
        more = [] if self.entry == "single" else [self.ids([len(prompt) - 1])]
        tokens = [self.forward(self.prefill_function, prompt, *more)]
        begin = time.perf_counter()
        for _ in range(steps - 1):
            tokens.append(self.forward(self.decode_function, tokens[-1:]))
        return (time.perf_counter() - begin) / (steps - 1), tokens


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library")
    parser.add_argument("reference")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--entry", choices=["batch", "single"], default="batch")
    parser.add_argument("--steps", type=int, default=64)
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    path, case = args.reference.rsplit("#", 1)
    with open(path) as file:
        prompt = json.load(file)["cases"][case]["prompt"]
    loop = Loop(args.library, tvm.device(args.device), args.seed, args.entry)
    loop.run(prompt, args.steps)
    seconds = [loop.run(prompt, args.steps)[0] for _ in range(args.runs)]
    print(json.dumps({"tvm": tvm.__version__, "library": args.library, "entry": args.entry,
                      "tokens_per_second": 1 / statistics.median(seconds)}))


if __name__ == "__main__":
    main()
