#!/usr/bin/env python3
"""Builds the corpus: every real artifact and what TVM says of it, version by version.

    python3 corpus/build/build.py [--only TEXT] [--list]
    python3 corpus/build/build.py --simulated    # what only tests run, into the cache
    python3 corpus/build/build.py --systems      # what tests/systems runs, into the cache

Needs the virtual environments of tools/parts.toml (`python3 tools/parts.py`).
Each artifact is compiled in a process of its own, because some combinations
crash the compiler; a failure is reported and the rest goes on.
`--only` keeps the artifacts whose path contains TEXT.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ARTIFACTS = HERE.parent / "artifacts"
sys.path.insert(0, str(HERE))
sys.path.insert(0, str(HERE.parents[1] / "tools"))

import targets  # noqa: E402
from parts import cache_root  # noqa: E402

VERSIONS = ("0.25", "0.26", "0.27")
NEWER = ("0.26", "0.27")
FFI = {"0.25": "0.1.12", "0.26": "0.1.13.post2", "0.27": "0.1.15.post2"}

# (model, dtype, target, checks, TVM versions); compile_one.py says what checks are.
MODELS = ("dense", "hybrid", "embedding")
PLAN = [
    *((model, "float32", "cpu-x86_64", "checked", VERSIONS)
      for model in ("extcall", "embedding")),
    ("dense", "float32", "cpu-x86_64", "checked", ("0.27",)),
    ("dense", "float32", "cpu-x86_64", "lean", ("0.25", "0.26")),
    *((model, "float32", "cpu-x86_64", "lean", VERSIONS)
      for model in ("dense-ext", "hybrid", "recurrent")),
    ("dense", "float16", "cpu-x86_64", "lean", ("0.27",)),
    ("dense", "q4f16_1", "cpu-x86_64", "lean", NEWER),
    *((model, "q4f16_1", "cpu-x86_64", "lean", ("0.26",)) for model in ("hybrid", "embedding")),
    ("dense", "q4f16_1", "metal-linux-x86_64", "lean", ("0.26",)),
    ("dense", "float16", "metal-linux-x86_64", "lean", ("0.26",)),
    ("dense", "float32", "metal-macos-arm64", "lean", NEWER),
    ("hybrid", "float32", "metal-macos-arm64", "lean", ("0.26",)),
    ("embedding", "float32", "metal-macos-arm64", "checked", ("0.27",)),
    ("embedding", "float32", "metal-macos-arm64", "lean", ("0.25", "0.26")),
    *((model, "float32", "metal-linux-x86_64", "lean", ("0.26",)) for model in MODELS),
    ("embedding", "float32", "metal-linux-x86_64", "lean", ("0.27",)),
    *((model, "float32", "cuda-x86_64", "lean", ("0.26",)) for model in MODELS),
    ("embedding", "float32", "cuda-x86_64", "lean", ("0.27",)),
    ("extcall", "float32", "cpu-ios", "checked", VERSIONS),
    ("embedding", "float32", "metal-ios", "checked", VERSIONS),
    ("embedding", "float32", "cpu-aarch64", "lean", VERSIONS),
    ("extcall", "float32", "cpu-macos-arm64", "checked", ("0.25", "0.27")),
    ("extcall", "float32", "cpu-windows-x64", "checked", ("0.27",)),
    ("embedding", "float32", "cpu-windows-x64", "lean", ("0.27",)),
    ("encoder", "float32", "cpu-x86_64", "lean", ("0.26",)),
    ("embedding", "float32", "opencl-x86_64", "lean", ("0.27",)),
    ("embedding", "float32", "webgpu", "lean", ("0.25", "0.27")),
]

# Larger than the corpus may be: built by name only, into the folder --to names.
# `part-` models have one layer of each kind.
DECODERS = ("qwen3-0.6b", "qwen3.5-0.8b")
WHOLE = ("qwen3-8b", "qwen3.5-2b", "qwen3.5-4b", "qwen3.5-9b")
ON_CPU = ("metal-linux-x86_64", "metal-macos-arm64", "cpu-x86_64-v3")
LARGE = [
    ("qwen3-0.6b", "float16", "cuda-x86_64", "lean", ("0.26",)),
    *((model, "q4f16_1", "cuda-x86_64", "lean", ("0.26",)) for model in (*DECODERS, *WHOLE)),
    *((model, "q4f16_1", target, "lean", ("0.26",))
      for model in (*DECODERS, *(f"part-{model}" for model in WHOLE)) for target in ON_CPU),
    *(("bge-m3", "float16", target, "lean", ("0.26",)) for target in ("cuda-x86_64", *ON_CPU)),
]


# Libraries that the corpus has no room for: for the simulated Metal device, for a Mac's
# runtime in the emulator, and the real encoder's. They are kept in the cache beside the
# runtimes, where matrix/corpus.toml and matrix/macos-stack.toml look for them.
SIMULATED = [
    *((model, dtype, target, "lean", ("0.26",))
      for model in MODELS for dtype in ("float16", "q4f16_1")
      for target in ("metal-linux-x86_64", "metal-macos-arm64")
      if model != "dense" or target == "metal-macos-arm64"),
    *((model, "float32", "cpu-macos-arm64", "lean", ("0.27",))
      for model in (*MODELS, "recurrent")),
    *(("minilm-l6", "float32", target, "lean", ("0.26",))
      for target in ("cpu-x86_64", "metal-linux-x86_64", "metal-macos-arm64")),
]

# The CPU corpus for the systems that `tests/systems` runs, in the same cache.
SYSTEMS = [(model, "float32", target, "lean", VERSIONS)
           for target in ("cpu-aarch64", "cpu-windows-x64", "cpu-macos-arm64")
           for model in ("extcall", "dense", "dense-ext", "hybrid", "recurrent", "embedding")]


def artifact_name(model, dtype, target):
    short = {"float32": "", "float16": "-f16", "q4f16_1": "-q4"}[dtype]
    return f"{model}{short}-{target}{targets.SPECS[target].suffix}"


def jobs(plan=PLAN):
    for model, dtype, target, checks, versions in plan:
        for version in versions:
            path = f"tvm-{version}/{artifact_name(model, dtype, target)}"
            yield path, version, model, dtype, target, checks


def interpreter(venv: str) -> str:
    return str(cache_root() / "venv" / venv / "bin" / "python")


def cuda_environment(version: str) -> dict:
    """A stub driver, libcudart, NVRTC and the headers, from the `cuda-pieces` environment."""
    venvs = cache_root() / "venv"
    (site,) = (venvs / "cuda-pieces" / "lib").glob("python3*/site-packages")
    (runtime,) = (venvs / f"tvm-{version}" / "lib").glob(
        "python3*/site-packages/tvm/lib/libtvm_runtime_cuda.so")
    folder = cache_root() / "cuda-stub" / f"tvm-{version}"
    subprocess.run([interpreter("tools"), str(HERE / "cuda_stub.py"), str(folder), str(runtime),
                    str(site)], check=True)
    return {"LD_LIBRARY_PATH": str(folder / "lib"), "CUDA_PATH": str(folder / "toolkit"),
            "PYTHONPATH": str(site)}


def compile_job(job, folder: Path = ARTIFACTS) -> tuple[str, str]:
    path, version, model, dtype, target, checks = job
    command = [interpreter(f"tvm-{version}"), str(HERE / "compile_one.py"), model, dtype, target,
               checks, str(folder / path), interpreter("tools")]
    if "windows" in target:
        ffi = f"tvm-ffi-{FFI[version]}-windows-x64"
        command.append(str(cache_root() / "unpacked" / ffi / "tvm_ffi" / "lib" / "tvm_ffi.lib"))
    environment = {**os.environ, "PYTHONHASHSEED": "0", "TVM_NUM_THREADS": "1"}
    if "cuda" in target:
        environment |= cuda_environment(version)
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode == 0:
        return path, ""
    words = done.stderr.strip().splitlines()[-3:] or [f"signal {-done.returncode}"]
    return path, f"exit {done.returncode}: " + " | ".join(words)


def sources_hash() -> str:
    """Changes when the models, the way they are compiled or the pinned parts do."""
    names = ("compile_one", "pipeline", "targets")
    files = [*(HERE / f"{name}.py" for name in names), *sorted(HERE.glob("models/*.py")),
             HERE.parent / "models.toml", HERE.parents[1] / "tools" / "parts.toml"]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def built_before(job, folder: Path) -> bool:
    """True if these sources built it, with everything as it is now."""
    stamp = folder / f"{job[0]}.built-from"
    artifact = folder / job[0]
    return artifact.is_file() and stamp.is_file() and stamp.read_text() == sources_hash()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--large", action="store_true", help="the plan of large libraries instead")
    parser.add_argument("--simulated", action="store_true",
                        help="the plan for the simulated Metal device, into the cache")
    parser.add_argument("--systems", action="store_true",
                        help="the plan for arm64 Linux, Windows and macOS, into the cache")
    parser.add_argument("--to", type=Path, help="folder; the corpus (or the cache) if absent")
    args = parser.parse_args()
    if args.large and args.to is None:
        parser.error("--large needs --to: the corpus takes no large files")
    cached = args.simulated or args.systems
    args.to = args.to or (cache_root() / "built" if cached else ARTIFACTS)
    plan = (LARGE if args.large else SIMULATED if args.simulated
            else SYSTEMS if args.systems else PLAN)
    chosen = [job for job in jobs(plan) if args.only in job[0]]
    if cached:
        chosen = [job for job in chosen if not built_before(job, args.to)]
    if args.list:
        print("\n".join(job[0] for job in chosen))
        return
    failures = 0
    with ThreadPoolExecutor(2) as pool:
        for path, error in pool.map(lambda job: compile_job(job, args.to), chosen):
            size = (args.to / path).stat().st_size if not error else 0
            print(f"{path}: {error or f'{size} bytes'}", flush=True)
            if cached and not error:
                (args.to / f"{path}.built-from").write_text(sources_hash())
            failures += bool(error)
    if args.simulated:
        script = HERE.parent / "reference" / "real_encoder.py"
        failures += bool(subprocess.run([interpreter("tools"), str(script)]).returncode)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
