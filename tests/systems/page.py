#!/usr/bin/env python3
"""Writes the tables of docs/systems.md from what run.py and web.py recorded.

    python3 tests/systems/page.py [--check]

A table is whatever is between `<!-- tables of SYSTEM -->` and `<!-- end -->`. With
`--check` nothing is written; the exit status says whether the page is as it would be.
"""

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "systems.md"
RESULTS = ROOT / "tests" / "systems" / "results"


def table(head, lines) -> str:
    cells = [list(head), ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(str(c).replace("|", "\\|") for c in line) + " |"
                     for line in cells)


def quoted(text: str, limit: int = 160) -> str:
    text = " ".join(text.replace("`", "'").split())
    return f"`{text[:limit]}{'...' if len(text) > limit else ''}`" if text else ""


def wrong(line) -> str:
    return "**wrong**: " if line.get("judged") == "wrong" else ""


def own(lines):
    def name(line):
        return line["row"].split("-", 2)[2] if "system" in line else line["row"].removeprefix("own-")
    ran = [(name(line), line["really"],
            "; ".join(line["checks"]) or quoted(line["words"])) for line in lines]
    return "Answers of each release's libraries on its own runtime", table(
        ("row", "", "checks"), ran)


def plain(title):
    def write(lines):
        ran = [(line["row"], line["really"],
                "; ".join(line["checks"]) or quoted(line["words"], 300), line["seconds"],
                ", ".join(line["with"])) for line in lines]
        return title, table(("row", "", "checks", "seconds", "with"), ran)
    return write


def loads(lines):
    words = ("loads: right", "loads: undecided", "fails: right", "fails: wrong", "loads: wrong")
    heads = [word for word in words if any(word in line["counts"] for line in lines)]
    ran = [(line["package"], *(line["counts"].get(word, 0) for word in heads)) for line in lines]
    return "Published libraries, loaded in Chromium with each package", table(
        ("package", *heads), ran)


def shaders(lines):
    words = ("f16: right", "no f16: right", "f16: wrong", "no f16: wrong")
    heads = [word for word in words if any(word in line["counts"] for line in lines)]
    ran = [(line["libraries"], line["shaders"], *(line["counts"].get(word, 0) for word in heads),
            "; ".join(quoted(other) for other in line["others"])) for line in lines]
    return "Shaders that Chromium refuses for 16-bit floats, and AC401 on `wasm32-web+no-f16`", (
        table(("libraries", "shaders", *heads, "refused for another reason"), ran))


def registry(lines):
    same = [(line["release"], line["listed"], line["read"],
             "no" if line["only_listed"] or line["only_read"] else "yes") for line in lines]
    return "Functions that are registered", table(
        ("release", "the runtime lists", "`artcheck runtime` reads", "equal"), same)


def grid(lines, row, column, cell, corner):
    columns = list(dict.fromkeys(line[column] for line in lines))
    rows = list(dict.fromkeys(line[row] for line in lines))
    found = {(line[row], line[column]): cell(line) for line in lines}
    return table((corner, *columns), [(r, *(found.get((r, c), "") for c in columns)) for r in rows])


def sets(lines):
    def cell(line):
        return f"{wrong(line)}{line['really']}, {' '.join(line['errors']) or 'fits'}"
    words = sorted({line["words"] for line in lines if line["really"] == "refused"})
    said = "\n".join(f"- {quoted(word)}" for word in words)
    return "Each runtime with each tvm-ffi: what the loader does, and what a scan says", (
        f"{grid(lines, 'runtime', 'ffi', cell, 'runtime')}\n\nThe loader's words:\n\n{said}")


def pairs(lines):
    def cell(line):
        really = "runs" if line["really"] == "passed" else f"fails at {line['stage']}"
        if line["really"] == "not run":
            really = "not run"
        if line["class"] in ("signal", "abort", "exit"):
            really = f"dies at {line['stage']}"
        said = {"fits": "fits"}.get(line["verdict"], " ".join(line["rules"]) or line["verdict"])
        return f"{wrong(line)}{really}; {said}"
    counts = {word: sum(line["judged"] == word for line in lines)
              for word in ("right", "undecided", "wrong", "not run")}
    told = [line for line in lines if line["says"] and line["really"] == "failed"]
    met = sum(line["same_words"] for line in told)
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return "Each library on each runtime: what happens; what a scan says", (
        f"{grid(lines, 'library', 'on', cell, 'library')}\n\n{len(lines)} pairs: {said}. "
        f"Of {len(told)} failures for which a message is predicted, {met} print it.")


def repairs(lines):
    done = [(line["library"], line["on"], line["with"] or "nothing",
             line["really"] if line["really"] == "passed" else quoted(line["words"], 100))
            for line in lines]
    return "Pairs that broke, with what `--shim auto` makes for them", table(
        ("library", "runtime", "with", "then"), done)


def messages(lines):
    said = [(line["case"], wrong(line) + (" ".join(line["rules"]) or "nothing"),
             "; ".join(quoted(text) for text in line["says"]) or "-",
             "loads" if line["really"] == "loads" else quoted(line["words"])) for line in lines]
    return "Damaged and misplaced files", table(
        ("file", "a scan says", "its `runtime error`", "the loader says"), said)


KINDS = {"own": own, "calls": plain("Functions called under Node"), "load": loads, "shader": shaders,
         "published": plain("Published libraries with weights from a seed"), "pair": pairs, "repair": repairs, "registry": registry, "set": sets,
         "message": messages}


def tables(system: str) -> str:
    lines = [json.loads(line) for line in (RESULTS / f"{system}.jsonl").read_text().splitlines()]
    made = {line["of"]: line for line in lines if line["part"] == "made"}
    out = []
    for kind, write in KINDS.items():
        chosen = [line for line in lines if line["part"] == kind]
        if chosen:
            title, text = write(chosen)
            out += [f"### {title}", text,
                    f"{made[kind]['date']}, {made[kind]['with']}: `{made[kind]['command']}`"]
    return "\n\n".join(out)


def main() -> None:
    old = PAGE.read_text()
    new = re.sub(r"(<!-- tables of (\w+) -->\n).*?(<!-- end -->)",
                 lambda found: f"{found[1]}\n{tables(found[2])}\n\n{found[3]}", old, flags=re.S)
    if "--check" in sys.argv[1:]:
        sys.exit(f"{PAGE.name} is not what page.py writes" if old != new else 0)
    PAGE.write_text(new)


if __name__ == "__main__":
    main()
