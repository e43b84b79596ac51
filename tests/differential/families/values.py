"""Shapes, scalars, tuples, tensors and checks: the builtins between a program's calls."""

from plain_calls import Subject, muddled, simpler, simpler_op, tensor  # noqa: F401

B = "vm.builtin."
TYPES = ["float32", "float16", "int32", "int64", "int8", "uint8", "bool", "float64"]
# Codes of match_shape and make_shape.
NOTHING, STORE, FIXED, LOADED = 0, 1, 2, 3


def generate(random):
    ops = [[B + "alloc_shape_heap", None, random.randint(1, 8)]] if random.random() < 0.002 else []
    for _ in range(random.randint(1, 6)):
        ops.append(muddled(random, random.choice(MAKERS)(random)))
    return {"family": "values", "config": {}, "ops": ops}


def dims(random, most=4):
    return [random.randint(0, 5) if random.random() < 0.1 else random.randint(1, 5)
            for _ in range(random.randint(0, most))]


def data(random):
    size = [max(d, 1) for d in dims(random, 3)]
    return tensor(size, random.choice(TYPES), random.randrange(1000), "ids:7")


def heap(random):
    return {"ints": [random.randint(0, 5) for _ in range(6)], "dtype": "int64"}


def context(random):
    return random.choice(["", "In f: ", None])


def any_value(random):
    return random.choice([data(random), {"shape": dims(random)}, 3, -1, 2.5, True, "text",
                          {"tuple": [1, {"shape": [2]}]}, {"type": "int8"}, {"function": "f"}])


def match_shape(random):
    size = dims(random, 3)
    value = {"shape": size} if random.random() < 0.6 else tensor([max(d, 1) for d in size])
    size = value.get("shape", value.get("tensor"))
    pairs = []
    for d in size:
        code = random.choice([NOTHING, STORE, FIXED, LOADED, 4])
        pairs += [code, d if code == FIXED and random.random() < 0.7 else random.randint(0, 5)]
    count = len(size) if random.random() < 0.9 else len(size) + 1
    return [B + "match_shape", value, heap(random), count, *pairs, context(random)]


def make_shape(random):
    count = random.randint(0, 4)
    pairs = []
    for _ in range(count):
        pairs += [random.choice([0, 1, 1, 2]), random.randint(0, 5)]
    return [B + "make_shape", heap(random), count, *pairs]


def match_scalar(random):
    return [B + "match_prim_value", random.randint(-2, 9), heap(random),
            random.choice([NOTHING, STORE, FIXED, LOADED, 7]), random.randint(0, 5),
            context(random)]


def make_scalar(random):
    return [B + "make_prim_value", heap(random), random.choice([0, 1, 2]), random.randint(0, 5)]


def check_tensor(random):
    wanted = [random.choice([-1, 0, 1, 2, 3])]
    if random.random() < 0.7:
        wanted.append({"type": random.choice([*TYPES, "handle", "bfloat16", "uint1", "int4"])}
                      if random.random() < 0.8 else random.choice([None, "", "void", "float32"]))
    return [B + "check_tensor_info", any_value(random), *wanted, context(random)]


def check_shape(random):
    return [B + "check_shape_info", any_value(random), random.choice([-1, 0, 1, 2]),
            context(random)]


def check_scalar(random):
    kind = random.choice([{"type": random.choice([*TYPES, "handle", "uint1", "uint32",
                                                  "bfloat16"])}, "", "void", None, "int64"])
    return [B + "check_prim_value_info", any_value(random), kind, context(random)]


def check_string(random):
    return [B + "check_string_info", any_value(random), context(random)]


def check_tuple(random):
    return [B + "check_tuple_info", any_value(random), random.choice([0, 1, 2]), context(random)]


def check_function(random):
    return [B + "check_func_info", any_value(random), context(random)]


def reshape(random):
    value = data(random)
    new = random.choice([value["tensor"][::-1], dims(random), [-1], [1, *value["tensor"]]])
    return [B + "reshape", value, {"shape": new}]


def shape_of(random):
    return [B + "shape_of", any_value(random)]


def copy(random):
    return [B + "copy", any_value(random)]


def condition(random):
    kind = random.choice(["bool", "int8", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
                          "int16", "float32"])
    value = random.choice([tensor([], kind, random.randrange(99), "ids:3"),
                           tensor([1], kind, random.randrange(99), "ids:3"), True, 0, 3])
    return [B + "read_if_cond", value]


def to_shape(random):
    kind = random.choice(["int64", "int32", "int8", "uint8", "int16", "float32"])
    size = random.choice([[0], [1], [3], [4], [2, 2]])
    return [B + "tensor_to_shape", tensor(size, kind, random.randrange(99), "ids:90")]


def to_device(random):
    more = random.choice([[], [], ["global"], ["texture"], [""]])
    return [B + "to_device", data(random), random.choice([1, 1, 1, 2]),
            random.choice([0, 0, 1, -1]), *more]


def zero_offset(random):
    kind = random.choice(TYPES)
    return [B + "ensure_zero_offset",
            {"view": tensor([64, 2], kind, 3, "ids:9"), "skip": random.choice([0, 1, 16, 32])}]


def make_tuple(random):
    return [B + "make_tuple", *[any_value(random) for _ in range(random.randint(0, 4))]]


def get_item(random):
    return [B + "tuple_getitem",
            {"tuple": [any_value(random) for _ in range(random.randint(0, 3))]},
            random.choice([0, 0, 1, 2, -1, 9])]


def reset_item(random):
    return [B + "tuple_reset_item",
            {"tuple": [any_value(random) for _ in range(random.randint(1, 3))]},
            random.choice([0, 0, 1, 2, -1])]


def null(_random):
    return [B + "null_value"]


def call_dynamic(random):
    return [B + "call_tir_dyn", {"function": "f"},
            *[data(random) for _ in range(random.randint(0, 2))], {"shape": dims(random)}]


def call_named(random):
    return random.choice([
        [B + "register_py_func", random.choice(["one", "two"]), {"function": "registered"}],
        [B + "get_py_func", random.choice(["one", "two", "none"])],
        [B + "call_py_func", random.choice(["one", "two", "none"]), {"tuple": [data(random), 3]}],
        [B + "call_py_func", "one", data(random)],
        [B + "clear_py_func_registry"]])


def debug_call(random):
    return [B + "invoke_debug_func", None, random.choice(["no.such.function", "vm.builtin.copy"]),
            "line", *[any_value(random) for _ in range(random.randint(0, 2))]]


def closure(random):
    return random.choice([[B + "make_closure", any_value(random), 1],
                          [B + "make_closure", any_value(random)]])


def memory(_random):
    return [B + "memory_manager.clear"]


def storage(random):
    return random.choice([
        [B + "alloc_tensor", any_value(random), 0, {"shape": dims(random)}, {"type": "float32"}],
        ["runtime.TVMTensorAllocWithScope", {"shape": [max(d, 0) for d in dims(random)]},
         {"type": random.choice([*TYPES, "int4", "bfloat16", "uint1", "int3", "float8_e4m3fn"])},
         1, 0, random.choice([None, "global", "x"])],
        ["runtime.TVMTensorCreateView", data(random), {"shape": dims(random)},
         {"type": random.choice(TYPES)}, random.choice([0, 4, 8, 1000])],
        ["runtime.GetDeviceAttr", 1, 0, random.randint(0, 16)],
        ["runtime.GetDeviceAttr", random.choice([2, 8, 7]), 0, 0],
        ["runtime.RuntimeEnabled", random.choice(["cpu", "llvm", "cuda", "rpc", "c", "stackvm"])],
        ["runtime.NumThreads"],
    ])


MAKERS = [match_shape, match_shape, make_shape, make_shape, match_scalar, make_scalar,
          check_tensor, check_tensor, check_tensor, check_shape, check_scalar, check_scalar,
          check_string, check_tuple, check_function, reshape, reshape, shape_of, copy, condition,
          to_shape, to_device, zero_offset, make_tuple, get_item, get_item, reset_item, null,
          call_dynamic, call_named, debug_call, closure, memory, storage, storage]
