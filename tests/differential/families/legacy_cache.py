"""The old, unpaged cache: append, override, view and pop on arrays of caches."""

import plain_calls
from plain_calls import muddled, simpler, simpler_op, tensor  # noqa: F401

B = "vm.builtin.attention_kv_cache_"


def generate(random):
    width, rows = random.randint(1, 3), random.choice([2, 4, 8])
    ops = [[B + "create", tensor([2, width], "float32", 1), {"shape": [rows, width]},
            random.choice([0, 0, 1, 2])]]
    # A window larger than the memory is written past its end, on every release, and one
    # smaller than what it held before is filled from memory before the value's.
    window = random.choice([size for size in (2, 4, 8) if size <= rows])
    cache = {"result": 0}
    for _ in range(random.randint(2, 8)):
        count, seed = random.randint(1, 3), random.randrange(99)
        more = tensor([count, width if random.random() < 0.95 else width + 1], "float32", seed)
        ops.append(muddled(random, random.choice([
            [B + "append", cache, more], [B + "append", cache, more],
            [B + "update", cache, more],
            [B + "view", cache, {"shape": [random.randint(0, 4), width]}],
            [B + "window_override", cache, more, window],
            [B + "window_override_with_sinks", cache, more, window,
             random.choice([0, 1, 2])],
            [B + "array_popn", {"tuple": [cache]}, random.randint(0, 3)],
            [B + "array_clear", {"tuple": [cache]}],
        ])))
        if random.random() < 0.5:
            ops.append([B + "view", cache, {"shape": [random.randint(0, 4), width]}])
    return {"family": "legacy_cache", "config": {}, "ops": ops}


class Subject(plain_calls.Subject):
    """A new cache is cleared behind its first rows: what memory held before is not an answer."""

    def step(self, op):
        answer = super().step(op)
        if op[0] == B + "create" and isinstance(op[2], dict) and "shape" in op[2]:
            whole = self.world.builtin(B + "view")(self.results[-1], self.value(op[2]))
            self.world.array(whole)[max(op[3], 2):] = 0
        return answer
