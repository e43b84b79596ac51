"""Builds kinds as bytecode and as compiled VM functions, for x86-64 and AArch64.

    python both_modes.py FOLDER KIND...

writes FOLDER/KIND-ARCHITECTURE-MODE.so, where this TVM can compile it. AArch64 is linked
by `aarch64-linux-gnu-g++`.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "corpus" / "build")]

import tvm  # noqa: E402
from tvm import relax  # noqa: E402

from kinds import KINDS  # noqa: E402

TARGETS = {"x86_64": ({"mcpu": "x86-64-v2"}, {}),
           "aarch64": ({}, {"cc": "aarch64-linux-gnu-g++"})}


def build(name, architecture, mode, path):
    more, link = TARGETS[architecture]
    target = tvm.target.Target({"kind": "llvm", "opt-level": 1,
                                "mtriple": f"{architecture}-unknown-linux-gnu", **more})
    with target:
        made = KINDS[name]()
    module = relax.transform.LambdaLift()(made.module)
    with target:
        executable = relax.build(module, target, exec_mode=mode)
    executable.export_library(str(path), **link)


def main():
    folder, *names = sys.argv[1:]
    for name in names:
        for architecture in TARGETS:
            for mode in ("bytecode", "compiled"):
                path = Path(folder) / f"{name}-{architecture}-{mode}.so"
                try:
                    build(name, architecture, mode, path)
                except Exception as error:  # noqa: BLE001 - said, and not compared
                    print(f"{path.name}: {type(error).__name__}", file=sys.stderr)


if __name__ == "__main__":
    main()
