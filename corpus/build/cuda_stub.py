"""Makes TVM's CUDA code generator work on a machine without a driver.

`libtvm_runtime_cuda.so` needs `libcuda.so.1`, which only a driver brings. A stub
that exports each `cu*` symbol the library asks for and answers "no device" lets
the library load; NVRTC and libcudart come from pinned wheels. Without this TVM
silently stores CUDA source instead of a cubin.

    python cuda_stub.py FOLDER LIBTVM_RUNTIME_CUDA SITE_PACKAGES

run by the `tools` environment,

prints nothing and leaves FOLDER/lib (for the loader path) and FOLDER/toolkit
(for CUDA_HOME).
"""

import subprocess
import sys
from pathlib import Path

CUDA_ERROR_NO_DEVICE = 100


def needed_symbols(library: Path) -> list[str]:
    """Undefined `cu*` names that are not the versioned `cuda*` ones of libcudart."""
    import lief

    binary = lief.ELF.parse(str(library))
    return sorted({s.name for s in binary.imported_symbols
                   if s.name.startswith("cu") and not s.name.startswith("cuda")})


def write_stub(folder: Path, names: list[str]) -> None:
    source = folder / "stub.c"
    source.write_text("".join(
        f"int {name}(void) {{ return {CUDA_ERROR_NO_DEVICE}; }}\n" for name in names))
    subprocess.run([sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1",
                    "-target", "x86_64-linux-gnu.2.28", "-Wl,-soname,libcuda.so.1",
                    "-o", str(folder / "libcuda.so.1"), str(source)], check=True)


def main() -> None:
    folder, library, site = (Path(argument) for argument in sys.argv[1:4])
    lib, toolkit = folder / "lib", folder / "toolkit"
    lib.mkdir(parents=True, exist_ok=True)
    toolkit.mkdir(parents=True, exist_ok=True)
    write_stub(lib, needed_symbols(library))
    pieces = site / "nvidia" / "cu13"
    for shared in (pieces / "lib").glob("*.so*"):
        link = lib / shared.name
        link.unlink(missing_ok=True)
        link.symlink_to(shared)
    # TVM looks for include/, targets/<triple>/include and targets/<triple>/include/cccl.
    triple = toolkit / "targets" / "x86_64-linux"
    triple.mkdir(parents=True, exist_ok=True)
    for link in (toolkit / "include", triple / "include"):
        link.unlink(missing_ok=True)
        link.symlink_to(pieces / "include")


if __name__ == "__main__":
    main()
