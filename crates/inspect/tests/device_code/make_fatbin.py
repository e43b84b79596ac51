#!/usr/bin/env python3
"""Makes the fatbins beside this file with NVIDIA's own libraries.

    pip install nvidia-nvfatbin nvidia-cuda-nvrtc     # 13.5.37 of both was used
    python3 make_fatbin.py

One kernel as a cubin for sm_80, one for sm_90a and PTX for compute_89; once as
they are, once compressed.
"""

import ctypes
import site
from pathlib import Path

HERE = Path(__file__).parent
SOURCE = b'extern "C" __global__ void add_one(float *x) { x[threadIdx.x] += 1.0f; }\n'


def library(name: str) -> ctypes.CDLL:
    for folder in site.getsitepackages():
        for path in Path(folder, "nvidia").rglob(f"{name}.so.*"):
            return ctypes.CDLL(str(path))
    raise SystemExit(f"{name} is not installed")


def check(status: int) -> None:
    if status:
        raise SystemExit(f"status {status}")


def compiled(nvrtc: ctypes.CDLL, arch: str, kind: str) -> bytes:
    program = ctypes.c_void_p()
    check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), SOURCE, b"kernel.cu", 0, None, None))
    options = (ctypes.c_char_p * 1)(f"--gpu-architecture={arch}".encode())
    check(nvrtc.nvrtcCompileProgram(program, 1, options))
    size = ctypes.c_size_t()
    check(getattr(nvrtc, f"nvrtcGet{kind}Size")(program, ctypes.byref(size)))
    out = ctypes.create_string_buffer(size.value)
    check(getattr(nvrtc, f"nvrtcGet{kind}")(program, out))
    return out.raw


def fatbin(nvfatbin: ctypes.CDLL, images: list, options: list) -> bytes:
    handle = ctypes.c_void_p()
    check(nvfatbin.nvFatbinCreate(ctypes.byref(handle), (ctypes.c_char_p * len(options))(*options),
                                  len(options)))
    for kind, arch, data in images:
        extra = [None] if kind == "PTX" else []
        add = getattr(nvfatbin, f"nvFatbinAdd{kind}")
        check(add(handle, data, ctypes.c_size_t(len(data)), arch.encode(), b"kernel", *extra))
    size = ctypes.c_size_t()
    check(nvfatbin.nvFatbinSize(handle, ctypes.byref(size)))
    out = ctypes.create_string_buffer(size.value)
    check(nvfatbin.nvFatbinGet(handle, out))
    return out.raw


def main() -> None:
    nvrtc, nvfatbin = library("libnvrtc"), library("libnvfatbin")
    images = [
        ("Cubin", "80", compiled(nvrtc, "sm_80", "CUBIN")),
        ("Cubin", "90a", compiled(nvrtc, "sm_90a", "CUBIN")),
        ("PTX", "89", compiled(nvrtc, "compute_89", "PTX")),
    ]
    plain = fatbin(nvfatbin, images, [b"-64", b"-compress=false"])
    packed = fatbin(nvfatbin, images, [b"-64", b"-compress=true", b"-compress-all"])
    (HERE / "plain.fatbin").write_bytes(plain)
    (HERE / "packed.fatbin").write_bytes(packed)


if __name__ == "__main__":
    main()
