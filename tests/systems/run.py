#!/usr/bin/env python3
"""Runs other systems' stacks on Linux and holds artcheck's predictions against them.

    python3 tests/systems/run.py --build                     # programs and libraries, once
    python3 tests/systems/run.py --artcheck PROGRAM [--system NAME] [--part NAME,NAME]
    python3 tests/systems/page.py                            # the tables of docs/systems.md

Parts: registry, set, message (the loader); own, pair, repair (rows of matrix.toml). The
results of a part replace its earlier ones in results/SYSTEM.jsonl. The exit status is 1 where
something is wrong.
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import loading
import rows
from systems import ROOT, SYSTEMS, ZIG, environment, words_of

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
PARTS = ("registry", "set", "message", "own", "pair", "repair")
# Who builds shims for the system. For Windows there are none.
SHIM_COMPILER = {"aarch64": {"CXX": "aarch64-linux-gnu-g++"}, "macos": {"CXX": " ".join([*ZIG, "c++"])},
                 "windows": {}}
EMULATED = ["--features", "macho-host", "--locked"]


def build(systems) -> None:
    """The program that runs rows, and the libraries."""
    for system in systems:
        if system.name == "macos":
            for what in (["-p", "artcheck-metal-sim", "--example", "macos_program"], []):
                subprocess.run(["cargo", "build", *EMULATED, *what], cwd=ROOT, check=True)
            continue
        zig = system.name == "windows"
        linker = {} if zig else {
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER": "aarch64-linux-gnu-gcc"}
        command = ["cargo", "zigbuild" if zig else "build", "--locked", "--target", system.target,
                   "-p", "artcheck-verify", "--example", "verify"]
        subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **linker})
        if system.name == "windows":
            beside = ROOT / "target" / system.target / "debug" / "examples" / "bcryptprimitives.dll"
            subprocess.run([*system.compiler, "-shared", "-O1", "-o", beside,
                            HERE / "bcryptprimitives.c", "-ladvapi32"], check=True)
    for script in ("corpus/build/build.py --systems", "tests/systems/variants.py"):
        subprocess.run([sys.executable, *script.split()], cwd=ROOT, check=True)


def results(artcheck, system, part, work, earlier):
    if part == "repair":
        broken = {(line["library"], line["on"]) for line in earlier
                  if line.get("part") == "pair" and line["really"] == "failed"}
        return rows.repairs(artcheck, system, broken, SHIM_COMPILER[system.name])
    if part == "pair":
        return rows.pairs(artcheck, system, work)
    if part == "own":
        return rows.own(artcheck, system)
    return {"registry": loading.registry, "set": loading.sets,
            "message": loading.messages}[part](artcheck, system, work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--artcheck", type=Path)
    parser.add_argument("--system", choices=SYSTEMS)
    parser.add_argument("--part", default=",".join(PARTS))
    args = parser.parse_args()
    systems = [SYSTEMS[args.system]] if args.system else list(SYSTEMS.values())
    if args.build:
        return build(systems)
    artcheck = args.artcheck.resolve()
    wrong = 0
    for system in systems:
        if shutil.which(system.emulator[0]) is None:
            print(f"{system.name}: not run: no {system.emulator[0]} on the PATH", file=sys.stderr)
            wrong += 1
            continue
        prefix = Path(environment()["WINEPREFIX"])
        if system.name == "windows" and not (prefix / "system.reg").exists():
            subprocess.run(["wineboot", "-i"], env=environment(), stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        file = RESULTS / f"{system.name}.jsonl"
        text = file.read_text() if file.exists() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        for part in args.part.split(","):
            with tempfile.TemporaryDirectory() as work:
                found = list(results(artcheck, system, part, Path(work), lines))
            made = {"part": "made", "of": part, "system": system.name,
                    "date": datetime.date.today().isoformat(), "with": words_of(system.version),
                    "command": f"python3 tests/systems/run.py --artcheck target/debug/artcheck "
                               f"--system {system.name} --part {part}"}
            lines = [line for line in lines if part not in (line["part"], line.get("of"))]
            lines += [made, *found]
            file.write_text("".join(json.dumps(line) + "\n" for line in lines))
            bad = [line for line in found if line.get("judged") == "wrong"
                   or line.get("only_read") or line.get("only_listed")]
            for line in bad:
                print(f"wrong: {json.dumps(line)}")
            print(f"{system.name} {part}: {len(found)} results, {len(bad)} wrong", flush=True)
            wrong += len(bad)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
