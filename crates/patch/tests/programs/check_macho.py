"""Checks a changed Mach-O library against the one it was made from, with LIEF.

    python check_macho.py OLD NEW

Load commands must be the same bytes; every page hash of every code directory must
be that of the page, recomputed here. Shares nothing with the signer or with the
second reader of artcheck.
"""

import hashlib
import struct
import sys

import lief

HASHES = {1: hashlib.sha1, 2: hashlib.sha256, 3: hashlib.sha256, 4: hashlib.sha384}
CODE_DIRECTORY = 0xFADE0C02


def directories(signature):
    magic, _, count = struct.unpack_from(">III", signature)
    assert magic == 0xFADE0CC0, hex(magic)
    for index in range(count):
        _, offset = struct.unpack_from(">II", signature, 12 + 8 * index)
        if struct.unpack_from(">I", signature, offset)[0] == CODE_DIRECTORY:
            yield offset


def check_pages(image, signature):
    checked = 0
    for at in directories(signature):
        hashes, _, _, slots, limit = struct.unpack_from(">IIIII", signature, at + 16)
        size, kind, _, page = struct.unpack_from(">BBBB", signature, at + 36)
        page = 1 << page
        assert slots == -(-limit // page), (slots, limit, page)
        for slot in range(slots):
            found = signature[at + hashes + slot * size:][:size]
            wanted = HASHES[kind](image[slot * page:min(limit, (slot + 1) * page)]).digest()[:size]
            assert found == wanted, f"page {slot} of the directory at {at:#x}"
            checked += 1
    assert checked, "no page hash"
    return checked


def main():
    old_bytes, new_bytes = (open(path, "rb").read() for path in sys.argv[1:3])
    olds, news = (lief.MachO.parse(path) for path in sys.argv[1:3])
    assert len(olds) == len(news)
    pages = commands = 0
    for old, new in zip(olds, news):
        assert len(old.commands) == len(new.commands)
        for before, after in zip(old.commands, new.commands):
            assert before.command == after.command
            assert bytes(before.data) == bytes(after.data), before.command
            commands += 1
        start = new.fat_offset
        signature = new.code_signature
        at = start + signature.data_offset
        content = new_bytes[at:at + signature.data_size]
        assert content == bytes(signature.content)
        pages += check_pages(new_bytes[start:], content)
    assert len(old_bytes) == len(new_bytes)
    print(f"{commands} load commands equal, {pages} page hashes match")


main()
