"""A small reader and writer of module blobs and VM executables, used to make the
synthetic variants. Independent of the Rust code; the two are compared in tests.

Containers (`Blob`): "tree-first" (since 0.22) and "count-first" (before).
Executables (`Executable`): magic V1 and V2, three tables of constant codes.
Values are kept as bytes where nothing needs to look inside.
"""

import struct
from dataclasses import dataclass, field

MAGIC = {1: 0xD225DE2F4214151D, 2: 0xD225DE2F4214151E}
CODES = {  # constant kind -> code, per generation
    "classic": {"tensor": 0, "dtype": 1, "shape": 2, "string": 3, "int": 4, "float": 5},
    "0.21": {"tensor": 72, "dtype": 5, "shape": 71, "string": 65, "int": 1, "float": 3},
    "current": {"tensor": 70, "dtype": 5, "shape": 69, "string": 65, "int": 1, "float": 3},
}
OPCODE_LENGTH = {2: 2, 3: 2, 4: 3}  # Ret, Goto, If; Call carries its own count
CALL = 1


class Reader:
    def __init__(self, data: bytes):
        self.data, self.at = data, 0

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.data):
            raise ValueError(f"{count} bytes wanted at {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count:self.at]

    def unpack(self, form: str):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))[0]

    def u64(self):
        return self.unpack("Q")

    def string(self) -> bytes:
        return self.take(self.u64())

    def i64s(self) -> list[int]:
        count = self.u64()
        return list(struct.unpack(f"<{count}q", self.take(8 * count)))


def u64(value):
    return struct.pack("<Q", value)


def string(value: bytes):
    return u64(len(value)) + value


def i64s(values):
    return u64(len(values)) + struct.pack(f"<{len(values)}q", *values)


@dataclass
class Function:
    kind: int
    name: bytes
    start: int
    end: int
    num_args: int
    registers: int
    params: list

    @classmethod
    def read(cls, r: Reader):
        kind, name = r.unpack("i"), r.string()
        numbers = [r.unpack("q") for _ in range(4)]
        return cls(kind, name, *numbers, [r.string() for _ in range(r.u64())])

    def write(self) -> bytes:
        numbers = struct.pack("<4q", self.start, self.end, self.num_args, self.registers)
        return (struct.pack("<i", self.kind) + string(self.name) + numbers
                + u64(len(self.params)) + b"".join(map(string, self.params)))


def read_tensor(r: Reader) -> bytes:
    begin = r.at
    r.take(8 + 8 + 4 + 4)  # magic, reserved, device type and id
    ndim = r.unpack("i")
    r.take(4 + 8 * ndim)
    r.take(r.unpack("q"))
    return r.data[begin:r.at]


@dataclass
class Executable:
    magic: int
    version: bytes
    functions: list
    scopes: list
    constants: list  # (kind, value): bytes for string, tensor and dtype; list, int, float
    code: list  # one list of words per instruction
    codes: str = "current"
    extra: dict = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes, codes: str = "current"):
        r = Reader(data)
        magic = {v: k for k, v in MAGIC.items()}[r.u64()]
        version = r.string()
        functions = [Function.read(r) for _ in range(r.u64())]
        scopes = [(r.unpack("q"), r.string()) for _ in range(r.u64())] if magic == 2 else []
        names = {v: k for k, v in CODES[codes].items()}
        readers = {"tensor": lambda: read_tensor(r), "dtype": lambda: r.take(4),
                   "shape": r.i64s, "string": r.string, "int": lambda: r.unpack("q"),
                   "float": lambda: r.unpack("d")}
        constants = []
        for _ in range(r.u64()):
            kind = names[r.unpack("i")]
            constants.append((kind, readers[kind]()))
        offsets, words = r.i64s(), r.i64s()
        if r.at != len(data):
            raise ValueError(f"{len(data) - r.at} bytes left over")
        ends = offsets[1:] + [len(words)]
        code = [words[a:b] for a, b in zip(offsets, ends)]
        return cls(magic, version, functions, scopes, constants, code, codes)

    def write(self) -> bytes:
        out = u64(MAGIC[self.magic]) + string(self.version)
        out += u64(len(self.functions)) + b"".join(f.write() for f in self.functions)
        if self.magic == 2:
            out += u64(len(self.scopes))
            out += b"".join(struct.pack("<q", i) + string(s) for i, s in self.scopes)
        writers = {"tensor": bytes, "dtype": bytes, "shape": i64s, "string": string,
                   "int": lambda v: struct.pack("<q", v), "float": lambda v: struct.pack("<d", v)}
        out += u64(len(self.constants))
        for kind, value in self.constants:
            code = self.extra.get("code", {}).get(kind, CODES[self.codes][kind])
            out += struct.pack("<i", code) + writers[kind](value)
        offsets, at = [], 0
        for words in self.code:
            offsets.append(at)
            at += len(words)
        return out + i64s(offsets) + i64s([w for words in self.code for w in words])

    def calls(self, name: bytes):
        """Every call instruction of the packed function `name`, to be changed in place."""
        index = next(i for i, f in enumerate(self.functions) if f.name == name)
        return [words for words in self.code if words[0] == CALL and words[2] == index]


@dataclass
class Blob:
    layout: str
    indptr: list
    children: list
    modules: list  # (kind, payload); payload None for _lib

    @classmethod
    def read(cls, data: bytes):
        """A tree-first blob, beginning with its length."""
        r = Reader(data)
        total = r.u64()
        if total != len(data) - 8:
            raise ValueError(f"length says {total}, there are {len(data) - 8} bytes")
        indptr, children = r.i64s(), r.i64s()
        modules = []
        for _ in range(len(indptr) - 1):
            kind = r.string()
            modules.append((kind, None if kind == b"_lib" else r.string()))
        if r.at != len(data):
            raise ValueError("bytes left over after the last module")
        return cls("tree-first", indptr, children, modules)

    def write(self) -> bytes:
        tree = i64s(self.indptr) + i64s(self.children)
        if self.layout == "tree-first":
            body = tree
        else:
            body = u64(len(self.modules) + 1)
        for kind, payload in self.modules:
            body += string(kind)
            if payload is None:
                continue
            own_length = self.layout == "tree-first" or kind.startswith(b"relax.")
            body += string(payload) if own_length else payload
        if self.layout == "count-first":
            body += string(b"_import_tree") + tree
        return u64(len(body)) + body

    def executable(self, codes="current") -> Executable:
        return Executable.read(self.modules[0][1], codes)

    def with_executable(self, executable: Executable, kind=None):
        old_kind = self.modules[0][0]
        return Blob(self.layout, self.indptr, self.children,
                    [(kind or old_kind, executable.write()), *self.modules[1:]])
