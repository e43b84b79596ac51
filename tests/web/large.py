#!/usr/bin/env python3
"""Makes a model library whose constants are large: ARTCHECK LIBRARY OUT BYTES.

Takes the module blob of an x86-64 Linux library, as `ARTCHECK dump` places it, adds one
tensor of BYTES bytes to its constant pool, and links the result as a library that has
this blob. Needs gcc.
"""

import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> None:
    artcheck, library, out, size = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    dump = subprocess.run([artcheck, "dump", "--format", "json", library], check=True, capture_output=True)
    facts = json.loads(dump.stdout)["artifacts"][0]["libraries"][0]
    module = facts["blob"]["modules"][0]
    constants = module["payload"]["sections"]["constants"]
    start = facts["file_offset"]
    blob = bytearray(library.read_bytes()[start:start + facts["blob"]["length"]])

    header = struct.pack("<i", 70) + struct.pack("<QQiiiBBHqq", 0xDD5E40F096B4A13F, 0, 1, 0, 1, 1, 8, 1, size, size)
    payload = module["payload_offset"]
    at = payload + constants["end"]
    add(blob, payload + constants["start"], 1)
    add(blob, payload - 8, len(header) + size)
    add(blob, 0, len(header) + size)

    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "before").write_bytes(blob[:at] + header)
        (folder / "after").write_bytes(blob[at:])
        pattern = bytes(range(1, 252)) * 4177  # no page of it is zeros
        with (folder / "data").open("wb") as data:
            for done in range(0, size, len(pattern)):
                data.write(pattern[:size - done])
        symbol = facts["blob_symbol"]
        (folder / "blob.s").write_text(f"""
            .section .rodata
            .globl {symbol}
            .type {symbol}, @object
            {symbol}:
            .incbin "{folder}/before"
            .incbin "{folder}/data"
            .incbin "{folder}/after"
            .size {symbol}, . - {symbol}
            .section .note.GNU-stack, "", @progbits
        """)
        subprocess.run(["gcc", "-shared", "-nostdlib", "-o", out, folder / "blob.s"], check=True)


def add(blob: bytearray, at: int, more: int) -> None:
    struct.pack_into("<Q", blob, at, struct.unpack_from("<Q", blob, at)[0] + more)


if __name__ == "__main__":
    main()
