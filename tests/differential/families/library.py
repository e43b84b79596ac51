"""The same compiled library on every runtime: chunked prompts, turns, forks, pops, decoding.

The logits are the answer. `sliding` is a library whose first layer got a sliding
window of its own: one number of its constants is changed, its kernels are its own.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).parents[3] / "corpus"
DECODERS = ["tvm-0.25/dense", "tvm-0.26/dense", "tvm-0.26/dense-q4", "tvm-0.25/hybrid",
            "tvm-0.26/hybrid", "tvm-0.26/hybrid-q4", "tvm-0.25/recurrent", "tvm-0.26/recurrent",
            "tvm-0.27/recurrent", "sliding", "sliding"]
ENCODERS = ["tvm-0.25/embedding", "tvm-0.26/embedding", "tvm-0.27/embedding"]
loaded = {}  # a library is loaded once in a process: artifact -> (machine, metadata, parameters)


def generate(random):
    if random.random() < 0.15:
        ops = [["encode", random.randint(1, 2), random.randint(1, 9), random.randrange(1000)]
               for _ in range(2)]
        return {"family": "library", "config": {"artifact": random.choice(ENCODERS)}, "ops": ops}
    # Kernels for a CPU are compiled for pages of 16: with others they read what is not theirs.
    config = {"artifact": random.choice(DECODERS), "page": 16,
              "history": random.choice([1, 2, 3]), "window": int(random.random() < 0.15)}
    lengths, ops = {0: 0}, [["add", 0]]
    for _ in range(random.randint(2, 6)):
        act = random.choice(["turn"] * 5 + ["add", "fork", "popn", "remove"])
        known = list(lengths)
        if act == "add" and len(known) < 3:
            ops.append(["add", max(known, default=-1) + 1])
            lengths[ops[-1][1]] = 0
        elif act == "turn" and known:
            turn(random, lengths, ops, takes_several(config["artifact"]))
        elif act == "fork" and known and len(known) < 3:
            parent, child = random.choice(known), max(known) + 1
            ops.append(["fork", parent, child, -1])
            lengths[child] = lengths[parent]
        elif act == "popn" and known:
            sequence = random.choice(known)
            ops.append(["popn", sequence, random.randint(0, min(3, lengths[sequence]))])
            lengths[sequence] -= ops[-1][2]
        elif act == "remove" and len(known) > 1:
            ops.append(["remove", known[-1]])
            del lengths[known[-1]]
    return {"family": "library", "config": config, "ops": ops}


def takes_several(artifact):
    """Whether a prefill may have several sequences. The scan of a recurrent layer takes the
    tokens of a call for one sequence, and writes outside its memory where there are more."""
    return not any(kind in artifact for kind in ("hybrid", "recurrent"))


def turn(random, lengths, ops, several):
    decode = random.random() < 0.4
    most = len(lengths) if several or decode else 1
    chosen = random.sample(list(lengths), random.randint(1, most))
    counts = [1 if decode else random.randint(1, 12) for _ in chosen]
    ops.append(["decode" if decode else "prefill", chosen, counts, random.randrange(1000)])
    for sequence, count in zip(chosen, counts):
        lengths[sequence] += count


def simpler(config):
    for key, plain in (("page", 16), ("history", 1), ("window", 0)):
        if config.get(key, plain) != plain:
            yield {**config, key: plain}


def simpler_op(op):
    if op[0] in ("prefill", "decode") and len(op[1]) > 1:
        yield [op[0], op[1][:1], op[2][:1], op[3]]
    if op[0] == "prefill" and max(op[2]) > 2:
        yield [op[0], op[1], [min(c, 2) for c in op[2]], op[3]]


class Subject:
    def __init__(self, world, _calls, config):
        self.world = world
        self.machine, self.metadata, self.parameters = library(world, config["artifact"])
        self.states = [] if "page" not in config else self.make_states(config)

    def make_states(self, config):
        kind, batch = self.metadata["kv_state_kind"], self.metadata["max_batch_size"]
        made, shape = [], self.world.shape
        if kind != "rnn_state":
            sizes = (batch, 128, 64, config["page"], config["window"])
            made.append(self.machine["create_tir_paged_kv_cache"](*(shape([s]) for s in sizes)))
        if kind != "kv_cache":
            made.append(self.machine["create_rnn_state"](shape([batch]),
                                                         shape([config["history"]])))
        return made

    def step(self, op):
        return getattr(self, "do_" + op[0])(*op[1:])

    def each(self, name, *arguments):
        for state in self.states:
            self.world.builtin("vm.builtin.kv_state_" + name)(state, *arguments)

    def do_add(self, sequence):
        self.each("add_sequence", sequence)

    def do_remove(self, sequence):
        self.each("remove_sequence", sequence)

    def do_fork(self, parent, child, at):
        self.each("fork_sequence", parent, child, at)

    def do_popn(self, sequence, count):
        self.each("popn", sequence, count)

    def do_prefill(self, sequences, counts, seed):
        total = sum(counts)
        positions = np.cumsum(counts).astype("int32") - 1
        return self.forward("batch_prefill", sequences, counts, seed, [1, total],
                            [self.world.tensor(positions)])

    def do_decode(self, sequences, counts, seed):
        return self.forward("batch_decode", sequences, counts, seed, [len(sequences), 1], [])

    def forward(self, function, sequences, counts, seed, outer, more):
        shape = self.world.shape
        tokens = np.random.default_rng(seed).integers(0, 256, sum(counts)).astype("int32")
        embedded = self.machine["embed"](self.world.tensor(tokens), self.parameters)
        embedded = self.world.builtin("vm.builtin.reshape")(
            embedded, shape([*outer, embedded.shape[1]]))
        self.each("begin_forward", shape(sequences), shape(counts))
        result = self.machine[function](embedded, *more, *self.states, self.parameters)
        self.each("end_forward")
        logits = self.world.array(result[0])
        return logits.reshape(-1, logits.shape[-1])[:, :12].astype("float32")

    def do_encode(self, batch, length, seed):
        source = np.random.default_rng(seed)
        ids = source.integers(2, 200, (batch, length)).astype("int32")
        mask = np.ones((batch, length), "int32")
        mask[-1, (length + 1) // 2:] = 0
        out = self.machine["prefill"](self.world.tensor(ids), self.world.tensor(mask),
                                      self.parameters)
        return self.world.array(out)[:, 0, :12].astype("float32")


def library(world, artifact):
    if artifact not in loaded:
        import tvm_ffi

        sys.path.insert(0, str(CORPUS / "reference"))
        import weights

        path = CORPUS / "artifacts" / f"{artifact}-cpu-x86_64.so"
        if artifact == "sliding":
            path = sliding()
        machine = tvm_ffi.load_module(str(path))["vm_load_executable"]()
        machine["vm_initialization"](world.CPU, 0, 2, world.CPU, 0, 2)
        metadata = json.loads(machine["_metadata"]())
        arrays = weights.random_parameters(7, metadata["params"])
        loaded[artifact] = machine, metadata, [world.tensor(a) for a in arrays]
    return loaded[artifact]


def sliding():
    """The dense library of 0.26 with another attention kind for its first layer, in this folder."""
    data = (CORPUS / "artifacts" / "tvm-0.26" / "dense-cpu-x86_64.so").read_bytes()
    kinds = struct.pack("<iQ2q", 69, 2, 0, 0)  # a shape constant of two zeros
    if data.count(kinds) != 1:
        raise LookupError("the attention kinds of the dense library were not found")
    path = Path("sliding.so").absolute()
    path.write_bytes(data.replace(kinds, struct.pack("<iQ2q", 69, 2, 3, 0)))
    return path
