#!/usr/bin/env python3
"""Writes corpus/manifest.toml: each artifact, where it comes from, and what to expect of it.

    python3 corpus/build/manifest.py

Expectations of x86-64 Linux libraries come from running every one of them on
every runtime (truth_table.py) and say `how = "run"`. Others follow from what the
runs showed and say `how = "derived"`; what nothing showed is left out.
"""

import hashlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import build  # noqa: E402
import synthetic  # noqa: E402
import truth_table  # noqa: E402

MANIFEST = HERE.parent / "manifest.toml"
SIDE = (".as_text", ".oracle.json")
# The first text that a runtime's words contain decides the rule.
RULES = (
    ("cache_config.size()", "AC105"),
    ("KV cache config must contain", "AC105"),
    ("constructor args", "AC104"),
    ("Cannot reach here", "AC101"),
    ("args.size() == 2", "AC101"),
    ("args.size() == 3", "AC101"),
    ("Cannot find ffi::Function", "AC103"),
    ("a loader of that name is not registered", "AC106"),
    ("Constant pool can only contain", "AC102"),
    ("vm_load_executable", "AC102"),
)
UNREADABLE = ("truncated", "short-blob", "error-page", "git-lfs", "empty")


def rule_of(name: str, outcome: dict) -> str:
    if outcome["result"] == "runs":
        return ""
    if any(word in name for word in UNREADABLE):
        return "AC001"
    if outcome["result"] == "crash":
        return "AC202"
    for text, rule in RULES:
        if text in outcome.get("error", ""):
            return rule
    print(f"{name}: no rule for {outcome}", file=sys.stderr)
    return ""


def also(facts: dict, runtime: str, rule: str) -> list:
    """Rules that apply too but that a run cannot show, because it stops earlier."""
    more = []
    old = runtime == "0.25"
    if facts["slots"] and (facts["slots"] == "0.25") != old:
        more.append("AC202")
    if facts["config"] == 6 and runtime != "0.27":
        more.append("AC105")
    return [r for r in more if r != rule]


def facts_of(path: str) -> dict:
    """What the host code of a model needs, known from how it was made."""
    name = Path(path).name
    version = path.split("/")[0].removeprefix("tvm-")
    device = any(f"-{d}" in name for d in ("metal", "cuda", "opencl", "webgpu"))
    looks_up = device or name.startswith(("extcall", "dense-ext"))
    cache = name.startswith(("dense", "hybrid"))
    return {"slots": ("0.25" if version == "0.25" else "0.26") if looks_up else "",
            "config": (6 if version == "0.27" else 5) if cache else 0,
            "system_lib": name.endswith((".tar", ".wasm"))}


def synthetic_facts(name: str) -> dict:
    """The same for a synthetic library, whose host code (where kept) is that of its base."""
    kept = (name.startswith(("dense-ext", "embedding"))
            or any(word in name for word in ("old-kind", "unknown-")))
    config = 0
    if name.startswith("dense-ext"):
        lengthened = "config-6" in name or ("-0.27-" in name and "config-5" not in name)
        config = 6 if lengthened else 5
    return {"slots": "0.26" if kept else "", "config": config}


def derived(path: str, runtime: str):
    """(result, rule, also) for a library that cannot run here, or None if nothing is known."""
    facts = facts_of(path)
    if facts["system_lib"]:
        broken = path.startswith("tvm-0.25/") and runtime != "0.25" and facts["slots"]
        return ("link-error", "AC203", []) if broken else None
    if facts["config"] == 6 and runtime != "0.27":
        return "cache-error", "AC105", also(facts, runtime, "AC105")
    if facts["slots"] and (facts["slots"] == "0.25") != (runtime == "0.25"):
        return "crash", "AC202", []
    return "runs", "", []


def quoted(value) -> str:
    return json.dumps(value, ensure_ascii=False)


def table(path: str, outcome: dict, extra: list, how: str, rule: str) -> str:
    fields = {"result": outcome["result"], "rule": rule, "also": extra, "how": how}
    fields |= {k: outcome[k] for k in ("stage", "signal", "error") if outcome.get(k)}
    if "error" in fields:  # no paths of this checkout
        fields["error"] = fields["error"].replace(str(build.ARTIFACTS / path), Path(path).name)
    inner = ", ".join(f"{k} = {quoted(v)}" for k, v in fields.items() if v not in ("", []))
    return inner


def origin(path: str) -> dict:
    for job_path, version, model, dtype, target, checks in build.jobs():
        if job_path == path:
            return {"model": model, "dtype": dtype, "target": target, "tvm": version,
                    "source": f"build.py, {checks} host code"}
    return synthetic.describe(Path(path).name)


def oracle_of(path: Path, texts: dict) -> dict:
    """The neighbouring oracle files; a text that equals an earlier one is kept once."""
    record = Path(f"{path}.oracle.json")
    text = Path(f"{path}.as_text")
    if not record.is_file():
        return {}
    stored = json.loads(record.read_text())
    if text.is_file():
        first = texts.setdefault(text.read_bytes(), text)
        if first != text:
            text.unlink()
        stored["as_text"] = str(first.relative_to(build.ARTIFACTS))
        record.write_text(json.dumps(stored) + "\n")
    relative = record.relative_to(build.ARTIFACTS)
    return {"oracle": str(relative), "as_text": stored["as_text"]}


def main() -> None:
    files = sorted(p for p in build.ARTIFACTS.glob("*/*")
                   if p.is_file() and not p.name.endswith(SIDE))
    runnable = [p for p in files if p.suffix == ".so" and "aarch64" not in p.name]
    ran = truth_table.results(runnable)
    lines = ["# Written by build/manifest.py; see README.md for the meaning of the fields.\n"]
    texts = {}
    for file in files:
        path = str(file.relative_to(build.ARTIFACTS))
        data = file.read_bytes()
        fields = {"path": path, **origin(path), "size": len(data),
                  "sha256": hashlib.sha256(data).hexdigest(), **oracle_of(file, texts)}
        lines.append("[[artifact]]")
        lines += [f"{key} = {quoted(value)}" for key, value in fields.items()]
        for runtime in build.VERSIONS:
            if (file, runtime) in ran:
                outcome = ran[file, runtime]
                rule = rule_of(file.name, outcome)
                facts = synthetic_facts(file.name) if "synthetic" in path else facts_of(path)
                extra = also(facts, runtime, rule)
                if "old-metal-order" in path:
                    extra.append("AC107")
                inner = table(path, outcome, extra, "run", rule)
            elif "synthetic" not in path and (guess := derived(path, runtime)):
                inner = table(path, {"result": guess[0]}, guess[2], "derived", guess[1])
            else:
                continue
            lines.append(f'expect."tvm-{runtime}" = {{ {inner} }}')
        lines.append("")
    MANIFEST.write_text("\n".join(lines))
    print(f"{len(files)} artifacts, {len(ran)} pairs run, "
          f"{sum(f.stat().st_size for f in build.ARTIFACTS.rglob('*') if f.is_file())} bytes")


if __name__ == "__main__":
    main()
