"""Makes a tree of model libraries with large constants, for the bench of docs/performance.md.

model_tree.py FOLDER [MEGABYTES]

Libraries of the corpus, each with one more constant in the pool of its program: a
tensor of random floats, as weights are that were folded into the code. Three of four
files are wasm modules; every fourth is a system library, a packed tar with an object
that the C compiler makes (`cc`, or what `CC` names). The files are new bytes each time
and for a scan alone: nothing that was linked against the old addresses was changed.
"""

import io
import os
import random
import struct
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "..", "corpus", "artifacts")
SOURCES = ["tvm-0.25/embedding-webgpu.wasm", "tvm-0.27/embedding-webgpu.wasm"]
MAGIC_TAIL = bytes.fromhex("1514422fde25d2")
TENSOR = 0xDD5E40F096B4A13F
SIZES = [3, 6, 12, 24]
MEGA = 1 << 20


def u64(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def to_leb(value):
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def data_section(module):
    """Start of the section, of its only segment's length field and contents, and the end."""
    at = 8
    while True:
        start, section = at, module[at]
        size, body = leb(module, at + 1)
        at = body + size
        if section == 11:
            count, inside = leb(module, body)
            assert (count, module[inside], module[inside + 1]) == (1, 0, 0x41)
            _, inside = leb(module, inside + 2)
            length_at = inside + 1
            _, contents = leb(module, length_at)
            return start, body, length_at, contents, at


def text(data, at):
    return at + 8 + u64(data, at)


def end_of_constants(data, at):
    """Where the pool's count stands, and where its last entry ends."""
    version_two = data[at] == 0x1E
    at = text(data, at + 8)
    count, at = u64(data, at), at + 8
    for _ in range(count):
        at = text(data, at + 4) + 32
        names, at = u64(data, at), at + 8
        for _ in range(names):
            at = text(data, at)
    if version_two:
        count, at = u64(data, at), at + 8
        for _ in range(count):
            at = text(data, at + 8)
    count_at, count, at = at, u64(data, at), at + 8
    for _ in range(count):
        code, at = struct.unpack_from("<i", data, at)[0], at + 4
        if code in (1, 3):
            at += 8
        elif code == 5:
            at += 4
        elif code == 65:
            at = text(data, at)
        elif code == 69:
            at += 8 + 8 * u64(data, at)
        elif code == 70:
            rank = struct.unpack_from("<i", data, at + 24)[0]
            at += 32 + 8 * rank
            at += 8 + u64(data, at)
        else:
            raise ValueError(f"constant code {code}")
    return count_at, at


def blob_before(data, magic):
    """Where the blob begins whose executable begins at `magic`."""
    for start in range(magic - 32, max(0, magic - 65536), -1):
        length, rows = u64(data, start), u64(data, start + 8)
        ends_inside = magic < start + 8 + length <= len(data)
        if ends_inside and 1 < rows < 64 and u64(data, start + 16) == 0:
            return start
    raise ValueError("no blob")


def with_constant(memory, floats):
    """The memory of a module with one more constant; where the blob is in it."""
    magic = memory.index(MAGIC_TAIL) - 1
    blob = blob_before(memory, magic)
    count_at, end = end_of_constants(memory, magic)
    head = struct.pack("<iQQiiiBBHqq", 70, TENSOR, 0, 1, 0, 1, 2, 32, 1, len(floats) // 4, len(floats))
    constant = head + floats
    out = bytearray(memory[:end]) + constant + memory[end:]
    for at, more in ((blob, len(constant)), (magic - 8, len(constant)), (count_at, 1)):
        struct.pack_into("<Q", out, at, u64(out, at) + more)
    return bytes(out), blob, u64(out, blob) + 8


def wasm(module, memory):
    start, body, length_at, _, end = data_section(module)
    section = module[body:length_at] + to_leb(len(memory)) + memory
    return module[:start] + b"\x0b" + to_leb(len(section)) + section + module[end:]


def system_library(blob, name):
    """A packed tar with the object of a system library called `name`."""
    with tempfile.TemporaryDirectory() as folder:
        path = lambda file: os.path.join(folder, file)
        with open(path("blob"), "wb") as file:
            file.write(blob)
        with open(path("devc.S"), "w") as file:
            symbol = f"{name}___tvm_ffi__library_bin"
            file.write(f'.section .rodata\n.globl {symbol}\n.balign 8\n{symbol}:\n.incbin "{path("blob")}"\n')
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-c", path("devc.S"), "-o", path("devc.o")], check=True)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
            archive.add(path("devc.o"), f"{name}_devc.o")
        return packed.getvalue()


def main():
    folder = sys.argv[1]
    left = (int(sys.argv[2]) if len(sys.argv) > 2 else 600) * MEGA
    os.makedirs(folder, exist_ok=True)
    modules = []
    for source in SOURCES:
        with open(os.path.join(CORPUS, source), "rb") as file:
            modules.append(file.read())
    numbers = random.Random(1)
    number = 0
    while left > 0:
        module = modules[number % len(modules)]
        floats = numbers.randbytes(SIZES[number // 2 % len(SIZES)] * MEGA)
        _, _, _, contents, end = data_section(module)
        memory, blob, length = with_constant(module[contents:end], floats)
        if number % 4 == 3:
            name, made = f"model{number}.tar", system_library(memory[blob : blob + length], f"m{number}")
        else:
            name, made = f"model{number}.wasm", wasm(module, memory)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(made)
        left -= len(made)
        number += 1
    print(f"{number} files")


main()
