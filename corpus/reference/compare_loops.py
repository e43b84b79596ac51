#!/usr/bin/env python3
"""`artcheck verify` and TVM's own Python loop in turn, on the same library: who is faster.

    python compare_loops.py ARTCHECK RUNTIME LIBRARY REFERENCE.json#CASE
                            [--device cuda] [--entry batch|single] [--pairs N]
                            [--python PYTHON] [--tolerance X] [--model NAME]

RUNTIME is the folder, wheel or virtual environment that `verify` loads; PYTHON has
tvm (of the same version) and NumPy. Both decode 64 tokens of one sequence with weights
random:7, once, after two warm-up runs. One JSON line per pair and entry, then the
medians; exit status 1 if a median ratio is below 1.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

MATRIX = """
schema = 1
[runtimes.runtime]
paths = [{runtime}]
[[row]]
name = "loop"
model = "loop"
library = {library}
weights = "random:7"
device = {device}
entry = {entry}
runtime = "runtime"
max_tokens = 64
follow_reference = {follow}
warmup = 2
time_limit = 300
prompt = [{{ expect = {{ reference = {reference}, logits_tolerance = {tolerance} }} }}]
"""


def verify(args, entry, follow):
    fields = {"runtime": args.runtime.resolve(), "library": args.library.resolve(),
              "device": args.device, "entry": entry, "reference": args.reference}
    text = MATRIX.format(**{k: json.dumps(str(v)) for k, v in fields.items()}, tolerance=args.tolerance, follow=str(follow).lower())
    with tempfile.TemporaryDirectory() as folder:
        matrix = Path(folder) / "matrix.toml"
        matrix.write_text(text)
        done = subprocess.run([args.artcheck, "verify", matrix, "--format", "json"],
                              capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"verify ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)["rows"][0]["figures"]


class Python:
    """The other loop, loaded once and run on demand."""

    def __init__(self, args):
        command = [args.python, HERE / "python_loop.py", args.library, args.reference,
                   "--device", args.device, "--runs", "1", "--on-demand"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def run(self, entry):
        self.process.stdin.write(entry + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        return json.loads(line) if line else sys.exit("python_loop.py ended early")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("artcheck", "runtime", "library"):
        parser.add_argument(name, type=Path)
    parser.add_argument("reference")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--entry", choices=["batch", "single"], action="append")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--tolerance", type=float, default=0.1)
    parser.add_argument("--model", default="", help="a name for the lines")
    args = parser.parse_args()
    file, case = args.reference.rsplit("#", 1)
    args.reference = f"{Path(file).resolve()}#{case}"
    # Margins mark references whose close calls a 16-bit library may decide otherwise.
    follow = "margins" in json.loads(Path(file).read_text())["cases"][case]
    slower, python = False, Python(args)
    for entry in args.entry or ["batch", "single"]:
        python.run(entry)  # loads, if it has not yet
        pairs = []
        for index in range(args.pairs):
            # Whoever comes second finds a warmer machine: take turns.
            order = [(0, lambda: verify(args, entry, follow)), (1, lambda: python.run(entry))]
            found = {who: run() for who, run in (order if index % 2 == 0 else order[::-1])}
            pair = {"model": args.model, "entry": entry, "artcheck": found[0]["tokens_per_second"],
                    "python": found[1]["tokens_per_second"],
                    "artcheck_host": found[0]["host_seconds_per_step"],
                    "python_host": found[1]["host_seconds_per_step"]}
            pair["ratio"] = pair["artcheck"] / pair["python"]
            pairs.append(pair)
            print(json.dumps(pair), flush=True)
        median = {key: statistics.median(p[key] for p in pairs) for key in pairs[0]
                  if key not in ("entry", "model")}
        print(json.dumps({"model": args.model, "entry": entry, "median_of": len(pairs), **median}), flush=True)
        slower |= median["ratio"] < 1
    python.end()
    sys.exit(1 if slower else 0)


if __name__ == "__main__":
    main()
