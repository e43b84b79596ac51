#!/usr/bin/env python3
"""Runs web libraries under Node and in Chromium, and holds artcheck's predictions against it.

    python3 tests/systems/web.py --artcheck PROGRAM [--part NAME,NAME]

Parts: own (corpus models: are the answers right?), calls (functions under Node), published
(libraries of WEB_LIBRARIES, a clone of mlc-ai/binary-mlc-llm-libs), pair (each library with
each package), load (every published library with each package, in Chromium:
tests/web/measure), shader (every shader, given to Chromium: tests/web/shaders).
The results of a part replace its earlier ones in results/web.jsonl. The exit status is 1 where
something is wrong. Before: web_build.py, web_reference.py.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import rows
from systems import PARTS, ROOT, environment

HERE = Path(__file__).resolve().parent
MATRIX = HERE / "web.toml"
FILE = HERE / "results" / "web.jsonl"
PACKAGES = {"0.2.79": "web-llm-0.2.79", "0.2.84": "web-llm-0.2.84", "0.2.86": "web-llm-0.2.86",
            "runtime-0.27": "web-runtime-0.27"}
# What JavaScript and the browser say, before the words of every runtime.
WORDS = (("LinkError", "AC402"), ("Cannot find global function", "AC402"),
         ("is not a function", "AC402"), ("expected to be exported", "AC402"),
         ("`vm_load_executable`; needed to", "AC208"), *rows.WORDS)


def verify(artcheck, only, *more) -> list:
    command = [artcheck, "verify", MATRIX, "--only", only, "--format", "json", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    if not done.stdout.strip():
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return json.loads(done.stdout)["rows"]


def outcome(row) -> dict:
    """As rows.py has it, without the frames that the runtime prints before its words."""
    failure = dict(row.get("failure") or {})
    text = " ".join(failure.get("message", "").split())
    text = re.sub(r'Traceback \(most recent call last\): .*? (?=\w*Error: )', "", text)
    failure["message"] = re.sub(r'File "\S*/(src|web)/', r'File "\1/', text)
    return rows.outcome({**row, "failure": failure} if row.get("failure") else row)


def plain(part, artcheck, only, *more):
    for row in verify(artcheck, only, *more):
        if not row["name"].startswith(only):
            continue
        checks = [f"{c['name']}: {c['detail']}" for c in row["checks"]]
        facts = row["facts"]
        yield {"part": part, "row": row["name"], **outcome(row), "checks": checks,
               "with": [*facts["packages"], *filter(None, [facts.get("adapter")])],
               "seconds": round(row["seconds"], 1)}


def scan(artcheck, library, package) -> dict:
    """What a scan says of one library with one package."""
    command = [artcheck, "scan", library, "--runtime", PARTS / "npm" / package, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    verdict = next(iter(report["verdicts"]), {"status": "unreadable", "rules": []})
    found = [f for f in report["findings"] if f["severity"] == "error"]
    return {"verdict": verdict["status"],
            "rules": sorted({*verdict.get("rules", []), *(f["rule"] for f in found)}),
            "says": [f["runtime_says"] for f in found if f.get("runtime_says")]}


def judged(said, really) -> str:
    explains = next((rule for text, rule in WORDS if text in really["words"]), None)
    if really["really"] == "not run":
        return "not run"
    runs = really["really"] == "passed"
    if said["verdict"] == "undecided":
        return "undecided"
    if (said["verdict"] == "fits") != runs:
        return "wrong"
    return "right" if runs or explains in said["rules"] else "wrong"


def pairs(artcheck, only="pair-"):
    for row in verify(artcheck, only, "--no-precheck", "--jobs", "3"):
        package, library = re.fullmatch(r"pair-((?:runtime-)?[\d.]+)-(.*)", row["name"]).groups()
        file = PARTS / "built" / "web" / f"{library}-webgpu.wasm"
        if not file.is_file():  # no compiler made it
            continue
        said = scan(artcheck, file, PACKAGES[package])
        really = outcome(row)
        same = [text for text in said["says"] if rows.says(text, really["words"])]
        yield {"part": "pair", "library": f"{library}-webgpu.wasm", "on": PACKAGES[package],
               **said, **really, "judged": judged(said, really), "says": same or said["says"],
               "same_words": bool(same)}


def loads(artcheck):
    """Every published library with each package: does it load, and with which words?"""
    folder = os.environ["WEB_LIBRARIES"]
    packages = [PARTS / "npm" / name / "package" for name in PACKAGES.values()]
    command = [ROOT / "tests/web/measure", "--chromium", artcheck, folder, *packages]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for line in done.stdout.splitlines():
        if line.startswith("  "):
            print(line)
            continue
        package, counts = line.split(" ", 1)
        counts = dict(re.findall(r"'(\w+: \w+)': (\d+)", counts))
        wrong = any(key.endswith("wrong") for key in counts)
        yield {"part": "load", "package": package, "counts": counts,
               "judged": "wrong" if wrong else "right"}


def shaders(artcheck):
    """Every shader, given to Chromium: is it refused where AC401 says so?"""
    for name, folder in (("published", os.environ["WEB_LIBRARIES"]), ("corpus", PARTS / "built/web")):
        command = [ROOT / "tests/web/shaders", artcheck, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        *others, last = done.stdout.splitlines()
        counts = dict(re.findall(r"'([\w ]+: \w+)': (\d+)", last))
        wrong = any(key.endswith("wrong") for key in counts)
        yield {"part": "shader", "libraries": name, "shaders": int(last.split()[0]),
               "counts": counts, "judged": "wrong" if wrong else "right",
               "others": [" ".join(line.rsplit(";", 1)[0].split()) for line in others]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artcheck", type=Path, required=True)
    parser.add_argument("--part", default="own,calls,published,pair,load,shader")
    args = parser.parse_args()
    artcheck = args.artcheck.resolve()
    browser = os.environ.get("ARTCHECK_BROWSER") or shutil.which("chromium")
    if browser is None or shutil.which("node") is None:
        sys.exit("NOT RUN: web libraries; node and Chromium are needed")
    version = subprocess.run([browser, "--version"], capture_output=True, text=True, check=False)
    parts = {"own": lambda: plain("own", artcheck, "own-", "--no-precheck"),
             "calls": lambda: plain("calls", artcheck, "calls-", "--no-precheck"),
             "published": lambda: plain("published", artcheck, "published-", "--no-precheck"),
             "pair": lambda: pairs(artcheck), "load": lambda: loads(artcheck),
             "shader": lambda: shaders(artcheck)}
    lines = [json.loads(line) for line in FILE.read_text().splitlines()] if FILE.exists() else []
    wrong = 0
    for part in args.part.split(","):
        found = list(parts[part]())
        if part == "published":
            found += plain(part, artcheck, "trained-for-", "--no-precheck")
        if part == "own":
            found += plain(part, artcheck, "chunks-", "--no-precheck")
        made = {"part": "made", "of": part, "date": datetime.date.today().isoformat(),
                "with": " ".join(version.stdout.split()[:2]),
                "command": f"python3 tests/systems/web.py --artcheck target/debug/artcheck "
                           f"--part {part}"}
        lines = [line for line in lines if part not in (line["part"], line.get("of"))]
        lines += [made, *found]
        FILE.write_text("".join(json.dumps(line) + "\n" for line in lines))
        bad = [line for line in found if line.get("judged") == "wrong"]
        for line in bad:
            print(f"wrong: {json.dumps(line)}")
        print(f"{part}: {len(found)} results, {len(bad)} wrong", flush=True)
        wrong += len(bad)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
