#!/usr/bin/env python3
"""Builds TVM's wasm runtime from the wheels' sources, and the corpus' models with it.

    python3 tests/systems/web_build.py CHECKOUT [--release 0.27]

The wheels of apache-tvm and apache-tvm-ffi carry the sources of the runtime that a web
library has inside (`src/runtime`, `web/emcc`, `tvm_ffi/src`), but for a few headers: those
come from CHECKOUT, a clone of apache/tvm. Compiled and linked by Emscripten (Debian's
`emscripten`), with the options of TVM's own Makefile and `create_tvmjs_wasm`. Writes
<cache>/built/web/tvm-VERSION/NAME.wasm; nothing is committed.

- `NAME-webgpu.wasm`: kernels for WebGPU, host code in wasm.
- `NAME-wasm.wasm`: everything in wasm, for Node.
- `variants/…`: the changed programs of corpus/build/variants.py.
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "corpus" / "build"))

import variants as base  # noqa: E402
from build import FFI, VERSIONS, cache_root  # noqa: E402
from variants import blob_of  # noqa: E402

# The other module of that name has the programs that keep their host code.
named = importlib.util.spec_from_file_location("changed", ROOT / "tests/systems/variants.py")
programs = importlib.util.module_from_spec(named)
named.loader.exec_module(programs)
PARTS = cache_root()
OUT = PARTS / "built" / "web"
SOURCES = ("tvmjs_support", "webgpu_runtime", "wasm_runtime")
# What no wheel carries, of the checkout.
MISSING = ("src/support", "include/tvm/support", "3rdparty/compiler-rt")
LINK = ["-O1", "--no-entry", "-s", "WASM_BIGINT=1", "-s", "ERROR_ON_UNDEFINED_SYMBOLS=0", "-s",
        "STANDALONE_WASM=1", "-s", "ALLOW_MEMORY_GROWTH=1", "-s", "TOTAL_MEMORY=160MB"]
MODELS = ("dense", "embedding", "hybrid", "recurrent")
BLOB = """#include <stdint.h>
int TVMFFIEnvModRegisterSystemLibSymbol(const char*, void*);
static _Alignas(16) unsigned char blob[] = {%s};
__attribute__((constructor)) static void registered(void) {
  TVMFFIEnvModRegisterSystemLibSymbol("%s", blob);
}
"""


def sources(version: str, checkout: Path, into: Path) -> None:
    """A tree as the runtime's sources expect it."""
    wheel = PARTS / "unpacked" / f"tvm-{version}-linux-x86_64" / "tvm"
    ffi = PARTS / "unpacked" / f"tvm-ffi-{FFI[version]}-linux-x86_64" / "tvm_ffi"
    tags = subprocess.run(["git", "-C", checkout, "tag", "-l", f"v{version}.0"], text=True,
                          capture_output=True, check=True).stdout.split()
    commit = f"tags/{tags[0]}" if tags else "HEAD"
    packed = subprocess.run(["git", "-C", checkout, "archive", commit, *MISSING, "web/emcc"],
                            capture_output=True, check=True).stdout
    subprocess.run(["tar", "x", "-C", into], input=packed, check=True)
    for folder in ("src/runtime", "include", "web/emcc"):
        if (wheel / folder).is_dir():
            shutil.copytree(wheel / folder, into / folder, dirs_exist_ok=True)
    for folder in ("src", "include", "3rdparty"):
        shutil.copytree(ffi / folder, into / "3rdparty" / "tvm-ffi" / folder)


def runtime(version: str, checkout: Path) -> list:
    """The runtime's objects."""
    out = OUT / f"runtime-{version}"
    objects = [out / f"{name}.o" for name in SOURCES]
    if not all(item.is_file() for item in objects):
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            sources(version, checkout, root)
            ffi = root / "3rdparty" / "tvm-ffi"
            includes = (root, root / "include", ffi / "include", ffi / "3rdparty/dlpack/include",
                        root / "3rdparty/compiler-rt")
            for name, item in zip(SOURCES, objects):
                subprocess.run(["emcc", *(f"-I{i}" for i in includes), "-O2", "-std=c++17",
                                f"-ffile-prefix-map={root}=.", "-Wno-ignored-attributes", "-c", "-o", item,
                                root / "web" / "emcc" / f"{name}.cc"], check=True)
    return objects


def link(output: Path, inputs, objects: dict) -> None:
    """`objects`, by name, with the files of the runtime."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        named = []
        for name, data in objects.items():
            (Path(folder) / name).write_bytes(data)
            named.append(name)
        made = Path(folder) / output.name
        subprocess.run(["emcc", *LINK, "-o", made.name, *inputs, *named], cwd=folder, check=True)
        shutil.copy(made, output)
    print(output, output.stat().st_size, flush=True)


def model(name: str, version: str, target: str, inputs) -> None:
    output = OUT / f"tvm-{version}" / f"{name}-{target}.wasm"
    if output.is_file():
        return
    try:
        objects = base.parts(name, version, f"{target}-objects")
    except SystemExit as error:  # a compiler that cannot: the others go on
        print(error, file=sys.stderr)
        return
    link(output, inputs, objects)


def changed(version: str, inputs) -> None:
    """The programs that break, with the kernels and host code of `dense`."""
    objects = base.parts("dense", version, "webgpu-objects")
    kept = {name: data for name, data in objects.items() if not name.endswith("devc.o")}
    symbol = base.BLOB
    for name, blob in programs.programs(version, blob_of(objects)):
        output = OUT / "variants" / f"dense-{version}-{name}-webgpu.wasm"
        if not output.is_file():
            text = BLOB % (",".join(map(str, blob)), symbol)
            link(output, inputs, {**kept, "blob.c": text.encode()})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--release", choices=VERSIONS, action="append")
    parser.add_argument("--only", choices=MODELS, action="append",
                        help="these models, and no changed programs")
    args = parser.parse_args()
    for version in args.release or reversed(VERSIONS):
        inputs = runtime(version, args.checkout)
        for name in args.only or MODELS:
            model(name, version, "webgpu", inputs)
            model(name, version, "wasm", inputs)
        if version != "0.25" and not args.only:
            changed(version, inputs)


if __name__ == "__main__":
    main()
