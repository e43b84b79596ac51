"""The targets of the corpus: TVM's target description, file suffix and how to link."""

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

LINUX_X86 = {"kind": "llvm", "mtriple": "x86_64-unknown-linux-gnu", "mcpu": "x86-64-v2",
             "opt-level": 1}
LINUX_ARM = {"kind": "llvm", "mtriple": "aarch64-unknown-linux-gnu"}
MACOS_ARM = {"kind": "llvm", "mtriple": "arm64-apple-macos"}
IOS_ARM = {"kind": "llvm", "mtriple": "arm64-apple-ios"}
WINDOWS = {"kind": "llvm", "mtriple": "x86_64-pc-windows-gnu"}
WASM = {"kind": "llvm", "mtriple": "wasm32-unknown-unknown-wasm"}

METAL = {"kind": "metal", "max_num_threads": 1024, "max_threads_per_block": 1024,
         "max_shared_memory_per_block": 32768, "thread_warp_size": 32}
CUDA = {"kind": "cuda", "arch": "sm_90", "max_num_threads": 1024,
        "max_threads_per_block": 1024, "max_shared_memory_per_block": 49152,
        "thread_warp_size": 32}
OPENCL = {"kind": "opencl", "max_num_threads": 256, "max_threads_per_block": 256,
          "max_shared_memory_per_block": 32768}
WEBGPU = {"kind": "webgpu", "max_num_threads": 256, "max_shared_memory_per_block": 32768}


@dataclass
class Spec:
    suffix: str
    host: dict
    device: dict | None = None
    # What zig links for; None = no linking (archives of objects).
    link: str | None = None
    link_flags: list = field(default_factory=list)
    system_lib: bool = False


MAC_FLAGS = ["-Wl,-undefined,dynamic_lookup"]
SPECS = {
    "cpu-x86_64": Spec(".so", LINUX_X86, link="x86_64-linux-gnu.2.28"),
    "cpu-aarch64": Spec(".so", LINUX_ARM, link="aarch64-linux-gnu.2.28"),
    "cpu-macos-arm64": Spec(".dylib", MACOS_ARM, link="aarch64-macos", link_flags=MAC_FLAGS),
    "cpu-windows-x64": Spec(".dll", WINDOWS, link="x86_64-windows-gnu"),
    "metal-macos-arm64": Spec(".dylib", MACOS_ARM, METAL, "aarch64-macos", MAC_FLAGS),
    "metal-linux-x86_64": Spec(".so", LINUX_X86, METAL, "x86_64-linux-gnu.2.28"),
    "metal-ios": Spec(".tar", IOS_ARM, METAL, system_lib=True),
    "cpu-ios": Spec(".tar", IOS_ARM, system_lib=True),
    "cuda-x86_64": Spec(".so", LINUX_X86, CUDA, "x86_64-linux-gnu.2.28"),
    "opencl-x86_64": Spec(".so", LINUX_X86, OPENCL, "x86_64-linux-gnu.2.28"),
    "webgpu": Spec(".wasm", WASM, WEBGPU, system_lib=True),
}


def target(spec: Spec):
    import tvm

    host = tvm.target.Target(spec.host)
    return tvm.target.Target(spec.device, host=host) if spec.device else host


def linker(spec: Spec, tools_python: str, libraries: list):
    """What TVM's export calls with the output name and the object files.

    `libraries` are further inputs: import libraries, which Windows cannot do without.
    """

    def link(output, objects, **_):
        command = [tools_python, "-m", "ziglang", "c++", "-target", spec.link, "-shared",
                   "-O2", "-s", "-o", Path(output).name, *spec.link_flags,
                   *(str(Path(o).resolve()) for o in objects), *libraries]
        # Linking in the output's folder keeps its path out of the file.
        done = subprocess.run(command, cwd=Path(output).resolve().parent,
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"link failed: {done.stderr[-2000:]}")
        sys.stderr.write(done.stderr)

    return link
