"""Builds kinds as bytecode and as compiled VM functions, for x86-64 and AArch64.

    python both_modes.py FOLDER KIND...

writes FOLDER/KIND-ARCHITECTURE-MODE.so, where this TVM can compile it. AArch64 is linked
by `aarch64-linux-gnu-g++`. A kind `model-NAME` is a model of the corpus, whole.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1] / "corpus" / "build")]

import tvm  # noqa: E402
from tvm import relax  # noqa: E402

import models  # noqa: E402
import pipeline  # noqa: E402
from kinds import KINDS, wrong  # noqa: E402,F401

TARGETS = {"x86_64": ({"mcpu": "x86-64-v2"}, {}),
           "aarch64": ({}, {"cc": "aarch64-linux-gnu-g++"})}


def model(name, target):
    """A model of the corpus, as that is compiled."""
    config = models.load(name)
    module, metadata = models.build(config, "float32", target)
    return pipeline.bound_dimensions(module, config), pipeline.pipeline(target, metadata)


def build(name, architecture, mode, path):
    more, link = TARGETS[architecture]
    target = tvm.target.Target({"kind": "llvm", "opt-level": 1,
                                "mtriple": f"{architecture}-unknown-linux-gnu", **more})
    options = {}
    with target:
        if name.startswith("model-"):
            module, options["relax_pipeline"] = model(name.removeprefix("model-"), target)
        else:
            module = relax.transform.LambdaLift()(KINDS[name]().module)
    lean = {"tirx.disable_assert": True} if options else {}
    with target, tvm.transform.PassContext(opt_level=2, config=lean):
        executable = relax.build(module, target, exec_mode=mode, **options)
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
