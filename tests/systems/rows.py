"""Rows of `matrix.toml` on one system, and what a scan says of the same pairs."""

import json
import re
import subprocess
from pathlib import Path

from systems import FFI, MATRIX, PARTS, ROOT, VERSIONS, System, environment, folder_of

# The rule behind a runtime's own words. A crash has none: it is a slot that was not filled.
WORDS = (
    ("constructor args", "AC104"), ("Mismatched number of arguments", "AC104"),
    ("Cannot reach here", "AC101"), ("args.size() == 2", "AC101"), ("args.size() == 3", "AC101"),
    ("cache_config.size()", "AC105"), ("KV cache config must contain", "AC105"),
    ("Cannot find ffi::Function", "AC103"), ("Invalid VM file format", "AC102"),
    ("Constant pool can only contain", "AC102"), ("vm_load_executable", "AC102"),
    ("a loader of that name is not registered", "AC106"), ("Invalid DLTensor", "AC001"),
    ("vector::_M_default_append", "AC102"), ("vector too long", "AC102"),
    ("stream.Read(&kind)", "AC001"),
    # The emulator of a Mac's code stops with words where the Mac would crash.
    ("a jump to address 0", "AC202"),
)


def verify(artcheck, only, *more, env=()) -> list:
    command = [artcheck, "verify", MATRIX, "--only", only, "--format", "json", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False,
                          env={**environment(), **dict(env)})
    if not done.stdout.strip():
        raise SystemExit(f"{' '.join(map(str, command))}: {done.stderr}")
    return json.loads(done.stdout)["rows"]


def outcome(row) -> dict:
    """What became of a row: its state, and where and how it failed."""
    failure = row.get("failure") or {}
    words = failure.get("message", row.get("reason", ""))
    return {"really": row["outcome"].replace("-", " "),
            "stage": failure.get("stage", row.get("stage")),
            "class": failure.get("class", ""),
            "words": " ".join(words.split())[:300].replace(str(ROOT), "").replace(str(PARTS), "")}


def own(artcheck, system: System):
    """Each release's own libraries: are the answers right?"""
    for row in verify(artcheck, f"own-{system.name}-"):
        checks = [f"{c['name']}: {c['detail']}" for c in row["checks"]]
        yield {"part": "own", "system": system.name, "row": row["name"], **outcome(row),
               "checks": checks}


def scan(artcheck, system: System, release: str, work: Path) -> dict:
    """Verdict and messages of every library on one release's wheels."""
    runtime = folder_of(system.load_set(release, FFI[release]), work / system.name / release)
    folders = [PARTS / "built" / f"tvm-{v}" for v in VERSIONS] + [PARTS / "built" / "variants"]
    files = [f for folder in folders for f in sorted(folder.glob(f"*-{system.suffix}"))]
    command = [artcheck, "scan", *files, "--runtime", runtime, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    said = {}
    for verdict in report["verdicts"]:
        path = Path(verdict["artifact"])
        said[f"{path.parent.name}/{path.name}"] = {
            "verdict": verdict["status"], "rules": verdict.get("rules", []), "says": []}
    for artifact in report["artifacts"]:
        path = Path(artifact["path"])
        said.setdefault(f"{path.parent.name}/{path.name}", {
            "verdict": artifact.get("status", "unreadable"), "rules": [], "says": []})
    for finding in report["findings"]:
        path = Path(finding["file"])
        one = said.get(f"{path.parent.name}/{path.name}")
        if one is not None and finding["severity"] == "error":
            one["rules"] = sorted({*one["rules"], finding["rule"]})
            if finding.get("runtime_says"):
                one["says"].append(finding["runtime_says"])
    return said


def judged(said: dict, really: dict) -> str:
    """`right`, `wrong`, `undecided`, or `not run`; `right` needs the rule that explains."""
    if really["really"] == "not run":
        return "not run"
    if said["verdict"] not in ("fits", "breaks", "unreadable"):
        return "undecided"
    if (said["verdict"] == "fits") != (really["really"] == "passed"):
        return "wrong"
    if said["verdict"] == "fits":
        return "right"
    died = really["class"] in ("signal", "abort", "exit")
    explains = next((rule for text, rule in WORDS if text in really["words"]), None)
    if died and explains is None:
        explains = "AC001" if said["verdict"] == "unreadable" else "AC202"
    return "right" if explains in said["rules"] else "wrong"


def says(predicted: str, words: str) -> bool:
    """Whether a predicted message is among the words; `...` is what no file shows."""
    text = re.escape(" ".join(predicted.split()).removeprefix("InternalError: "))
    return re.search(text.replace(r"\.\.\.", ".*"), words) is not None


def pairs(artcheck, system: System, work: Path):
    said = {release: scan(artcheck, system, release, work) for release in VERSIONS}
    for row in verify(artcheck, f"pair-{system.name}-", "--no-precheck"):
        release, library = row["name"].removeprefix(f"pair-{system.name}-").split("-", 1)
        library = f"{library}-{system.suffix}"
        one = said[release].get(library, {"verdict": "not listed", "rules": [], "says": []})
        really = outcome(row)
        # Of several messages one is met; the others would come later.
        same = [text for text in one["says"] if says(text, really["words"])]
        yield {"part": "pair", "system": system.name, "library": library, "on": release, **one,
               **really, "judged": judged(one, really),
               "says": same or one["says"], "same_words": bool(same)}


def repairs(artcheck, system: System, broken: set, env):
    """The pairs that broke, with what `--shim auto` makes for them."""
    for row in verify(artcheck, f"pair-{system.name}-", "--shim", "auto", env=env):
        release, library = row["name"].removeprefix(f"pair-{system.name}-").split("-", 1)
        library = f"{library}-{system.suffix}"
        if (library, release) in broken:
            shim = row.get("shim") or {}
            yield {"part": "repair", "system": system.name, "library": library, "on": release,
                   "with": shim.get("description", ""), **outcome(row)}
