"""Builds kinds with the TVM of the running interpreter.

    python compile.py FOLDER KIND...

writes FOLDER/KIND/library.so (or `library.vm`, a bare executable) and FOLDER/KIND/calls.json,
and prints why a kind could not be built, one JSON line each. Every kind is built in a
process forked from this one. A system library is the objects, linked into a shared library
as an application would.
"""

import json
import os
import resource
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "corpus" / "build")]

import tvm  # noqa: E402
from tvm import relax  # noqa: E402

from kinds import KINDS  # noqa: E402

HOST = {"kind": "llvm", "mtriple": "x86_64-unknown-linux-gnu", "mcpu": "x86-64-v2",
        "opt-level": 1}


SECONDS = 300  # of a processor, for one kind


def main():
    folder, *names = sys.argv[1:]
    for name in names:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            try:
                build(name, Path(folder) / name)
            except Exception as error:  # noqa: BLE001 - the compiler's refusal is the result
                words = str(error).strip().splitlines() or [""]
                os.write(writing, f"{type(error).__name__}: {words[-1]}"[:200].encode())
                os._exit(1)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, errors="replace") as said:
            words = said.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            words = words or f"it ends with {status}"
            print(json.dumps({"kind": name, "failure": words}), flush=True)


def build(name, folder):
    folder.mkdir(parents=True, exist_ok=True)
    target = tvm.target.Target(HOST)
    with target:
        made = KINDS[name]()
    module = relax.transform.LambdaLift()(made.module)
    if made.system_lib:
        module = module.with_attr("system_lib_prefix", f"artcheck_pair_{name.replace('-', '_')}_")
    with target:
        executable = relax.build(module, target, exec_mode=made.mode,
                                 system_lib=made.system_lib or None)
    library = folder / "library.so"
    if made.system_lib:
        archive = folder / "objects.tar"
        executable.export_library(str(archive))
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "objects", filter="data")
        objects = sorted(str(path) for path in (folder / "objects").rglob("*.o"))
        ffi = next((Path(tvm.__file__).parents[1] / "tvm_ffi" / "lib").glob("libtvm_ffi.so"))
        subprocess.run(["g++", "-shared", "-o", str(library), *objects, str(ffi)], check=True)
    elif made.bare:
        library = folder / "library.vm"
        executable.mod.write_to_file(str(library), "relax.VMExecutable")
    else:
        executable.export_library(str(library))
    plan = {"calls": made.calls, "devices": made.devices, "provides": made.provides,
            "system_lib": made.system_lib, "bare": made.bare,
            "system_lib_prefix": f"artcheck_pair_{name.replace(chr(45), chr(95))}_"}
    (folder / "calls.json").write_text(json.dumps(plan))


if __name__ == "__main__":
    main()
