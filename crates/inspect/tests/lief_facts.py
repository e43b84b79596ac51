"""What LIEF says of Mach-O and PE files, as JSON: an oracle for the tests.

The code directory is read here by hand, since LIEF leaves it as bytes.
"""

import json
import struct
import sys

import lief


def signature(binary):
    if not binary.has_code_signature:
        return "unsigned"
    blob = bytes(binary.code_signature.content)
    count = struct.unpack(">I", blob[8:12])[0]
    for index in range(count):
        offset = struct.unpack(">II", blob[12 + 8 * index : 20 + 8 * index])[1]
        if struct.unpack(">I", blob[offset : offset + 4])[0] == 0xFADE0C02:
            flags = struct.unpack(">I", blob[offset + 12 : offset + 16])[0]
            return "ad-hoc" if flags & 2 else "identity"
    return "malformed"


def macho(path):
    binary = lief.MachO.parse(path).at(0)
    commands = lief.MachO.LoadCommand.TYPE
    needed = (
        commands.LOAD_DYLIB,
        commands.LOAD_WEAK_DYLIB,
        commands.REEXPORT_DYLIB,
        commands.LAZY_LOAD_DYLIB,
        commands.LOAD_UPWARD_DYLIB,
    )
    identity = [c.name for c in binary.commands if c.command == commands.ID_DYLIB]
    minos = binary.build_version.minos
    return {
        "identity": identity[0] if identity else None,
        "needed": [c.name for c in binary.libraries if c.command in needed],
        "rpaths": [c.path for c in binary.commands if c.command == commands.RPATH],
        "platform": str(binary.build_version.platform).split(".")[-1],
        "minos": ".".join(str(part) for part in (minos if minos[2] else minos[:2])),
        "signature": signature(binary),
        "sections": [
            [f"{s.segment_name},{s.name}", s.virtual_address, s.offset, s.size]
            for s in binary.sections
        ],
        "undefined": sorted(
            [s.name[1:], s.binding_info.library.name]
            for s in binary.imported_symbols
            if s.has_binding_info and s.binding_info.has_library
        ),
    }


def pe(path):
    binary = lief.PE.parse(path)
    named = lambda library: sorted(e.name for e in library.entries if e.name)
    return {
        "identity": binary.get_export().name if binary.has_exports else None,
        "needed": [library.name for library in binary.imports],
        "delayed": [library.name for library in binary.delay_imports],
        "imports": {library.name: named(library) for library in binary.imports},
        "exports": sorted(
            [e.name, e.address] for e in (binary.get_export().entries if binary.has_exports else []) if e.name
        ),
        "sections": [
            [s.name, s.virtual_address, s.pointerto_raw_data, min(s.sizeof_raw_data, s.virtual_size)]
            for s in binary.sections
        ],
    }


print(json.dumps({path: (pe if path.endswith(("dll", "pyd")) else macho)(path) for path in sys.argv[1:]}))
