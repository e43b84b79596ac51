#!/usr/bin/env python3
"""The corpus' changed programs (corpus/build/variants.py) with the host code of other systems.

    python3 tests/systems/variants.py [SYSTEM ...]

writes <cache>/built/variants/NAME-cpu-aarch64.so, NAME-cpu-macos-arm64.dylib and
NAME-cpu-windows-x64.dll. They load, and get as far as the change lets them.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "corpus" / "build"))

import variants as base  # noqa: E402
from blobfile import Blob  # noqa: E402
from build import FFI, cache_root, interpreter  # noqa: E402
from targets import MAC_FLAGS  # noqa: E402

OUT = cache_root() / "built" / "variants"
ELF = ('.section .rodata,"a",%progbits\n.globl {0}\n.type {0},%object\n{0}:\n'
       '.incbin "blob.bin"\n.size {0}, .-{0}\n.section .note.GNU-stack,"",%progbits\n')
MACHO = '.section __DATA,__const\n.globl _{0}\n.p2align 4\n_{0}:\n.incbin "blob.bin"\n'
# A DLL exports what says so.
COFF = ('.section .rdata,"dr"\n.globl {0}\n{0}:\n.incbin "blob.bin"\n'
        '.section .drectve,"yn"\n.ascii " -export:{0},data"\n')
SYSTEMS = {
    "aarch64": ("objects-aarch64", "aarch64-linux-gnu.2.28", "cpu-aarch64.so", ELF),
    "macos": ("objects-macos-arm64", "aarch64-macos", "cpu-macos-arm64.dylib", MACHO),
    "windows": ("objects-windows-x64", "x86_64-windows-gnu", "cpu-windows-x64.dll", COFF),
}


def link(system: str, version: str, name: str, blob: bytes, objects: dict) -> None:
    _, triple, suffix, section = SYSTEMS[system]
    output = OUT / f"{name}-{suffix}"
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "blob.bin").write_bytes(blob)
        (folder / "blob.s").write_text(section.format(base.BLOB))
        inputs = ["blob.s"]
        for file, data in objects.items():
            if not file.endswith("devc.o"):
                (folder / file).write_bytes(data)
                inputs.append(file)
        if system == "windows":
            ffi = f"tvm-ffi-{FFI[version]}-windows-x64"
            inputs.append(str(cache_root() / "unpacked" / ffi / "tvm_ffi" / "lib" / "tvm_ffi.lib"))
        # A Mac's symbols are found when it loads, in whatever is there.
        more = MAC_FLAGS if system == "macos" else []
        subprocess.run([interpreter("tools"), "-m", "ziglang", "c++", "-target", triple, "-shared",
                        "-s", "-O2", *more, "-o", str(folder / output.name), *inputs],
                       cwd=folder, check=True)
        output.write_bytes((folder / output.name).read_bytes())


def programs(version: str, blob: Blob):
    """(name, blob): those of the corpus whose host code is kept."""
    fused = b"vm.builtin.attention_kv_cache_attention_with_fused_qkv"
    if version == "0.26":
        yield "tir-tag", base.changed(blob, base.retag, b"tir")
        yield "v1-magic", base.changed(blob, base.generation, 1, "current")
        yield "config-6", base.changed(blob, base.config_length, 6)
        yield "flashinfer-tag", base.changed(blob, base.retag, b"flashinfer")
        yield "arguments-27", base.changed(blob, base.constructor_arguments, 27)
        yield "missing-function", base.changed(blob, base.rename_function, fused, fused + b"_v9")
        return
    yield "config-5", base.changed(blob, base.config_length, 5)
    yield "old-kind", base.changed(blob, lambda _: None, kind=b"relax.Executable")
    yield "unknown-constant", base.changed(blob, base.unknown_constant)
    tree = Blob("tree-first", [0, 1, 2, 2], [1, 2], [*blob.modules, (b"hexagon", b"\x01\x02\x03")])
    yield "unknown-module", tree.write()
    data = blob.write()
    yield "short-blob", data[:len(data) // 2]


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for system in sys.argv[1:] or SYSTEMS:
        for version in ("0.26", "0.27"):
            objects = base.parts("dense-ext", version, SYSTEMS[system][0])
            for name, blob in programs(version, base.blob_of(objects)):
                link(system, version, f"dense-ext-{version}-{name}", blob, objects)


if __name__ == "__main__":
    main()
