"""Calls of single functions: a schedule is a list of [name, argument...].

An argument is a plain value or one of

    {"tensor": [shape], "dtype": "float32", "seed": 1, "as": "normal" | "prob" | "ids:N" | "zeros"}
    {"view": argument, "skip": bytes}  a tensor whose memory starts later
    {"ints": [..], "dtype": "int64"}   a tensor of these numbers
    {"shape": [..]}   {"tuple": [argument...]}   {"type": "float16"}
    {"result": index}                  what an earlier call returned
    {"function": "name"}               a recording function
"""

import numpy as np


def tensor(shape, dtype="float32", seed=0, how="normal"):
    return {"tensor": list(shape), "dtype": dtype, "seed": seed, "as": how}


class Subject:
    """Results of calls are kept, so that later calls can use them."""

    def __init__(self, world, calls, config):
        self.world, self.calls, self.config, self.results = world, calls, config, []

    def step(self, op):
        self.results.append(None)
        made = [self.value(a) for a in op[1:]]
        answer = self.world.builtin(op[0])(*made)
        self.results[-1] = answer
        # What a call writes to is an answer too.
        written = [m for a, m in zip(op[1:], made)
                   if isinstance(a, dict) and ("tensor" in a or "ints" in a or "view" in a)]
        return [answer, written]

    def value(self, a):
        if not isinstance(a, dict):
            return a
        if "tensor" in a:
            return self.world.tensor(filled(a))
        if "ints" in a:
            return self.world.tensor(np.array(a["ints"], a.get("dtype", "int64")))
        if "view" in a:
            return self.world.tensor(filled(a["view"])[a["skip"]:])
        if "shape" in a:
            return self.world.shape(a["shape"])
        if "tuple" in a:
            return [self.value(v) for v in a["tuple"]]
        if "type" in a:
            import tvm_ffi
            return tvm_ffi.dtype(a["type"])
        if "function" in a:
            return self.function(a["function"])
        return self.results[a["result"]] if a["result"] < len(self.results) else None

    def function(self, name):
        import tvm_ffi

        def run(*arguments):
            self.calls.append([name, {str(i): self.world.show(v)
                                      for i, v in enumerate(arguments)}])
            return len(arguments)

        return tvm_ffi.convert(run)


def filled(a):
    source = np.random.default_rng(a["seed"])
    size, how = a["tensor"], a["as"]
    if how == "zeros":
        values = np.zeros(size)
    elif how == "prob":
        values = np.exp(3 * source.standard_normal(size))
        values = values / values.sum(axis=-1, keepdims=True)
    elif how == "uniform":
        values = source.random(size)
    elif how.startswith("ids:"):
        values = source.integers(0, int(how[4:]), size)
    else:
        values = 3 * source.standard_normal(size)
    return np.asarray(values).astype(a["dtype"])


def simpler(_config):
    return ()


def simpler_op(op):
    """Plain numbers nearer to zero, shapes with fewer dimensions."""
    for index, value in enumerate(op):
        if index and isinstance(value, (int, float)) and not isinstance(value, bool) and value:
            yield op[:index] + [type(value)(0)] + op[index + 1:]
        if isinstance(value, dict) and len(value.get("shape", [])) > 1:
            yield op[:index] + [{"shape": value["shape"][1:]}] + op[index + 1:]


COUNTED = ("vm.builtin.make_shape", "vm.builtin.match_shape")  # they read as many as they are told


def muddled(random, op):
    """Now and then a call that should be refused: an argument too few, too many or of another kind."""
    draw = random.random()
    if draw > 0.12 or len(op) == 1 or op[0] in COUNTED:
        return op
    if draw < 0.04:
        return op[:-1]
    if draw < 0.07:
        return [*op, 1]
    index = random.randrange(1, len(op))
    other = random.choice([-1, 2, 0.5, True, "text", {"shape": [2, 3]}, {"tuple": [1, 2]},
                           tensor([2, 2]), {"ints": [1, 2]}, {"type": "float32"}])
    if random.random() < 0.02:
        other = None  # null ends the process in many places, on every release
    return [*op[:index], other, *op[index + 1:]]
