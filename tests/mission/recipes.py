#!/usr/bin/env python3
"""Runs the recipes of docs/verify.md from a fresh clone, as they are written.

    python3 tests/mission/recipes.py [--artcheck FILE] [--heavy]

Clones this repository into a temporary folder and goes through the `console` blocks of
docs/verify.md there. Each line is run by one shell, so that what is exported stays. What
cannot run here is printed with the reason: checkpoints and mlc-llm, a GPU, placeholders.
`--heavy` also runs what takes more than a few minutes (full-size models). Exit status 1 if
a command fails that should not.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Why a line is not run here: the first pattern that it matches.
NOT_HERE = [
    (r"…", "a placeholder"),
    (r"huggingface|mlc_llm|\$M/|shift_positions|^M=|rt/bin/pip|--runtime rt", "needs a checkpoint and mlc-llm"),
    (r"dist/", "an example's file"),
    (r"--device cuda|full_size\.py|compare_loops|--only .*cuda|--group build", "needs a GPU, or is for one"),
    (r"mission\.toml", "needs the models"),
]
HEAVY = r"--large|mission\.py|metal-sim"
# `verify` says 3 where no row could run.
ALLOWED = {0}


def commands(text):
    """The lines of console blocks; a backslash continues one."""
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for line in block.replace("\\\n", " ").splitlines():
            line = re.sub(r"\s#.*", "", line).strip()
            if line:
                yield line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artcheck", type=Path, help="the program; built in the clone if absent")
    parser.add_argument("--heavy", action="store_true")
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        clone, tools = Path(folder) / "clone", Path(folder) / "bin"
        subprocess.run(["git", "clone", "-q", ROOT, clone], check=True)
        tools.mkdir()
        if args.artcheck is None:
            subprocess.run(["cargo", "build", "-q"], cwd=clone, check=True)
        (tools / "artcheck").symlink_to((args.artcheck or clone / "target/debug/artcheck").resolve())
        # The documents' `python` has NumPy.
        python = Path(subprocess.run([sys.executable, "tools/parts.py", "--where"], cwd=clone, check=True,
                                     capture_output=True, text=True).stdout.strip())
        wrapper = tools / "python"
        wrapper.write_text(f'#!/bin/sh\nexec {python}/venv/tools/bin/python "$@"\n')
        wrapper.chmod(0o755)
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        shell = subprocess.Popen(["bash"], cwd=clone, env=environment, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in commands((clone / "docs/verify.md").read_text()):
            reason = next((why for pattern, why in NOT_HERE if re.search(pattern, line)), None)
            if reason is None and not args.heavy and re.search(HEAVY, line):
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
            status = int(found.group(1))
            failed += status not in ALLOWED
            print(f"{'ran' if status in ALLOWED else 'FAILED'}       {line}\n          {last}", flush=True)
        shell.stdin.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
