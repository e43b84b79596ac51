"""`artcheck fix` on every pair of the table that breaks: does what it repairs run?

    python repair.py --artcheck PROGRAM --folder FOLDER --results FILE [--only KIND,KIND]

FOLDER and FILE are those of `run.py`. Each breaking library is repaired for the
environment it breaks on, into a folder of its own; what `fix` ends with 0 for is driven
there, with the shim where there is one, and held against the release that built it. The
last line counts; the exit status is 1 where `fix` ends with 0 and the result is broken.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import run


def repair(artcheck, source, target, runtime, provides):
    """The status of `fix`, and its last words."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("objects*"))
    library = next(path for path in target.iterdir() if path.name.startswith("library."))
    command = [artcheck, "fix", library, "--runtime", run.environment(runtime), "--apply",
               "--in-place", "--shim-out", target / "shim.so"]
    for name in provides:
        command += ["--provides", name]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    return out.returncode, (out.stderr or out.stdout).strip().splitlines()[-1:]


def judged(args, folder, pair, own):
    kind, by, on = pair
    source = args.folder / by / kind
    target = folder / f"{by}-{on}-{kind}"
    provides = json.loads((source / "calls.json").read_text())["provides"]
    status, words = repair(args.artcheck, source, target, on, provides)
    if status != 0:
        return "refused", status, words
    shim = target / "shim.so"
    stages = run.run(target, on, preload=shim if shim.exists() else None)
    broken = run.reality(stages, own)
    return ("broken" if broken else "runs"), status, [broken or ""]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artcheck", required=True, type=Path)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--results", required=True, type=Path)
    parser.add_argument("--only")
    args = parser.parse_args()
    args.artcheck, args.folder = args.artcheck.resolve(), args.folder.resolve()
    lines = [json.loads(line) for line in args.results.read_text().splitlines()]
    chosen = args.only.split(",") if args.only else None
    pairs = [(line["kind"], line["built"], line["on"]) for line in lines
             if line.get("verdict") in ("breaks", "undecided")
             and (chosen is None or line["kind"] in chosen)]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(run.JOBS) as pool:
        built = sorted({pair[:2] for pair in pairs})
        owns = dict(zip(built, pool.map(lambda b: run.run(args.folder / b[1] / b[0], b[1]),
                                        built)))
        found = list(pool.map(lambda p: judged(args, Path(folder), p, owns[p[:2]]), pairs))
    for (kind, by, on), (word, status, why) in zip(pairs, found):
        print(f"{word:8} {status} {kind} of {by} on {on}: {' '.join(why)[:150]}")
    counts = {word: sum(one[0] == word for one in found) for word in ("runs", "refused", "broken")}
    print(f"{len(pairs)} pairs: {counts['runs']} run after the repair, "
          f"{counts['refused']} refused or not decided, {counts['broken']} broken")
    sys.exit(1 if counts["broken"] or not pairs else 0)


if __name__ == "__main__":
    main()
