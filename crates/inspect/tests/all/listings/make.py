"""Writes listings.json: executables made here, with TVM's own listing and statistics.

    for python in <a python with apache-tvm 0.25, 0.26, 0.27>: python make.py
    the first run writes the file, the others check that their TVM says the same

The executables are written byte by byte, independently of artcheck, so that they
hold what no model holds: odd names, every data type, indices out of range.
TVM's statistics throw on a float; such a pool is asked again with a marker
integer (MARKER + its index) in the place of each float.
"""

import json
import random
import struct
import sys
from pathlib import Path

import tvm_ffi
import tvm  # noqa: F401 - registers the loader

OUT = Path(__file__).with_name("listings.json")
MARKER = 7_000_000_000
VOID, VM = 1 << 54, (1 << 54) + 1


def u64(value):
    return struct.pack("<Q", value)


def i64(value):
    return struct.pack("<q", value)


def text(value):
    data = value.encode()
    return u64(len(data)) + data


def function(kind, name, start=0, end=0, args=-2, registers=0, parameters=()):
    return (struct.pack("<i", kind) + text(name) + i64(start) + i64(end) + i64(args)
            + i64(registers) + u64(len(parameters)) + b"".join(map(text, parameters)))


def constant(value):
    kind, body = value
    if kind == "string":
        return struct.pack("<i", 65) + text(body)
    if kind == "int":
        return struct.pack("<iq", 1, body)
    if kind == "float":
        return struct.pack("<id", 3, body)
    if kind == "dtype":
        return struct.pack("<iBBH", 5, *body)
    if kind == "shape":
        return struct.pack("<i", 69) + u64(len(body)) + b"".join(map(i64, body))
    dtype, shape = body
    size = (dtype[1] + 7) // 8
    for extent in shape:
        size *= extent
    return (struct.pack("<iQQiii", 70, 0xDD5E40F096B4A13F, 0, 1, 0, len(shape))
            + struct.pack("<BBH", *dtype) + b"".join(map(i64, shape)) + i64(size)
            + bytes(index % 251 for index in range(size)))


def argument(kind, value):
    return struct.unpack("<q", u64((kind << 56) | (value & ((1 << 56) - 1))))[0]


def executable(magic, functions, constants, instructions, scopes=()):
    offsets, words = [], []
    for instruction in instructions:
        offsets.append(len(words))
        words += instruction
    head = u64(0xD225DE2F4214151C + magic) + text("0.14")
    head += u64(len(functions)) + b"".join(functions)
    if magic == 2:
        head += u64(len(scopes)) + b"".join(i64(at) + text(scope) for at, scope in scopes)
    return (head + u64(len(constants)) + b"".join(map(constant, constants))
            + u64(len(offsets)) + b"".join(map(i64, offsets))
            + u64(len(words)) + b"".join(map(i64, words)))


def every_dtype():
    codes = [0, 1, 2, 3, 4, 6, *range(7, 18)]
    widths = [0, 1, 4, 6, 8, 16, 32, 64, 128, 255]
    lanes = [0, 1, 2, 4, 16, 32767, 32768, 65532, 65534, 65535]
    return [("dtype", (code, width, count)) for code in codes for width in widths for count in lanes]


WORDS = ["a", "main", "vm.builtin.make_tuple", "a_name_of_sixteen", "fifteen_letters",
         "sixteen__letters", "ünïcode", "名前", "with space", "quote\"d", "new\nline", "tab\t", "",
         "percent%d", "back\\slash", "nul\0nul", "x" * 300]


def random_constant(rng):
    kind = rng.choice(["string", "int", "float", "dtype", "shape", "tensor"])
    if kind == "string":
        return kind, rng.choice(WORDS)
    if kind == "int":
        return kind, rng.choice([0, 1, -1, 2**63 - 1, -(2**63), rng.randrange(-10**6, 10**6)])
    if kind == "float":
        return kind, rng.choice([0.0, -0.0, 1.0, 0.1, 1e300, 1e-7, 1e6, 123456789.0, -2.5,
                                 rng.uniform(-1e9, 1e9)])
    if kind == "dtype":
        return kind, (rng.choice([0, 1, 2, 4]), rng.choice([8, 16, 32, 64]), rng.choice([1, 4]))
    if kind == "shape":
        return kind, tuple(rng.randrange(-1, 4) for _ in range(rng.randrange(0, 5)))
    # TVM itself refuses a tensor of two dimensions or more with an extent of 0.
    shape = tuple(rng.randrange(1, 4) for _ in range(rng.randrange(0, 5)))
    return kind, ((2, rng.choice([8, 16, 32]), rng.choice([1, 4])), shape)


def random_argument(rng, functions, constants):
    kind = rng.randrange(0, 5)
    if kind == 4:
        return argument(0, rng.choice([VOID, VM]))
    value = {0: rng.randrange(0, 12), 1: rng.choice([0, 1, -1, 2**55 - 1, -(2**55), 4096]),
             2: rng.randrange(0, constants + 2), 3: rng.randrange(0, functions + 2)}[kind]
    return argument(kind, value)


def random_instruction(rng, functions, constants):
    kind = rng.choice([1, 1, 1, 1, 2, 3, 4])
    if kind == 1:
        count = rng.choice([0, 1, 1, 2, 3, 8])
        destination = rng.choice([VOID, VM, rng.randrange(0, 100)])
        return [1, destination, rng.randrange(0, functions + 1), count,
                *(random_argument(rng, functions, constants) for _ in range(count))]
    if kind == 2:
        return [2, rng.choice([0, 3, VOID, VM])]
    if kind == 3:
        return [3, rng.choice([1, 5, -4])]
    return [4, rng.choice([0, 7]), rng.choice([2, 9])]


def random_case(seed):
    rng = random.Random(seed)
    constants = [random_constant(rng) for _ in range(rng.randrange(0, 9))]
    names = rng.sample(WORDS, rng.randrange(1, 8))
    instructions, functions = [], []
    for name in names:
        kind = rng.choice([0, 1, 1, 2])
        start = len(instructions)
        if kind == 1:
            instructions += [random_instruction(rng, len(names), len(constants))
                             for _ in range(rng.randrange(0, 10))]
            parameters = rng.sample(WORDS, 2)
            functions.append(function(1, name, start, len(instructions), 2, 12, parameters))
        else:
            functions.append(function(kind, name, args=rng.choice([-2, 0, 5])))
    scopes = [(0, "global.texture")] if seed == 5 else []
    return (2 - seed % 2, functions, constants, instructions, scopes)


def cases():
    yield "empty", (2, [], [], [])
    yield "empty V1", (1, [], [], [])
    yield "every data type", (2, [], every_dtype(), [])
    yield "shapes without extents", (2, [], [("shape", ()), ("int", 1), ("shape", ())], [])
    yield "void at the end", (2, [], [("int", 1), ("dtype", (3, 0, 0))], [])
    for seed in range(24):
        yield f"random {seed}", random_case(seed)


def without_floats(constants):
    return [("int", MARKER + at) if kind == "float" else (kind, body)
            for at, (kind, body) in enumerate(constants)]


def main():
    load = tvm_ffi.get_global_func("ffi.Module.load_from_bytes.relax.VMExecutable")
    records = []
    for name, (magic, functions, constants, instructions, *scopes) in cases():
        data = executable(magic, functions, constants, instructions, *scopes)
        twin = executable(magic, functions, without_floats(constants), instructions, *scopes)
        records.append({"name": name, "bytes": data.hex(), "as_text": load(data)["as_text"](),
                        "stats": load(twin)["stats"]()})
    written = json.dumps(records, indent=0, ensure_ascii=True) + "\n"
    if OUT.exists():
        same = OUT.read_text() == written
        print(f"apache-tvm {tvm.__version__}: {'the same' if same else 'DIFFERS'}")
        sys.exit(0 if same else 1)
    OUT.write_text(written)
    print(f"apache-tvm {tvm.__version__}: written")


if __name__ == "__main__":
    main()
