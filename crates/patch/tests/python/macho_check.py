"""Reads a Mach-O shim with LIEF and judges it; shares nothing with the linker.

    python macho_check.py SHIM RUNTIME_LIBRARY... [--system LIBRARY...]

Prints one JSON object: install name, rpaths, libraries, whether the file type is a
dylib; `unresolved`: undefined symbols that nobody has; `bad_pages`: pages of the
ad-hoc signature whose SHA-256 differs; `signed_pages`; `ad_hoc`.
A symbol of a system library counts as there if a library of the runtime imports
the same symbol from the same system library, or it is in the short list of what
every macOS has. Libraries after --system count for that alone.
"""

import hashlib
import json
import struct
import sys

import lief

LIBSYSTEM = "/usr/lib/libSystem.B.dylib"
# dlopen(3), dyld(3) and the C library: part of libSystem since macOS 10.4.
ALWAYS = {"_dladdr", "_dlopen", "_dlclose", "_dlsym", "__dyld_image_count",
          "__dyld_get_image_name", "dyld_stub_binder", "___stderrp", "_fprintf", "_snprintf",
          "_getenv", "_malloc", "_free", "_memcpy", "_memcmp", "_memset", "_memmove", "_strlen",
          "_strcmp", "_strrchr", "_bzero"}


# LIEF's symbols live as long as the file object that they came from.
FILES = {}


def parse(path):
    if path not in FILES:
        FILES[path] = lief.MachO.parse(path)
    return FILES[path].at(0)


def imports(binary):
    """(symbol, library it is bound to) of every undefined symbol."""
    order = [library.name for library in binary.libraries
             if library.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB]
    for symbol in binary.symbols:
        undefined = symbol.raw_type & 0x0E == 0 and symbol.raw_type & 0x01 and symbol.value == 0
        if undefined:
            ordinal = (symbol.description >> 8) & 0xFF
            yield symbol.name, order[ordinal - 1] if 0 < ordinal <= len(order) else None


def signature(path, binary):
    """Pages hashed, pages whose hash differs, and whether the signature is ad hoc."""
    blob = bytes(binary.code_signature.content)
    magic, _, count = struct.unpack_from(">III", blob, 0)
    assert magic == 0xFADE0CC0, hex(magic)
    data = open(path, "rb").read()
    pages = bad = 0
    ad_hoc = False
    for index in range(count):
        kind, at = struct.unpack_from(">II", blob, 12 + 8 * index)
        if kind != 0:
            continue
        (magic, _, _, flags, hash_at, _, _, slots, limit, size, hash_type, _,
         page_bits) = struct.unpack_from(">IIIIIIIIIBBBB", blob, at)
        assert magic == 0xFADE0C02 and size == 32 and hash_type == 2, (hex(magic), size, hash_type)
        assert limit == binary.code_signature.data_offset
        page = 1 << page_bits
        ad_hoc = bool(flags & 0x2)
        for slot in range(slots):
            want = blob[at + hash_at + 32 * slot:at + hash_at + 32 * slot + 32]
            have = hashlib.sha256(data[slot * page:min((slot + 1) * page, limit)]).digest()
            pages += 1
            bad += want != have
    return pages, bad, ad_hoc


def main():
    path, *libraries = sys.argv[1:]
    at = libraries.index("--system") if "--system" in libraries else len(libraries)
    libraries, others = libraries[:at], libraries[at + 1:]
    binary = parse(path)
    exported, imported = set(), set()
    for library in libraries:
        exported |= {symbol.name for symbol in parse(library).exported_symbols}
    for library in libraries + others:
        imported |= set(imports(parse(library)))
    runtime = {"@rpath/" + library.rsplit("/", 1)[1] for library in libraries}
    unresolved = []
    names = list(imports(binary))
    for name, of in names:
        there = (name in exported if of in runtime
                 else (name, of) in imported or (of == LIBSYSTEM and name in ALWAYS))
        if not there:
            unresolved.append([name, of])
    pages, bad, ad_hoc = signature(path, binary)
    identity = [c.name for c in binary.libraries
                if c.command == lief.MachO.LoadCommand.TYPE.ID_DYLIB]
    print(json.dumps({
        "install_name": identity[0] if identity else None,
        "rpaths": [c.path for c in binary.commands
                   if c.command == lief.MachO.LoadCommand.TYPE.RPATH],
        "libraries": [c.name for c in binary.libraries
                      if c.command != lief.MachO.LoadCommand.TYPE.ID_DYLIB],
        "is_dylib": binary.header.file_type == lief.MachO.Header.FILE_TYPE.DYLIB,
        "is_arm64": binary.header.cpu_type == lief.MachO.Header.CPU_TYPE.ARM64,
        "has_constructor": any(s.name == "__mod_init_func" and s.size for s in binary.sections),
        "imports": len(names),
        "unresolved": unresolved,
        "signed_pages": pages,
        "bad_pages": bad,
        "ad_hoc": ad_hoc,
        "exports": sorted(s.name for s in binary.exported_symbols),
    }))


if __name__ == "__main__":
    main()
