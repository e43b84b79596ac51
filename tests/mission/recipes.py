#!/usr/bin/env python3
"""Runs the recipes of README.md and docs from a fresh clone, as they are written.

    python3 tests/mission/recipes.py [--artcheck FILE] [--heavy] [DOCUMENT...]

Clones this repository into a temporary folder and goes through the `console` blocks of
the documents there. Each document has one shell, so that what is exported stays, and the
files that its examples speak of: a model library in `dist`, its weights, an environment.
What cannot run here is printed with the reason: checkpoints and mlc-llm, a GPU, what the
reader has. `--heavy` also runs what takes more than a few minutes (full-size models,
whole matrices). Exit status 1 if a command fails that should not.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Why a line is not run here: the first pattern that it matches.
NOT_HERE = [
    (r"…|TEXT|DIR\b", "a placeholder"),
    (r"huggingface|mlc_llm|\$M/|shift_positions|^M=|rt/bin/pip|--runtime rt", "needs a checkpoint and mlc-llm"),
    (r"--device cuda|full_size\.py|compare_loops|--only .*cuda|--group build", "needs a GPU, or is for one"),
    (r"--device metal( |$)", "needs a Mac"),
    (r"mission\.toml", "needs the models"),
    (r"run\.py 2>&1|\bclient\b", "a program of the reader's"),
    (r"--tvm ", "needs a checkout of TVM"),
    (r"podman|^pipx run|\bbrew\b|artcheck\.rb", "what a release publishes"),
    (r"^cargo |tests/run|web/|http\.server", "is what CI does in steps of its own"),
]
HEAVY = r"--large|mission\.py|metal-sim|differential"
# Beside 0: findings are what some examples show.
FOUND = re.compile(r"artcheck scan .*(dist|corpus)")


def stage(clone, parts):
    """The reader's files that examples name."""
    shutil.copytree(clone / "corpus/trained/dense", clone / "dist/qwen3-weights")
    artifacts = clone / "corpus/artifacts"
    shutil.copy(artifacts / "tvm-0.27/dense-cpu-x86_64.so", clone / "dist/qwen3.so")
    shutil.copy(artifacts / "synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so", clone / "model.so")
    for name in (".venv", "venv"):
        (clone / name).symlink_to(parts / "venv/tvm-0.27")


def commands(text):
    """The lines of console blocks; a backslash continues one. Blocks with a prompt show what
    comes out, and tests/all/readme.rs compares that."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        if block.startswith("$ "):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"(^|\s)#.*", "", line).strip()
            if line:
                yield line


def allowed(line):
    """Statuses that are no fault: findings are what some examples show."""
    return {0, 1} if FOUND.search(line) else {0}


def run(document, clone, environment, heavy):
    """How many commands of a document fail."""
    failed = 0
    shell = subprocess.Popen(["bash"], cwd=clone, env=environment, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in commands(document.read_text()):
        reason = next((why for pattern, why in NOT_HERE if re.search(pattern, line)), None)
        if reason is None and not heavy and re.search(HEAVY, line):
            reason = "takes long: --heavy"
        if reason is not None:
            print(f"not here  {line}\n          {reason}")
            continue
        shell.stdin.write(f"{line}\necho \"<status $?>\"\n")
        shell.stdin.flush()
        last = ""
        for said in shell.stdout:
            if found := re.match(r"<status (\d+)>", said):
                break
            last = said.strip() or last
        fine = int(found.group(1)) in allowed(line)
        failed += not fine
        print(f"{'ran' if fine else 'FAILED'}       {line}\n          {last}", flush=True)
    shell.stdin.close()
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artcheck", type=Path, help="the program; built in the clone if absent")
    parser.add_argument("--heavy", action="store_true")
    parser.add_argument("document", nargs="*", help="README.md and those of docs, if none is named")
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        clone, tools = Path(folder) / "clone", Path(folder) / "bin"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        tools.mkdir()
        if args.artcheck is None:
            subprocess.run(["cargo", "build", "-q"], cwd=clone, check=True)
        (tools / "artcheck").symlink_to((args.artcheck or clone / "target/debug/artcheck").resolve())
        parts = Path(subprocess.run([sys.executable, "tools/parts.py", "--where"], cwd=clone, check=True,
                                    capture_output=True, text=True).stdout.strip())
        # The documents' `python` has NumPy.
        wrapper = tools / "python"
        wrapper.write_text(f'#!/bin/sh\nexec {parts}/venv/tools/bin/python "$@"\n')
        wrapper.chmod(0o755)
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        stage(clone, parts)
        documents = [clone / name for name in args.document]
        for document in documents or [clone / "README.md", *sorted(clone.glob("docs/*.md"))]:
            print(f"== {document.relative_to(clone)}")
            failed += run(document, clone, environment, args.heavy)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
