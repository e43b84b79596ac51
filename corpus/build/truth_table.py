#!/usr/bin/env python3
"""Runs x86-64 CPU artifacts on each real runtime, each pair in a process of its own.

    python3 corpus/build/truth_table.py [TEXT]

prints one line per pair; `results()` gives them to manifest.py. A result is

    runs         through the last stage
    <stage>-error  the runtime refused at that stage, with its words
    crash        a signal, with its name and the last stage that was reached
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
ARTIFACTS = HERE.parent / "artifacts"
sys.path.insert(0, str(HERE))

from build import VERSIONS, cache_root, interpreter  # noqa: E402

TIME_LIMIT = 120


def run(artifact: Path, version: str) -> dict:
    """The outcome of one pair; kept by content, since runs are slow."""
    seen = hashlib.sha256(artifact.read_bytes() + (HERE / "run_pair.py").read_bytes()).hexdigest()
    kept = cache_root() / "truth" / f"{seen}-{version}.json"
    if kept.is_file():
        return json.loads(kept.read_text())
    outcome = run_now(artifact, version)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(outcome))
    return outcome


def run_now(artifact: Path, version: str) -> dict:
    command = [interpreter(f"tvm-{version}"), str(HERE / "run_pair.py"), str(artifact)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT,
                              env={**os.environ, "TVM_NUM_THREADS": "1"})
    except subprocess.TimeoutExpired:
        return {"result": "timeout", "stage": ""}
    stages = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"stage"')]
    last = stages[-1] if stages else {"stage": "start", "ok": True}
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return {"result": "crash", "signal": name, "stage": last["stage"]}
    if not last["ok"]:
        return {"result": f"{last['stage']}-error", "error": last["error"]}
    if done.returncode:
        raise SystemExit(f"{artifact} on {version}: the runner itself failed\n{done.stderr}")
    return {"result": "runs", "stage": last["stage"]}


def results(artifacts) -> dict:
    pairs = [(a, v) for a in artifacts for v in VERSIONS]
    with ThreadPoolExecutor(2) as pool:
        done = pool.map(lambda pair: run(*pair), pairs)
        return {(a, v): outcome for (a, v), outcome in zip(pairs, done)}


def main() -> None:
    text = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = sorted(p for p in ARTIFACTS.glob("*/*cpu-x86_64*.so") if text in str(p))
    for (artifact, version), outcome in results(chosen).items():
        words = {k: v for k, v in outcome.items() if k != "result"}
        print(f"{artifact.relative_to(ARTIFACTS)} on {version}: {outcome['result']} {words}")


if __name__ == "__main__":
    main()
