"""The targets of the corpus: TVM's target description, file suffix and how to link."""

import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

LINUX_X86 = {"kind": "llvm", "mtriple": "x86_64-unknown-linux-gnu", "mcpu": "x86-64-v2",
             "opt-level": 1}
# Half precision in hardware, which real CPU builds have.
LINUX_X86_V3 = LINUX_X86 | {"mcpu": "x86-64-v3", "opt-level": 3}
LINUX_ARM = {"kind": "llvm", "mtriple": "aarch64-unknown-linux-gnu", "opt-level": 1}
MACOS_ARM = {"kind": "llvm", "mtriple": "arm64-apple-macos", "opt-level": 1}
MACOS_X86 = {"kind": "llvm", "mtriple": "x86_64-apple-macos", "opt-level": 1}
IOS_ARM = {"kind": "llvm", "mtriple": "arm64-apple-ios", "opt-level": 1}
WINDOWS = {"kind": "llvm", "mtriple": "x86_64-pc-windows-gnu", "opt-level": 1}
WASM = {"kind": "llvm", "mtriple": "wasm32-unknown-unknown-wasm", "opt-level": 1}

METAL = {"kind": "metal", "max_num_threads": 1024, "max_threads_per_block": 1024,
         "max_shared_memory_per_block": 32768, "thread_warp_size": 32}
CUDA = {"kind": "cuda", "arch": "sm_90", "max_num_threads": 1024,
        "max_threads_per_block": 1024, "max_shared_memory_per_block": 49152,
        "thread_warp_size": 32}
OPENCL = {"kind": "opencl", "max_num_threads": 256, "max_threads_per_block": 256,
          "max_shared_memory_per_block": 32768}
WEBGPU = {"kind": "webgpu", "max_num_threads": 256}


@dataclass
class Spec:
    suffix: str
    host: dict
    device: dict | None = None
    # What zig links for; None = no linking (archives of objects).
    link: str | None = None
    link_flags: list = field(default_factory=list)
    system_lib: bool = False
    # The JavaScript of web libraries asks for a system library without a prefix.
    prefix: bool = True


# A library without the JavaScript runtime's half: that part would come from Emscripten.
WASM_FLAGS = ["--no-entry", "--allow-undefined", "--export=__wasm_call_ctors"]
MAC_FLAGS = ["-Wl,-undefined,dynamic_lookup"]
SPECS = {
    "cpu-x86_64": Spec(".so", LINUX_X86, link="x86_64-linux-gnu.2.28"),
    "cpu-x86_64-v3": Spec(".so", LINUX_X86_V3, link="x86_64-linux-gnu.2.28"),
    "cpu-aarch64": Spec(".so", LINUX_ARM, link="aarch64-linux-gnu.2.28"),
    "cpu-macos-arm64": Spec(".dylib", MACOS_ARM, link="aarch64-macos", link_flags=MAC_FLAGS),
    "cpu-macos-x86_64": Spec(".dylib", MACOS_X86, link="x86_64-macos", link_flags=MAC_FLAGS),
    # The object files that export links, and a system library of them, for the
    # synthetic variants and for tests; not in the corpus.
    "objects-x86_64": Spec(".tar", LINUX_X86),
    "objects-aarch64": Spec(".tar", LINUX_ARM),
    "objects-windows-x64": Spec(".tar", WINDOWS),
    "objects-macos-arm64": Spec(".tar", MACOS_ARM),
    "objects-metal-x86_64": Spec(".tar", LINUX_X86, METAL),
    "cpu-windows-x64": Spec(".dll", WINDOWS, link="x86_64-windows-gnu"),
    "metal-macos-arm64": Spec(".dylib", MACOS_ARM, METAL, "aarch64-macos", MAC_FLAGS),
    "metal-linux-x86_64": Spec(".so", LINUX_X86, METAL, "x86_64-linux-gnu.2.28"),
    "metal-ios": Spec(".tar", IOS_ARM, METAL, system_lib=True),
    "cpu-ios": Spec(".tar", IOS_ARM, system_lib=True),
    "cuda-x86_64": Spec(".so", LINUX_X86, CUDA, "x86_64-linux-gnu.2.28"),
    "opencl-x86_64": Spec(".so", LINUX_X86, OPENCL, "x86_64-linux-gnu.2.28"),
    "system-x86_64": Spec(".tar", LINUX_X86, system_lib=True),
    "webgpu-objects": Spec(".tar", WASM, WEBGPU, system_lib=True, prefix=False),
    "wasm-objects": Spec(".tar", WASM, system_lib=True, prefix=False),
    "webgpu": Spec(".wasm", WASM, WEBGPU, "wasm32-freestanding", WASM_FLAGS, system_lib=True),
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
        # Linking in a folder of its own keeps paths out of the file and side outputs away.
        output = Path(output)
        with tempfile.TemporaryDirectory() as folder:
            inputs = []
            for item in objects:
                inputs.append(shutil.copy(item, Path(folder) / Path(item).name))
            driver = (["wasm-ld"] if spec.suffix == ".wasm"
                      else ["c++", "-target", spec.link, "-shared", "-O2"])
            command = [tools_python, "-m", "ziglang", *driver, "-s", "-o", output.name, *spec.link_flags,
                       *(Path(i).name for i in inputs), *libraries]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
            if done.returncode != 0:
                raise SystemExit(f"link failed: {done.stderr[-2000:]}")
            shutil.copy(Path(folder) / output.name, output)

    return link
