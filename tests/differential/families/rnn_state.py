"""Recurrent states with history: the getters and setters record what slots they are asked for."""

import numpy as np

SIGNATURE = "state* slots history data*"


def generate(random):
    config = {"layers": random.randint(1, 2), "seqs": random.randint(1, 4),
              "history": random.choice([0, 1, 1, 2, 3, 4]),
              "states": random.choice([[[2]], [[2], [1, 3]]]),
              "dtype": random.choice(["float32", "float16"]), "setters": random.choice([0] * 9 + [1])}
    lengths, ops = {}, []
    for _ in range(random.randint(4, 14)):
        act = random.choice(["add", "turn", "turn", "turn", "turn", "fork", "popn", "popn",
                             "remove", "clear", "look", "wrong"])
        known = list(lengths)
        if act == "add" or not known:
            sequence = max(known, default=-1) + 1
            ops.append(["add", sequence])
            lengths[sequence] = 0
        elif act == "turn":
            chosen = random.sample(known, random.randint(1, len(known)))
            counts = [random.choice([1, 1, 1, 2, 5]) for _ in chosen]
            ops.append(["begin", chosen, counts])
            if random.random() < 0.1:
                ops[-1].append([i for c in counts for i in range(-1, c - 1)])
            for layer in range(config["layers"]):
                for state in range(len(config["states"])):
                    ops.append(["get", layer, state, len(chosen)])
                    ops.append(["set", layer, state, len(chosen), random.randrange(1000)])
            ops.append(["end"])
        elif act == "fork":
            child = max(known) + 1
            ops.append(["fork", random.choice(known), child, random.choice([-1, -1, 0, 1, 2])])
            lengths[child] = 0
        elif act == "popn":
            ops.append(["popn", random.choice(known), random.randint(0, 4)])
        elif act == "remove":
            sequence = random.choice(known)
            ops.append(["remove", sequence])
            del lengths[sequence]
        elif act == "clear" and random.random() < 0.3:
            ops.append(["clear"])
            lengths.clear()
        elif act == "look":
            ops.append(["look", random.randrange(config["layers"]), 0, random.choice(known)])
        elif act == "wrong":
            ops.append(random.choice([["add", 0], ["remove", 99], ["popn", 99, 1], ["end"],
                                      ["fork", 99, 100, -1], ["begin", [99], [1]],
                                      ["begin", [0], [1, 1]], ["get", 0, 0, 1],
                                      ["look", 0, 0, 99]]))
    return {"family": "rnn_state", "config": config, "ops": ops}


def simpler(config):
    for key, plain in (("layers", 1), ("seqs", 1), ("history", 1), ("states", [[2]]),
                       ("dtype", "float32"), ("setters", 0)):
        if config[key] != plain:
            yield {**config, key: plain}


def simpler_op(op):
    if op[0] == "begin" and len(op[1]) > 1:
        yield ["begin", op[1][1:], op[2][1:]]
    if op[0] == "begin" and max(op[2], default=1) > 2:
        yield ["begin", op[1], [min(c, 2) for c in op[2]]]


class Subject:
    def __init__(self, world, calls, config):
        self.world, self.config, self.calls = world, config, calls
        self.begun = False  # before the first beginning the runtime reads memory it never set
        states = [world.tensor(np.full(shape, index + 0.5, config["dtype"]))
                  for index, shape in enumerate(config["states"])]
        self.state = world.builtin("vm.builtin.rnn_state_create")(
            config["layers"], config["seqs"], config["history"],
            [self.kernel("get") for _ in states],
            [self.kernel("set") for _ in states[config["setters"]:]], states)

    def kernel(self, name):
        import tvm_ffi

        def run(*arguments):
            shown = {}
            for label, value in zip(SIGNATURE.split(), arguments):
                hidden = label.endswith("*")
                shown[label.rstrip("*")] = (self.world.outline if hidden else self.world.show)(value)
            self.calls.append([name, {**shown, "count": len(arguments)}])
            state, slots, history, data = map(self.world.array, arguments)
            depth = state.shape[1]
            for row, (slot, at) in enumerate(zip(slots, history)):
                if name == "get":
                    data[row] = state[slot, at]
                else:
                    state[slot, (at + 1) % depth] = data[row]

        return tvm_ffi.convert(run)

    def step(self, op):
        return getattr(self, "do_" + op[0])(*op[1:])

    def call(self, name, *arguments):
        return self.world.builtin("vm.builtin." + name)(self.state, *arguments)

    def do_add(self, sequence):
        return self.call("kv_state_add_sequence", sequence)

    def do_remove(self, sequence):
        return self.call("kv_state_remove_sequence", sequence)

    def do_clear(self):
        return self.call("kv_state_clear")

    def do_fork(self, parent, child, at):
        return self.call("kv_state_fork_sequence", parent, child, at)

    def do_popn(self, sequence, count):
        return self.call("kv_state_popn", sequence, count)

    def do_begin(self, sequences, counts, parents=None):
        more = [] if parents is None else [self.world.shape(parents)]
        self.call("kv_state_begin_forward", self.world.shape(sequences),
                  self.world.shape(counts), *more)
        self.begun = True

    def do_end(self):
        return self.call("kv_state_end_forward") if self.begun else "not begun"

    def do_get(self, layer, state, rows):
        out = self.world.tensor(np.zeros([rows, *self.config["states"][state]],
                                         self.config["dtype"]))
        self.call("rnn_state_get", layer, state, out)
        return out

    def do_set(self, layer, state, rows, seed):
        values = np.random.default_rng(seed).standard_normal(
            [rows, *self.config["states"][state]]).astype(self.config["dtype"])
        self.call("rnn_state_set", layer, state, self.world.tensor(values))

    def do_look(self, layer, state, sequence):
        return self.call("rnn_state_debug_get", layer, state, sequence)
