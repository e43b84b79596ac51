"""The pairs table: kinds of programs, built by each release, run on each, and what a scan says.

    python run.py --artcheck PROGRAM [--only KIND,KIND] [--folder FOLDER] [--out FILE]

Every library is loaded and run for real, each pair in a process of its own, and held
against the same library on the release that built it. A verdict is right where it says
"fits" and the answers are the same, "breaks" and they are not, or "undecided". The last
line counts; the exit status is 1 where a verdict is wrong. FILE gets one JSON line a pair.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("ARTCHECK_CACHE", Path.home() / ".cache" / "artcheck"))
RELEASES = ("tvm-0.25", "tvm-0.26", "tvm-0.27")
BUILD_SECONDS, RUN_SECONDS, JOBS = 300, 120, 2
TOLERANCE = 2e-3


def environment(release):
    return CACHE / "parts" / "venv" / release


def python(release, script, *arguments, seconds, preload=None):
    command = [environment(release) / "bin" / "python", HERE / script, *map(str, arguments)]
    more = {"LD_PRELOAD": str(preload)} if preload else {}
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False,
                          env={**os.environ, **more})


def kinds():
    code = "import sys; sys.path[:0] = sys.argv[1:]; from kinds import KINDS; print(*KINDS)"
    paths = [str(HERE), str(HERE.parents[1] / "corpus" / "build")]
    out = subprocess.run([environment(RELEASES[-1]) / "bin" / "python", "-c", code, *paths],
                         capture_output=True, text=True, check=True)
    return out.stdout.split()


def build(folder, release, kinds):
    """Builds what is not there yet; why a kind could not be built, by kind."""
    missing = [kind for kind in kinds if not (folder / kind / "calls.json").exists()]
    if not missing:
        return {}
    result = python(release, "compile.py", folder, *missing, seconds=BUILD_SECONDS * len(missing))
    lines = map(json.loads, filter(lambda line: line.startswith("{"), result.stdout.splitlines()))
    failures = {line["kind"]: line["failure"] for line in lines}
    for kind in missing:
        if not (folder / kind / "calls.json").exists():
            failures.setdefault(kind, result.stderr.strip()[-200:] or "it ends without a word")
    return failures


def run(folder, release, preload=None):
    """What each stage gave; a death is the last. `preload` is a shim."""
    try:
        result = python(release, "drive.py", folder, seconds=RUN_SECONDS, preload=preload)
    except subprocess.TimeoutExpired:
        return [{"stage": "time", "ok": False, "error": "it takes too long"}]
    stages = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    if result.returncode:
        stages.append({"stage": "process", "ok": False, "error": f"status {result.returncode}"})
    return stages


def close(a, b):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(close, a, b))
    numbers = isinstance(a, float) and isinstance(b, float)
    if numbers and a != a and b != b:
        return True
    return abs(a - b) <= TOLERANCE * max(1.0, abs(b)) if numbers else a == b


def difference(stages, own):
    """The first stage that is not as on the building release, or nothing."""
    for stage, known in zip(stages, own):
        if stage["ok"] != known["ok"]:
            return f"{stage['stage']}: {stage.get('error') or 'works, which it does not there'}"
        if stage["ok"] and not close(stage["value"], known["value"]):
            return f"{stage['stage']}: another answer"
        if not stage["ok"] and " forward " in stage["stage"]:
            # Its tokens are in the cache without keys: what follows reads what is there.
            return None
    return None if len(stages) == len(own) else f"{len(stages)} stages instead of {len(own)}"


def reality(stages, own):
    """What breaks, or nothing: it does not start, nothing that is called works, or it
    answers otherwise than on the release that built it."""
    failed = [stage for stage in stages if not stage["ok"]]
    called = [stage for stage in stages if stage["stage"].split()[-2:-1] == ["call"]
              or " forward " in stage["stage"]]
    useless = called and not any(stage["ok"] for stage in called)
    never = failed and (failed[0]["stage"] in ("load", "init", "process") or " make " in failed[0]["stage"])
    if failed and (useless or never):
        return f"{failed[0]['stage']}: {failed[0]['error']}"
    return difference(stages, own)


def verdicts(artcheck, folder, release, provides):
    """What a scan says of each library on this release's environment."""
    command = [artcheck, "scan", folder, "--runtime", environment(release), "--format", "json"]
    for name in provides:
        command += ["--provides", name]
    out = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(out.stdout)
    return {str(Path(verdict["artifact"]).parent): verdict for verdict in report["verdicts"]}


def judged(difference, status):
    if status == "undecided":
        return "undecided"
    # A condition is named, and what the other release refuses too is no difference.
    fits = status in ("fits", "fits-if")
    return "right" if fits == (difference is None) else "wrong"


def table(args, folder):
    chosen = args.only.split(",") if args.only else kinds()
    builds = [(kind, release) for kind in chosen for release in RELEASES]
    with ThreadPoolExecutor(JOBS) as pool:
        failures = dict(zip(RELEASES, pool.map(
            lambda release: build(folder / release, release, chosen), RELEASES)))
        built = [(kind, by) for kind, by in builds if kind not in failures[by]]
        pairs = [(kind, by, on) for kind, by in built for on in RELEASES]
        runs = dict(zip(pairs, pool.map(lambda p: run(folder / p[1] / p[0], p[2]), pairs)))
    provides = set()
    for kind, by in built:
        provides.update(json.loads((folder / by / kind / "calls.json").read_text())["provides"])
    said = {on: verdicts(args.artcheck, folder, on, sorted(provides)) for on in RELEASES}
    for kind, by in builds:
        if kind in failures[by]:
            yield {"kind": kind, "built": by, "failure": failures[by][kind]}
    for kind, by, on in pairs:
        really = reality(runs[kind, by, on], runs[kind, by, by])
        verdict = said[on].get(str(folder / by / kind), {"status": "not listed"})
        yield {"kind": kind, "built": by, "on": on, "really": really or "runs",
               "verdict": verdict["status"], "rules": verdict.get("rules", []),
               "undecided": [one["why"] for one in verdict.get("undecided", [])],
               "judged": judged(really, verdict["status"])}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artcheck", required=True, type=Path)
    parser.add_argument("--only")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.artcheck = args.artcheck.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        lines = list(table(args, (args.folder or Path(temporary)).resolve()))
    if args.out:
        args.out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    pairs = [line for line in lines if "on" in line]
    counts = {word: sum(pair["judged"] == word for pair in pairs)
              for word in ("right", "undecided", "wrong")}
    for pair in pairs:
        if pair["judged"] != "right":
            print(f"{pair['judged']:9} {pair['kind']} of {pair['built']} on {pair['on']}: said "
                  f"{pair['verdict']} {' '.join(pair['rules'])}; really {pair['really'][:160]}")
    print(f"{len({p['kind'] for p in pairs})} kinds, {len(lines) - len(pairs)} not built, "
          f"{len(pairs)} pairs: {counts['right']} right, {counts['undecided']} undecided, "
          f"{counts['wrong']} wrong")
    sys.exit(1 if counts["wrong"] or not pairs else 0)


if __name__ == "__main__":
    main()
