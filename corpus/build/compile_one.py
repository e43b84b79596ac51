"""Compiles one model for one target with the TVM of the running interpreter.

Runs inside a pinned virtual environment; `build.py` calls it.

    python compile_one.py MODEL DTYPE TARGET OUTPUT TOOLS_PYTHON [LIBRARY ...]
"""

import sys
from pathlib import Path

import tvm
from tvm import relax

import models
import oracle
import pipeline
import targets


def prefix_of(model: str) -> str:
    # Longer than seven bytes: module attributes that fit a small string cannot be read back.
    return f"artcheck_{model.replace('-', '_')}_"


def main() -> None:
    model, dtype, target_name, output, tools_python, *libraries = sys.argv[1:]
    spec = targets.SPECS[target_name]
    target = targets.target(spec)
    config = models.load(model)
    mod, metadata = models.build(config, dtype, target)
    mod = pipeline.bound_dimensions(mod, config)
    if spec.system_lib:
        prefix = "" if target_name == "webgpu" else prefix_of(model)
        mod = mod.with_attr("system_lib_prefix", prefix)
    executable = relax.build(mod, target, relax_pipeline=pipeline.pipeline(target, metadata),
                             system_lib=spec.system_lib or None)
    artifact = Path(output)
    artifact.parent.mkdir(parents=True, exist_ok=True)
    if spec.link:
        executable.export_library(str(artifact), 
                                  fcompile=targets.linker(spec, tools_python, libraries))
    else:
        executable.export_library(str(artifact))
    oracle.write(artifact, executable.mod, "executable before export")
    if target_name == "cpu-x86_64":
        loaded = tvm.runtime.load_module(str(artifact))
        if loaded["as_text"]() != executable.mod["as_text"]():
            raise SystemExit(f"{artifact.name}: the loaded library prints another text")


if __name__ == "__main__":
    main()
