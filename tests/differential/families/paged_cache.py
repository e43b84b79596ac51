"""The paged KV cache of every attention kind, driven as an engine drives it.

Schedules are mostly what an engine would do: sequences are added, forked, popped
and removed, prompts come in chunks, decoding steps follow, trees are verified and
committed. One operation in ten asks for something that should be refused.
"""

import numpy as np

FLAVOURS = ("dense", "dense", "window", "window", "layer_window", "layer_window", "mixed",
            "mla", "mla_mixed", "tree", "tree", "layer_tree", "disagg", "flashinfer", "odd")
KINDS = {"layer_window": [[3], [3, 0], [0, 3], [3, 3]], "mixed": [[0, 3, 0], [3, 0, 3]],
         "mla": [[1], [1, 1]], "mla_mixed": [[1, 0], [0, 1]], "layer_tree": [[3, 0], [0, 3]],
         "odd": [[2], [0, 2], [3, 1], [7]]}
PREFIX = "vm.builtin.attention_kv_cache_"


def generate(random):
    flavour = random.choice(FLAVOURS)
    config = make_config(random, flavour)
    return {"family": "paged_cache", "config": config, "ops": Story(random, config).tell()}


def make_config(random, flavour):
    kinds = random.choice(KINDS.get(flavour, [[0], [0, 0], [0, 0, 0]]))
    long = 3 in kinds and random.random() < 0.5
    page = 16 if long else random.choice([1, 2, 4, 16])
    group = 4 if flavour == "flashinfer" and random.random() < 0.3 else random.choice([1, 2])
    config = {
        "flavour": flavour, "kinds": kinds, "begin": 0, "seqs": random.randint(1, 4),
        "capacity": 2600 if long else random.choice([32, 64, 96]),
        "chunk": 1100 if long else random.choice([16, 40]), "page": page,
        "sliding": int(flavour == "window"), "window": None,
        "heads": group, "kv_heads": 1, "qk": 4, "v": 2 if 1 in kinds else 4,
        "rope": random.choice([0, 1, 2]) if flavour not in ("tree", "layer_tree") else 1,
        "scale": 1.0, "theta": random.choice([10000.0, 500000.0]), "ext": False,
        "transfer": int(flavour == "disagg"), "dtype": random.choice(["float32", "float32",
                                                                      "float16"]),
        "tag": "tirx", "plan": "shape", "ragged": 2, "real": random.random() < 0.4 and not long,
        "merges": 2, "extra": 0,
    }
    if flavour == "mla":
        config["merges"] = random.choice([1, 2])
    if flavour == "flashinfer":
        # What follows a refused plan ends the process, on every release.
        config["errors"] = 1
        config.update(tag="flashinfer", plan=random.choice(["shape", "array"]), rope=1,
                      ragged=random.choice([3, 3, 5]), real=False)
    if flavour == "odd":
        config["extra"] = random.choice([-1, 1, 2])
        config["tag"] = random.choice(["tirx", "tir", "flashinfer", "other"])
    if random.random() < 0.05:
        config["ext"], config["rope"] = True, random.choice([1, 1, 2])
    if 3 in kinds and random.random() < 0.1:
        config["window"] = random.choice([4, 16, 1024, 0])
    if random.random() < 0.05:
        config["begin"] = 1
    return config


class Story:
    """A random schedule, with a simple model of which sequences exist and how long they are."""

    def __init__(self, random, config):
        self.random, self.config = random, config
        self.lengths, self.ops, self.trees = {}, [], False

    def tell(self):
        for sequence in range(self.random.randint(1, self.config["seqs"])):
            self.add(sequence)
        for _ in range(self.random.randint(2, 7)):
            act = self.random.choice(["turn"] * 8 + ["add", "fork", "fork", "popn", "popn",
                                                     "remove", "clear", "slide", "look", "wrong"])
            getattr(self, act)()
        self.look()
        return self.ops

    def add(self, sequence=None):
        sequence = len(self.lengths) if sequence is None else sequence
        self.ops.append(["add", sequence])
        if self.config["sliding"] and self.random.random() < 0.7:
            self.ops.append(["slide", sequence, self.random.choice([4, 8, 12]),
                             self.random.choice([0, 1, 3])])
        self.lengths.setdefault(sequence, 0)

    def turn(self):
        if not self.lengths:
            return self.add()
        known = list(self.lengths)
        chosen = self.random.sample(known, self.random.randint(1, len(known)))
        if "tree" in self.config["flavour"] and self.random.random() < 0.5:
            return self.verify(chosen)
        decode = self.random.random() < 0.4
        counts = [1 if decode else self.count() for _ in chosen]
        while sum(counts) > self.config["chunk"]:
            counts[counts.index(max(counts))] //= 2
        if self.config["transfer"] and self.random.random() < 0.6:
            return self.transfer(chosen[0])
        self.ops.append(["begin", chosen, counts])
        self.attend()
        self.ops.append(["end"])
        for sequence, count in zip(chosen, counts):
            self.lengths[sequence] += count
        return None

    def count(self):
        if self.config["chunk"] > 1000:
            return self.random.choice([1, 2, 15, 16, 17, 500, 1008, 1023, 1024, 1025, 1040])
        return self.random.choice([1, 2, 3, 4, 5, 7, 8, 9])

    def attend(self, kinds=None):
        for layer in range(len(self.config["kinds"])):
            kind, seed = self.config["kinds"][layer], self.random.randrange(1000)
            if kind == 1:
                self.ops.append(["append_mla", layer, seed])
                for call in self.random.sample(["self", "cross", "merge"], 3):
                    self.ops.append([call, layer, seed])
                continue
            draw = self.random.random()
            call = "attend" if draw < 0.85 else self.random.choice(["self", "cross", "shared"])
            self.ops.append([call, layer, seed])
        if self.random.random() < 0.2:
            self.ops.append(["positions"])

    def verify(self, chosen):
        sizes = [self.random.randint(1, 6) for _ in chosen]
        parents = []
        for size in sizes:
            parents += [-1] + [self.random.randrange(node) for node in range(1, size)]
        self.ops.append(["begin", chosen, sizes, parents])
        self.attend()
        self.ops.append(["end"])
        leaves = [self.random.choice([-1, self.random.randrange(size)]) for size in sizes]
        if self.random.random() < 0.9:
            self.ops.append(["commit", chosen, leaves])
        for sequence in chosen:
            self.lengths[sequence] += 1

    def transfer(self, sequence):
        if self.random.random() < 0.5:
            self.ops.append(["receive", sequence, self.random.randint(1, 8)])
        else:
            start = self.random.randint(0, 4)
            self.ops.append(["send", sequence, start, [1, self.random.randint(0, 9), 12], 1])
            self.ops.append(["begin", [sequence], [self.random.randint(1, 6)]])
            self.attend()
            self.ops.append(["end"])

    def fork(self):
        if self.lengths:
            parent = self.random.choice(list(self.lengths))
            child = max(self.lengths) + 1
            at = self.random.choice([-1, -1, self.random.randint(0, self.lengths[parent] + 1)])
            self.ops.append(["fork", parent, child, at])
            self.lengths[child] = self.lengths[parent] if at < 0 else at

    def popn(self):
        if self.lengths:
            sequence = self.random.choice(list(self.lengths))
            count = self.random.randint(0, self.lengths[sequence] + 1)
            self.ops.append(["popn", sequence, count])
            self.lengths[sequence] = max(self.lengths[sequence] - count, 0)

    def remove(self):
        if self.lengths:
            sequence = self.random.choice(list(self.lengths))
            self.ops.append(["remove", sequence])
            del self.lengths[sequence]

    def clear(self):
        if self.random.random() < 0.3:
            self.ops.append(["clear"])
            self.lengths.clear()

    def slide(self):
        if self.lengths:
            self.ops.append(["slide", self.random.choice(list(self.lengths)),
                             self.random.choice([-1, 4, 8]), self.random.choice([0, 2, 9])])

    def look(self):
        self.ops.append(["look"])
        for sequence, length in list(self.lengths.items())[:2]:
            if length and self.random.random() < 0.5:
                start = self.random.randrange(length)
                call = "kv_mla" if self.config["kinds"][0] == 1 else "kv"
                self.ops.append([call, sequence, start, length])

    def wrong(self):
        self.ops.append(self.random.choice([
            ["add", 0], ["remove", 99], ["popn", 99, 1], ["fork", 99, 100, -1],
            ["begin", [99], [1]], ["begin", [0], [1, 1]], ["end"], ["attend", 9, 1],
            ["attend", -1, 1], ["popn", 0, -1], ["commit", [0], [0]], ["begin", [0, 0], [1, 1]],
            ["positions"], ["kv", 99, 0, 1], ["kv", 0, 3, 2], ["slide", 99, 4, 0],
            ["begin", [0], [0]], ["begin", [0], [2], [-1, 5]], ["begin", [0], [2], [0]],
            ["receive", 0, 2], ["send", 0, 0, [1, 0, 4], 1], ["shared", 0, 3]]))


def simpler(config):
    """Configurations that say less, for shrinking."""
    if len(config["kinds"]) > 1:
        for kept in sorted(set(config["kinds"])):
            yield {**config, "kinds": [kept]}
        yield {**config, "kinds": config["kinds"][:-1]}
    for key, plain in (("seqs", 1), ("heads", 1), ("rope", 0), ("ext", False), ("begin", 0),
                       ("dtype", "float32"), ("theta", 10000.0), ("real", False), ("page", 16),
                       ("capacity", 64), ("chunk", 40), ("window", None), ("merges", 2)):
        if config[key] != plain:
            yield {**config, key: plain}


def simpler_op(op):
    """Operations that ask for less."""
    if op[0] == "begin" and len(op) == 3:
        for index, count in enumerate(op[2]):
            for less in sorted({1, 2, count // 2, count - 16, count - 1} - {count}):
                if 0 < less < count:
                    yield ["begin", op[1], op[2][:index] + [less] + op[2][index + 1:]]
        for index in range(len(op[1]) if len(op[1]) > 1 else 0):
            yield ["begin", op[1][:index] + op[1][index + 1:], op[2][:index] + op[2][index + 1:]]


class Subject:
    """A cache made of recording kernels, and the operations of a schedule on it."""

    def __init__(self, world, calls, config):
        from kernels import Kernels

        self.world, self.config = world, config
        self.total = 0
        kernels = Kernels(calls, config["real"])
        if config["transfer"]:
            offer_transfer(world, kernels)
        self.cache = world.builtin("vm.builtin.paged_attention_kv_cache_create")(
            *self.arguments(kernels))

    def tuple(self, kernels, name, *more):
        """One kernel as the constructor takes it: its tag, its function, and what the tag asks for."""
        tag, plan = self.config["tag"], self.config["plan"]
        if tag == "flashinfer" and name in ("ragged_prefill", "prefill", "decode", "mla_prefill"):
            def answer():
                return self.world.shape([1, 2]) if plan == "shape" else [1, 2]
            return [tag, kernels.foreign(f"flashinfer_{name}"),
                    kernels.foreign(f"flashinfer_{name}_plan", answer), *more]
        return ["tirx" if tag == "flashinfer" else tag, kernels.kernel(name)]

    def arguments(self, kernels):
        config, world = self.config, self.world
        sizes = [config["seqs"], config["capacity"], config["chunk"], config["page"],
                 config["sliding"]]
        if config["window"] is not None:
            sizes.append(config["window"])
        layers = len(config["kinds"])
        ext = world.tensor(np.ones(2, "float32")) if config["ext"] else 0
        ragged = [4, 4] if config["ragged"] == 5 else []
        arguments = [
            world.shape(sizes), world.shape([config["begin"], config["begin"] + layers]),
            config["heads"], config["kv_heads"], config["qk"], config["v"],
            world.shape([0] * config["begin"] + config["kinds"]), bool(config["transfer"]),
            config["rope"], config["scale"], config["theta"], ext,
            world.tensor(np.zeros(1, config["dtype"])),
            kernels.kernel("append"), kernels.kernel("append_mla"),
            self.tuple(kernels, "ragged_prefill", *ragged), self.tuple(kernels, "prefill"),
            self.tuple(kernels, "decode"),
            ["tirx", kernels.kernel("prefill_sliding")], ["tirx", kernels.kernel("decode_sliding")],
            ["tirx", kernels.kernel("tree_paged")], ["tirx", kernels.kernel("tree_ragged")],
            self.tuple(kernels, "mla_prefill") if 1 in config["kinds"] else [],
            [kernels.kernel("merge"), kernels.kernel("merge_apart")][: config["merges"]],
            kernels.kernel("split_rotary"), kernels.kernel("copy_page"),
            kernels.kernel("debug_get_kv"), kernels.kernel("compact"),
        ]
        return arguments[:config["extra"]] if config["extra"] < 0 \
            else arguments + [0] * config["extra"]

    def data(self, seed, rows, heads, width):
        values = np.random.default_rng(seed).standard_normal((rows, heads, width))
        return self.world.tensor(values.astype(self.config["dtype"]))

    def out(self, rows, heads, width):
        return self.world.tensor(np.zeros((rows, heads, width), self.config["dtype"]))

    def step(self, op):
        return getattr(self, "do_" + op[0])(*op[1:])

    def call(self, name, *arguments):
        return self.world.builtin(name)(self.cache, *arguments)

    def do_add(self, sequence):
        return self.call("vm.builtin.kv_state_add_sequence", sequence)

    def do_remove(self, sequence):
        return self.call("vm.builtin.kv_state_remove_sequence", sequence)

    def do_clear(self):
        return self.call("vm.builtin.kv_state_clear")

    def do_fork(self, parent, child, at):
        return self.call("vm.builtin.kv_state_fork_sequence", parent, child, at)

    def do_popn(self, sequence, count):
        return self.call("vm.builtin.kv_state_popn", sequence, count)

    def do_slide(self, sequence, window, sink):
        return self.call(PREFIX + "enable_sliding_window_for_seq", sequence, window, sink)

    def do_begin(self, sequences, counts, parents=None):
        self.total = 0
        more = [] if parents is None else [self.world.shape(parents)]
        self.call("vm.builtin.kv_state_begin_forward", self.world.shape(sequences),
                  self.world.shape(counts), *more)
        self.total = sum(counts)

    def do_end(self):
        return self.call("vm.builtin.kv_state_end_forward")

    def do_attend(self, layer, seed):
        heads, kv, width = (self.config[k] for k in ("heads", "kv_heads", "qk"))
        out = self.out(self.total, heads, width)
        self.call(PREFIX + "attention_with_fused_qkv", layer, 0.5,
                  self.data(seed, self.total, heads + 2 * kv, width), out)
        return out

    def do_self(self, layer, seed):
        heads, kv = self.config["heads"], self.config["kv_heads"]
        width, height = self.config["qk"], self.config["v"]
        out, lse = self.out(self.total, heads, height), self.world.tensor(
            np.zeros((self.total, heads), "float32"))
        self.call(PREFIX + "self_attention", layer, 0.5, self.data(seed, self.total, heads, width),
                  self.data(seed + 1, self.total, kv, width),
                  self.data(seed + 2, self.total, kv, height), out, lse)
        return [out, lse]

    def do_cross(self, layer, seed):
        heads = self.config["heads"]
        out, lse = self.out(self.total, heads, self.config["v"]), self.world.tensor(
            np.zeros((self.total, heads), "float32"))
        self.call(PREFIX + "cross_attention", layer, 0.5,
                  self.data(seed, self.total, heads, self.config["qk"]), out, lse)
        return [out, lse]

    def do_shared(self, layer, seed):
        heads, kv, width = (self.config[k] for k in ("heads", "kv_heads", "qk"))
        out = self.out(self.total, heads, width)
        self.call(PREFIX + "attention_with_shared_kv", layer, 0.5,
                  self.data(seed, self.total, heads, width),
                  self.data(seed + 1, self.total, kv, width),
                  self.data(seed + 2, self.total, kv, width), out)
        return out

    def do_append_mla(self, layer, seed):
        values = np.random.default_rng(seed).standard_normal((self.total, self.config["qk"]))
        self.call(PREFIX + "append_mla_kv", layer,
                  self.world.tensor(values.astype(self.config["dtype"])))

    def do_merge(self, _layer, seed):
        heads, height = self.config["heads"], self.config["v"]
        rows = max(self.total, 1)
        lse = [self.world.tensor(np.full((rows, heads), x, "float32")) for x in (0.5, 1.0)]
        outs = [self.data(seed, rows, heads, height), self.data(seed + 1, rows, heads, height)]
        return self.call(PREFIX + "merge_attn_output_inplace", outs[0], lse[0], outs[1], lse[1])

    def do_commit(self, sequences, leaves):
        return self.call(PREFIX + "commit_accepted_token_tree_nodes", self.world.shape(sequences),
                         self.world.shape(leaves))

    def do_positions(self):
        return self.call(PREFIX + "get_query_positions")

    def do_look(self):
        return [self.call(PREFIX + "empty"), self.call(PREFIX + "get_num_available_pages"),
                self.call(PREFIX + "get_total_sequence_length")]

    def do_kv(self, sequence, start, stop):
        size = (len(self.config["kinds"]), stop - start, self.config["kv_heads"],
                self.config["qk"])
        made = [self.world.tensor(np.zeros(size if stop > start else (1, 1, 1, 1),
                                           self.config["dtype"])) for _ in "kv"]
        self.call(PREFIX + "debug_get_kv", sequence, start, stop, *made)
        return made

    def do_kv_mla(self, sequence, start, stop):
        size = (len(self.config["kinds"]), stop - start, self.config["qk"])
        made = self.world.tensor(np.zeros(size, self.config["dtype"]))
        self.call(PREFIX + "debug_get_kv_mla", sequence, start, stop, made)
        return made

    def do_receive(self, sequence, count):
        return self.call("vm.builtin.kv_cache_disagg_prepare_recv", sequence, count)

    def do_send(self, sequence, start, remote, receiver):
        return self.call("vm.builtin.kv_cache_disagg_mark_send", sequence, start,
                         self.world.shape(remote), receiver)


def offer_transfer(world, kernels):
    """What NVSHMEM builds register, as recorders: memory of this process stands for shared memory."""
    import tvm_ffi

    def empty(shape, dtype, _device):
        return world.tensor(np.zeros([int(d) for d in shape], str(dtype)))

    def register(name, function):
        tvm_ffi.register_global_func(name, function, override=True)

    register("runtime.disco.nvshmem.init_nvshmem", lambda *_: None)
    register("runtime.disco.nvshmem.empty", empty)
    register("nvshmem.KVTransfer", kernels.foreign("transfer"))
    register("nvshmem.KVTransferPageToPage", kernels.foreign("transfer_pages"))
