"""Runs artcheck and other tools in turn over one tree and prints the ratios.

compare.py ARTCHECK TREE LIEF_PYTHON [RUNS]

Each tool is paired with artcheck: A B A B ... after one run of each that is not
counted, so that a change in the machine's speed meets both. CPU time and peak
memory are what the system accounts for the finished child and its children.
"""

import os
import statistics
import subprocess
import sys
import time

JOBS = "2"
HERE = os.path.dirname(os.path.abspath(__file__))


def run(command):
    """Wall and CPU seconds, and peak KiB of the largest process."""
    with open(os.devnull, "wb") as sink:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=sink, stderr=sink)
        _, _, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
    child.returncode = 0
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss


def pair(ours, theirs, runs):
    run(ours)
    run(theirs)
    return [(run(ours), run(theirs)) for _ in range(runs)]


def row(name, pairs):
    def median(pick):
        return statistics.median(pick(a, b) for a, b in pairs)

    return (
        f"| {name} | {len(pairs)} "
        f"| {median(lambda a, b: a[1]) * 1e3:.0f} ms | {median(lambda a, b: b[1]) * 1e3:.0f} ms "
        f"| **{median(lambda a, b: b[1] / a[1]):.1f}x** | {median(lambda a, b: b[0] / a[0]):.1f}x "
        f"| {max(a[2] for a, _ in pairs) >> 10} MiB | {max(b[2] for _, b in pairs) >> 10} MiB |"
    )


def main():
    artcheck, tree, lief_python = sys.argv[1:4]
    runs = int(sys.argv[4]) if len(sys.argv) > 4 else 11
    files = sorted(
        os.path.join(folder, name) for folder, _, names in os.walk(tree) for name in names
    )
    total = sum(os.path.getsize(path) for path in files)
    print(f"{len(files)} files, {total / 1e9:.2f} GB, {JOBS} threads\n")
    ours = [artcheck, "scan", "--jobs", JOBS, tree]
    listed = f"find '{tree}' -type f -print0 | xargs -0 -n 8 -P {JOBS} "
    others = [
        ("`rg -a -c tirx`", ["rg", "-j", JOBS, "-a", "-c", "tirx", tree], runs),
        ("`rg --mmap -a -c tirx`", ["rg", "-j", JOBS, "--mmap", "-a", "-c", "tirx", tree], runs),
        ("`llvm-nm`", ["sh", "-c", listed + "llvm-nm"], runs),
        ("`llvm-nm -D`", ["sh", "-c", listed + "llvm-nm -D"], runs),
        (
            "LIEF (Python)",
            [lief_python, os.path.join(HERE, "lief_parse.py"), JOBS, *files],
            max(3, runs // 3),
        ),
    ]
    print("| other tool | pairs | artcheck CPU | its CPU | CPU ratio | wall ratio | artcheck peak | its peak |")
    print("|---|---|---|---|---|---|---|---|")
    for name, command, count in others:
        print(row(name, pair(ours, command, count)), flush=True)


main()
