"""Hands real metal payloads, in both orders, to the shim in front of a loader.

    python metal_payload.py SHIM ARTIFACT before|since early|late

No Linux runtime has a metal loader, so a strict reader of one order stands in for
it: it fails on anything but its own order, as the real ones do. It is there before the
shim (early) or comes after it (late). Prints "ok N" with the number of payloads.
"""

import ctypes
import struct
import sys

import tvm  # noqa: F401  loads the runtime
import tvm_ffi


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data), "ran out of bytes"
        self.at += count
        return self.data[self.at - count:self.at]

    def count(self):
        return struct.unpack("<Q", self.take(8))[0]

    def text(self):
        return self.take(self.count())

    def functions(self):
        start = self.at
        for _ in range(self.count()):
            self.text(), self.text()
            self.take(4 * self.count())
            for _ in range(self.count()):
                self.text()
            self.take(4 * self.count())
        return self.data[start:self.at]

    def sources(self):
        start = self.at
        for _ in range(self.count()):
            self.text(), self.text()
        return self.data[start:self.at]


def text(data):
    return struct.pack("<Q", len(data)) + data


def read(data, order):
    r = Reader(data)
    if order == "since":
        parts = {"format": r.text(), "functions": r.functions(), "sources": r.sources()}
    else:
        assert r.text(), "version"
        parts = {"sources": r.sources(), "functions": r.functions(), "format": r.text()}
    assert r.at == len(data), "bytes left over"
    return parts


def write(parts, order):
    if order == "since":
        return text(parts["format"]) + parts["functions"] + parts["sources"]
    return text(b"0.1.0") + parts["sources"] + parts["functions"] + text(parts["format"])


def payloads(artifact):
    """Every metal payload of the artifact's blob: kind, then length and bytes."""
    data = open(artifact, "rb").read()
    key, at = text(b"metal"), 0
    while (at := data.find(key, at)) >= 0:
        at += len(key)
        try:
            r = Reader(data)
            r.at = at
            payload = r.text()
            read(payload, "since")
            yield payload
        except AssertionError:
            continue


def main():
    shim, artifact, order, when = sys.argv[1:]
    seen = []

    def loader(data):
        seen.append((bytes(data), read(bytes(data), order)))

    if when == "late":
        library = ctypes.CDLL(shim, ctypes.RTLD_GLOBAL)
        assert library.artcheck_shim_install() == 1, "the part should wait for the loader"
    tvm_ffi.register_global_func("ffi.Module.load_from_bytes.metal", loader)
    library = ctypes.CDLL(shim, ctypes.RTLD_GLOBAL)
    assert library.artcheck_shim_install() == 0
    wrapped = tvm_ffi.get_global_func("ffi.Module.load_from_bytes.metal")
    found = list(payloads(artifact))
    assert found, "the artifact has no metal payload"
    for payload in found:
        parts = read(payload, "since")
        for given in ("since", "before"):
            wrapped(write(parts, given))
            assert seen[-1][0] == write(parts, order), f"{given} was not handed on as {order}"
    # What is neither order reaches the loader as it is, and fails there.
    try:
        wrapped(b"neither")
    except Exception as error:
        assert "ran out of bytes" in str(error), error
    else:
        raise AssertionError("nonsense was accepted")
    print("ok", len(found))


if __name__ == "__main__":
    main()
