"""Compiles one model for one target with the TVM of the running interpreter.

Runs inside a pinned virtual environment; `build.py` calls it.

    python compile_one.py MODEL DTYPE TARGET CHECKS OUTPUT TOOLS_PYTHON [LIBRARY ...]

CHECKS is `checked`, or `lean` for host code without its argument checks (less
than half the size; one setting of TVM, `tirx.disable_assert`).
"""

import gzip
import io
import sys
import tarfile
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


def without_times(archive: Path) -> None:
    """Repacks a `.tar` (gzip inside, as TVM writes it) without dates and in a fixed order."""
    with tarfile.open(archive) as old:
        members = {m.name: old.extractfile(m).read() for m in old.getmembers() if m.isfile()}
    with (archive.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed,
          tarfile.open(fileobj=packed, mode="w") as new):
        for name in sorted(members):
            info = tarfile.TarInfo(name)
            info.size = len(members[name])
            new.addfile(info, io.BytesIO(members[name]))


def main() -> None:
    model, dtype, target_name, checks, output, tools_python, *libraries = sys.argv[1:]
    spec = targets.SPECS[target_name]
    target = targets.target(spec)
    config = models.load(model)
    mod, metadata = models.build(config, dtype, target)
    mod = pipeline.bound_dimensions(mod, config)
    if spec.system_lib and spec.prefix:
        mod = mod.with_attr("system_lib_prefix", prefix_of(model))
    options = {"tirx.disable_assert": checks == "lean"}
    # NVRTC's callback asks for the current target.
    with target, tvm.transform.PassContext(opt_level=2, config=options):
        executable = relax.build(mod, target, relax_pipeline=pipeline.pipeline(target, metadata),
                                 system_lib=spec.system_lib or None)
    artifact = Path(output)
    artifact.parent.mkdir(parents=True, exist_ok=True)
    if spec.link:
        executable.export_library(str(artifact), 
                                  fcompile=targets.linker(spec, tools_python, libraries))
    else:
        executable.export_library(str(artifact))
        without_times(artifact)
    oracle.write(artifact, executable.mod, "executable before export")
    if target_name == "cpu-x86_64":
        loaded = tvm.runtime.load_module(str(artifact))
        if loaded["as_text"]() != executable.mod["as_text"]():
            raise SystemExit(f"{artifact.name}: the loaded library prints another text")


if __name__ == "__main__":
    main()
