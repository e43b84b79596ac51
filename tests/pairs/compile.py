"""Builds one kind with the TVM of the running interpreter.

    python compile.py KIND FOLDER

writes FOLDER/library.so (or `library.vm`, a bare executable) and FOLDER/calls.json.
A system library is the objects, linked into a shared library as an application would.
"""

import json
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


def main():
    name, folder = sys.argv[1:]
    folder = Path(folder)
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
