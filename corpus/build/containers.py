"""Containers that the toolchain here does not write: `ar`, plain tar with AppleDouble
members, fat Mach-O, wasm with a split data segment, and files that are no artifacts.

Each is written by the code below from real pieces of the corpus.
"""

import io
import struct
import tarfile
import tempfile
from pathlib import Path

ZEROS_WORTH_A_SPLIT = 16


def ar(members: dict) -> bytes:
    """A System V archive without a symbol table; long names in the `//` member."""
    names, table = {}, b""
    for name in members:
        if len(name) > 15:
            names[name] = f"/{len(table)}"
            table += name.encode() + b"/\n"
        else:
            names[name] = name + "/"
    out = b"!<arch>\n"

    def member(header_name, data):
        header = f"{header_name:<16}{0:<12}{0:<6}{0:<6}{'644':<8}{len(data):<10}`\n"
        return header.encode() + data + b"\n" * (len(data) % 2)

    if table:
        out += member("//", table)
    return out + b"".join(member(names[n], d) for n, d in members.items())


def tar(members: dict) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return raw.getvalue()


def apple_double() -> bytes:
    """A 163-byte AppleDouble header as macOS puts beside files in its tars."""
    head = struct.pack(">II16sH", 0x00051607, 0x00020000, b"Mac OS X        ", 2)
    head += struct.pack(">III", 9, 50, 113) + struct.pack(">III", 2, 163, 0)
    return head.ljust(163, b"\0")


def fat(slices) -> bytes:
    """A universal binary of (cpu type, cpu subtype, thin Mach-O), each 16 KiB aligned."""
    out = struct.pack(">II", 0xCAFEBABE, len(slices))
    at, body = 1 << 14, b""
    for cpu, subtype, data in slices:
        out += struct.pack(">IIIII", cpu, subtype, at + len(body), len(data), 14)
        body += data + b"\0" * (-len(data) % (1 << 14))
    return out.ljust(1 << 14, b"\0") + body


def leb(value: int) -> bytes:
    out = b""
    while True:
        byte, value = value & 0x7F, value >> 7
        out += bytes([byte | (0x80 if value else 0)])
        if not value:
            return out


def sleb(value: int) -> bytes:
    out = b""
    while True:
        byte, value = value & 0x7F, value >> 7
        done = (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40)
        out += bytes([byte | (0 if done else 0x80)])
        if done:
            return out


def read_leb(data: bytes, at: int, signed=False):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (value - (1 << shift) if signed and byte & 0x40 else value), at


def runs(data: bytes):
    """(offset, bytes) pieces of `data` without its long runs of zeros."""
    at = 0
    gap = bytes(ZEROS_WORTH_A_SPLIT)
    while at < len(data):
        end = data.find(gap, at)
        end = len(data) if end < 0 else end
        if end > at:
            yield at, data[at:end]
        at = end
        while at < len(data) and data[at] == 0:
            at += 1


def split_wasm(module: bytes) -> bytes:
    """Every active data segment cut at its zero runs, as wasm-opt's memory packing does."""
    out, at = module[:8], 8
    while at < len(module):
        section = module[at]
        size, body = read_leb(module, at + 1)
        content, at = module[body:body + size], body + size
        if section == 12:  # DataCount: rewritten below would need the order; it may be absent
            continue
        if section == 11:
            content = _split_segments(content)
        out += bytes([section]) + leb(len(content)) + content
    return out


def _split_segments(content: bytes) -> bytes:
    count, at = read_leb(content, 0)
    pieces = []
    for _ in range(count):
        mode, at = read_leb(content, at)
        if mode != 0 or content[at] != 0x41:  # active, memory 0, i32.const
            raise ValueError("a data segment of another form")
        offset, at = read_leb(content, at + 1, signed=True)
        at += 1  # end
        size, at = read_leb(content, at)
        data, at = content[at:at + size], at + size
        pieces += [(offset + o, d) for o, d in runs(data)]
    segments = b"".join(b"\0\x41" + sleb(o) + b"\x0b" + leb(len(d)) + d for o, d in pieces)
    return leb(len(pieces)) + segments


def thin_x86_64(artifacts: Path) -> bytes:
    """The extcall library for x86-64 macOS, only to have a second slice."""
    from build import compile_job

    with tempfile.TemporaryDirectory() as folder:
        path = "extcall.dylib"
        _, error = compile_job((path, "0.27", "extcall", "float32", "cpu-macos-x86_64", "checked"),
                               Path(folder))
        if error:
            raise SystemExit(error)
        return (Path(folder) / path).read_bytes()


def make(out: Path, artifacts: Path, objects: dict) -> None:
    with tarfile.open(artifacts / "tvm-0.25" / "extcall-cpu-ios.tar") as archive:
        ios = {m.name: archive.extractfile(m).read() for m in archive.getmembers()}
    (out / "extcall-0.25-ios.a").write_bytes(ar(ios))
    doubled = {}
    for name, data in ios.items():
        doubled |= {f"./._{name}": apple_double(), f"./{name}": data}
    (out / "extcall-0.25-ios-appledouble.tar").write_bytes(tar(doubled))
    (name,) = (n for n in objects if n.endswith("devc.o"))
    (out / "extcall-0.27-devc.o").write_bytes(objects[name])
    arm = (artifacts / "tvm-0.27" / "extcall-cpu-macos-arm64.dylib").read_bytes()
    (out / "extcall-0.27-universal.dylib").write_bytes(
        fat([(0x0100000C, 0, arm), (0x01000007, 3, thin_x86_64(artifacts))]))
    wasm = (artifacts / "tvm-0.25" / "embedding-webgpu.wasm").read_bytes()
    (out / "embedding-0.25-webgpu-split.wasm").write_bytes(split_wasm(wasm))
    whole = (artifacts / "tvm-0.27" / "extcall-cpu-x86_64.so").read_bytes()
    (out / "extcall-0.27-truncated-cpu-x86_64.so").write_bytes(whole[:len(whole) // 2])
    (out / "git-lfs-pointer.so").write_text(
        "version https://git-lfs.github.com/spec/v1\n"
        "oid sha256:" + "0123456789abcdef" * 4 + "\nsize 123456\n")
    (out / "error-page.so").write_text(
        "<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head>"
        "<body>Not Found</body></html>\n")
    (out / "empty.so").write_bytes(b"")
    (out / "._appledouble.dylib").write_bytes(apple_double())
