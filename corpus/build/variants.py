#!/usr/bin/env python3
"""Makes the synthetic artifacts: what no installable TVM can build.

    python3 corpus/build/variants.py

Each begins as a real library of this corpus. Its blob is read, changed and
written by blobfile.py; where host code is kept, the real object files are linked
again with the new blob. Nothing here was written by a TVM of the generation that
it imitates, and the names and the manifest say so.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import containers  # noqa: E402
from blobfile import MAGIC, Blob, Executable, Reader, string, u64  # noqa: E402
from build import ARTIFACTS, cache_root, compile_job, interpreter  # noqa: E402

OUT = ARTIFACTS / "synthetic"
BLOB = "__tvm_ffi__library_bin"
CREATE = b"vm.builtin.paged_attention_kv_cache_create"
TAG_CALL = b"vm.builtin.make_tuple"
IMMEDIATE, CONSTANT = 1 << 56, 2 << 56


def parts(model: str, version: str, target: str = "objects-x86_64") -> dict:
    """The object files of a model, compiled once into the cache: name -> bytes."""
    folder = cache_root() / "corpus-objects"
    path = f"tvm-{version}/{model}-{target}.tar"
    if not (folder / path).is_file():
        checks = "checked" if model == "extcall" else "lean"
        _, error = compile_job((path, version, model, "float32", target, checks), folder)
        if error:
            raise SystemExit(f"{path}: {error}")
    with tarfile.open(folder / path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}


def blob_of(objects: dict) -> Blob:
    """The blob of the object that TVM calls `devc.o`, found by the executable's magic."""
    (name,) = (n for n in objects if n.endswith("devc.o"))
    data = objects[name]
    magic = data.index(u64(MAGIC[2]))
    for start in range(magic, max(0, magic - 512), -1):
        length = int.from_bytes(data[start:start + 8], "little")
        if magic - start < length <= len(data) - start - 8:
            try:
                return Blob.read(data[start:start + 8 + length])
            except ValueError:
                continue
    raise SystemExit(f"{name}: no blob before the magic at {magic}")


def link(name: str, blob: bytes, objects: dict, symbol=BLOB, rename=()) -> Path:
    """A shared library of `blob` and the host code of `objects` (none if empty)."""
    output = OUT / name
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "blob.bin").write_bytes(blob)
        (folder / "blob.s").write_text(
            f'.section .rodata,"a",@progbits\n.globl {symbol}\n.type {symbol},@object\n'
            f'{symbol}:\n.incbin "blob.bin"\n.size {symbol}, .-{symbol}\n'
            '.section .note.GNU-stack,"",@progbits\n')
        inputs = ["blob.s"]
        for file, data in objects.items():
            if file.endswith("devc.o"):
                continue
            (folder / file).write_bytes(data)
            for old, new in rename:
                subprocess.run(["objcopy", f"--redefine-sym={old}={new}", str(folder / file)],
                               check=True)
            inputs.append(file)
        subprocess.run([interpreter("tools"), "-m", "ziglang", "c++", "-target",
                        "x86_64-linux-gnu.2.28", "-shared", "-s", "-O2", "-o", str(output),
                        *inputs], cwd=folder, check=True)
    return output


# ---- changes to an executable -----------------------------------------------------


def retag(executable: Executable, tag: bytes) -> None:
    executable.constants = [("string", tag) if c == ("string", b"tirx") else c
                            for c in executable.constants]


def config_shapes(executable: Executable) -> list:
    """The `make_shape` calls whose result is the first argument of the cache constructor."""
    (create,) = executable.calls(CREATE)
    register = create[4]
    at = executable.code.index(create)
    makers = executable.calls(b"vm.builtin.make_shape")
    return [w for w in executable.code[:at] if w in makers and w[1] == register][-1:]


def config_length(executable: Executable, length: int) -> None:
    """Shortens or lengthens the cache configuration; a sixth element is 1024."""
    (words,) = config_shapes(executable)
    old = words[5] & 0xFF  # arguments: heap, count, then (code, value) pairs
    pairs = words[6:][:2 * old]
    pairs = pairs[:2 * length] + [IMMEDIATE | 0, IMMEDIATE | 1024] * max(0, length - old)
    words[5] = IMMEDIATE | length
    words[6:] = pairs
    words[3] = 2 + len(pairs)


def constructor_arguments(executable: Executable, count: int) -> None:
    (words,) = executable.calls(CREATE)
    words[4:] = (words[4:] + words[4:5] * count)[:count]
    words[3] = count


def rename_function(executable: Executable, old: bytes, new: bytes) -> None:
    for function in executable.functions:
        if function.name == old:
            function.name = new


def changed(blob: Blob, change, *arguments, kind=None) -> bytes:
    executable = blob.executable()
    change(executable, *arguments)
    return blob.with_executable(executable, kind).write()


def generation(executable: Executable, magic: int, codes: str) -> None:
    executable.magic, executable.codes = magic, codes


def unknown_constant(executable: Executable) -> None:
    executable.extra["code"] = {"string": 67}


def old_metal(payload: bytes) -> bytes:
    """The order before 0.24: version, sources, functions, format."""
    r = Reader(payload)
    form = r.string()
    begin = r.at
    for _ in range(r.u64()):  # fmap: name -> name, dtypes, tags, extra tags
        r.string(), r.string()
        r.take(4 * r.u64())
        for _ in range(r.u64()):
            r.string()
        r.take(4 * r.u64())
    functions = payload[begin:r.at]
    return string(b"0.1.0") + payload[r.at:] + functions + string(form)


# ---- the list ---------------------------------------------------------------------


def runnable_variants() -> None:
    """Host code kept: these load, and get as far as the change lets them."""
    for version in ("0.26", "0.27"):
        objects = parts("dense-ext", version)
        blob = blob_of(objects)
        made = {}
        if version == "0.26":
            made = {
                "tir-tag": changed(blob, retag, b"tir"),
                "v1-magic": changed(blob, generation, 1, "current"),
                "config-6": changed(blob, config_length, 6),
                "flashinfer-tag": changed(blob, retag, b"flashinfer"),
                "arguments-27": changed(blob, constructor_arguments, 27),
                "missing-function": changed(
                    blob, rename_function, b"vm.builtin.attention_kv_cache_attention_with_fused_qkv",
                    b"vm.builtin.attention_kv_cache_attention_with_fused_qkv_v9"),
            }
        else:
            made["config-5"] = changed(blob, config_length, 5)
        for name, data in made.items():
            link(f"dense-ext-{version}-{name}-cpu-x86_64.so", data, objects)


def slot_variants() -> None:
    """The same host code under the slot names of another generation."""
    to_old = (("__TVMFFIEnvModLookupFromImports", "__TVMBackendGetFuncFromEnv"),)
    objects = parts("extcall", "0.26")
    link("extcall-0.26-old-slot-cpu-x86_64.so", blob_of(objects).write(), objects, rename=to_old)
    objects = parts("extcall", "0.25")
    to_new = tuple((new, old) for old, new in to_old)
    link("extcall-0.25-new-slot-cpu-x86_64.so", blob_of(objects).write(), objects, rename=to_new)


def generation_variants() -> None:
    """Blobs of older generations. No host code: a runtime of that age is not at hand."""
    objects = parts("extcall", "0.27")
    blob = blob_of(objects)
    kinds = {"old": b"relax.Executable", "new": b"relax.VMExecutable"}

    def make(name, layout, kind, magic, codes, symbol):
        other = Blob(layout, blob.indptr, blob.children, blob.modules)
        data = changed(other, generation, magic, codes, kind=kinds[kind])
        link(f"{name}-cpu-x86_64.so", data, {}, symbol)

    make("extcall-2024-classic", "count-first", "old", 1, "classic", "__tvm_dev_mblob")
    make("extcall-2025-03-classic-vmexecutable", "count-first", "new", 1, "classic",
         "__tvm_dev_mblob")
    make("extcall-2025-05-codes-71", "count-first", "new", 1, "0.21", "__tvm_dev_mblob")
    make("extcall-0.21", "count-first", "new", 1, "0.21", "__tvm_ffi_library_bin")
    make("extcall-2025-08-tree-codes-71", "tree-first", "new", 1, "0.21", "__tvm_ffi_library_bin")
    make("extcall-2025-09-single-underscore", "tree-first", "new", 1, "current",
         "__tvm_ffi_library_bin")
    make("extcall-0.22", "tree-first", "new", 1, "current", BLOB)
    # Combinations that no release had, for the loader's refusals.
    link("extcall-old-kind-cpu-x86_64.so",
         changed(blob, lambda _: None, kind=kinds["old"]), objects)
    link("extcall-unknown-constant-cpu-x86_64.so", changed(blob, unknown_constant), objects)
    tree = Blob("tree-first", [0, 1, 2, 2], [1, 2], [*blob.modules, (b"hexagon", b"\x01\x02\x03")])
    link("extcall-unknown-module-cpu-x86_64.so", tree.write(), objects)
    data = blob.write()
    link("extcall-short-blob-cpu-x86_64.so", data[:len(data) // 2], objects)


def metal_variants() -> None:
    objects = parts("embedding", "0.26", "objects-metal-x86_64")
    blob = blob_of(objects)
    modules = [(kind, old_metal(payload) if kind == b"metal" else payload)
               for kind, payload in blob.modules]
    data = Blob("tree-first", blob.indptr, blob.children, modules).write()
    link("embedding-0.26-old-metal-order-metal-linux-x86_64.so", data, objects)


def bare_executables() -> None:
    for codes, magic in (("classic", 1), ("0.21", 1), ("current", 1), ("current", 2)):
        executable = blob_of(parts("extcall", "0.27")).executable()
        generation(executable, magic, codes)
        (OUT / f"extcall-{codes}-v{magic}.bin").write_bytes(executable.write())
    executable = blob_of(parts("dense-ext", "0.26")).executable()
    (OUT / "dense-ext-0.26.bin").write_bytes(executable.write())


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for old in OUT.iterdir():
        old.unlink()
    runnable_variants()
    slot_variants()
    generation_variants()
    metal_variants()
    bare_executables()
    containers.make(OUT, ARTIFACTS, parts("extcall", "0.27"))
    for path in sorted(OUT.iterdir()):
        print(path.name, path.stat().st_size)


if __name__ == "__main__":
    main()
