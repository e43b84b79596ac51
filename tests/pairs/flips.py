"""Programs that are changed in one place, really run, and held against what a scan says.

    python flips.py --artcheck PROGRAM --folder FOLDER [--only KIND,KIND] [--flips 300]
                    [--seed 1] [--out FILE]

FOLDER is that of `run.py`; kinds that are not in it are built. What was run with a seed
stays in FOLDER/flips-SEED, and is only judged anew where it is there already. One word of the bytecode
of a library is changed at a time: a callee, a register, a constant, an immediate, a
count of arguments, a jump, a size of a function. The result runs on each release in a
process of its own and is held against the unchanged library on the same release, where
that works. A verdict is

    right       fits, and every call is answered as before; breaks, and one is not
    other       fits, and every call is answered, with other numbers: another program
    missed      fits, and a call fails or the process dies
    false       breaks, and every call is answered as before
    undecided   the scan says so

The last lines count them. The status is 1 where one is missed or false.
"""

import argparse
import json
import random
import shutil
import struct
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import run

MAGIC = 0xD225DE2F4214151E
KINDS = {0: "register", 1: "immediate", 2: "constant", 3: "function"}
VOID, VM = 1 << 54, (1 << 54) + 1
CALL, RET, GOTO, IF = 1, 2, 3, 4


class Executable:
    """Where the words of a library's bytecode are, and what they mean."""

    def __init__(self, data):
        self.data, self.at = data, data.index(struct.pack("<Q", MAGIC)) + 8
        self.text()
        self.functions = [self.function() for _ in range(self.word())]
        for _ in range(self.word()):
            self.word(), self.text()
        self.constants = [self.constant() for _ in range(self.word())]
        offsets = [self.word() for _ in range(self.word())]
        self.words = self.word()
        self.offsets = [self.at + 8 * offset for offset in offsets]

    def word(self):
        self.at += 8
        return self.peek(self.at - 8)

    def peek(self, at):
        return struct.unpack_from("<q", self.data, at)[0]

    def number(self):
        self.at += 4
        return struct.unpack_from("<i", self.data, self.at - 4)[0]

    def text(self):
        size = self.word()
        self.at += size
        return self.data[self.at - size : self.at].decode(errors="replace")

    def function(self):
        kind, name, at = self.number(), self.text(), self.at
        first, end, arguments, registers = (self.word() for _ in range(4))
        names = [self.text() for _ in range(self.word())]
        return {"kind": kind, "name": name, "at": at, "first": first, "end": end,
                "arguments": arguments, "registers": registers, "names": len(names)}

    def constant(self):
        code = self.number()
        if code == 70:
            self.at += 16 + 8
            dimensions = self.number()
            self.at += 4 + 8 * dimensions
            self.text()
        elif code == 69:
            for _ in range(self.word()):
                self.word()
        elif code == 65:
            self.text()
        else:
            self.at += {1: 8, 3: 8, 5: 4}[code]
        return code


def places(program):
    """Every word that can be changed: where it is, what it is, in which function."""
    for function in program.functions:
        if function["kind"] != 1:
            continue
        name = function["name"]
        yield "registers", function["at"] + 24, function, name
        yield "parameters", function["at"] + 16, function, name
        for index in range(function["first"], function["end"]):
            at = program.offsets[index]
            opcode, place = program.peek(at), f"{name} {index}"
            if opcode == CALL:
                yield "result", at + 8, function, place
                yield "callee", at + 16, function, place
                yield "count", at + 24, function, place
                for position in range(program.peek(at + 24)):
                    word = at + 32 + 8 * position
                    kind = KINDS[(program.peek(word) >> 56) & 0xFF]
                    yield kind, word, function, f"{place} argument {position}"
            elif opcode == RET:
                yield "returned", at + 8, function, place
            elif opcode == GOTO:
                yield "jump", at + 8, function, place
            else:
                yield "condition", at + 8, function, place
                yield "jump", at + 16, function, place


def flipped(program, kind, at, function, chance):
    """Another word for this place, near the limits of what is there more often than not."""
    old = program.peek(at)
    value = (old & (1 << 56) - 1) if kind in KINDS.values() else old
    value = value - (1 << 56) if kind in KINDS.values() and value >> 55 else value
    registers = function["registers"]

    def one_of(count):
        return chance.choice([chance.randrange(max(count, 1)), chance.randrange(max(count, 1)),
                              value + 1, value - 1, count])

    if kind in ("register", "result", "returned", "condition"):
        new = chance.choice([one_of(registers), one_of(registers), VOID, VM])
    elif kind in ("callee", "function"):
        new = one_of(len(program.functions))
    elif kind == "constant":
        new = one_of(len(program.constants))
    elif kind == "immediate":
        new = chance.choice([value + 1, value - 1, 0, 2 * value + 1])
    else:
        new = max(value + chance.choice([-2, -1, 1, 2]), -3)
    if kind in KINDS.values():
        code = next(code for code, word in KINDS.items() if word == kind)
        if chance.random() < 0.15:
            code = chance.randrange(4)
        return code << 56 | new & (1 << 56) - 1, f"{value} to {KINDS[code]} {new}"
    return new & (1 << 64) - 1, f"{value} to {new}"


def make(folder, source, number, chance):
    """A library with one word changed, and what was changed."""
    data = bytearray((source / "library.so").read_bytes())
    program = Executable(bytes(data))
    by_kind = {}
    for place in places(program):
        by_kind.setdefault(place[0], []).append(place)
    while True:
        kind, at, function, name = chance.choice(by_kind[chance.choice(sorted(by_kind))])
        new, words = flipped(program, kind, at, function, chance)
        if new != program.peek(at) & (1 << 64) - 1:
            break
    struct.pack_into("<Q", data, at, new)
    target = folder / f"{number:04}"
    target.mkdir(parents=True, exist_ok=True)
    (target / "library.so").write_bytes(data)
    shutil.copy(source / "calls.json", target)
    return target, {"flip": number, "kind": source.name, "built": source.parent.name,
                    "word": kind, "place": name, "change": words}


def run_all(folder, folders, release):
    """The stages of each library, by `drive.py`, which forks for each."""
    said = folder / f"{release}.jsonl"
    if not said.exists():
        result = run.python(release, "drive.py", *folders, seconds=60 * len(folders) + 60)
        if result.returncode:
            sys.exit(f"drive.py on {release}: {result.stderr[-500:]}")
        said.write_text(result.stdout)
    stages = {}
    for line in said.read_text().splitlines():
        if line.startswith("{"):
            line = json.loads(line)
            stages.setdefault(Path(line.pop("folder")), []).append(line)
    return stages


def judged(status, really):
    if status == "undecided":
        return "undecided"
    if status in ("fits", "fits-if"):
        return "right" if really is None else "other" if really.endswith("another answer") else "missed"
    return "false" if really is None else "right"


def made(args, folder):
    """The libraries that are changed, and the changes."""
    chosen = args.only.split(",") if args.only else run.kinds()
    for release in run.RELEASES:
        run.build(args.folder / release, release, chosen)
    sources = [source for release in run.RELEASES for kind in chosen
               for source in [args.folder / release / kind] if (source / "library.so").exists()]
    chance = random.Random(args.seed)
    return sources, [make(folder, chance.choice(sources), number, chance)
                     for number in range(args.flips)]


def table(args, folder):
    sources, flips = made(args, folder)
    with ThreadPoolExecutor(run.JOBS) as pool:
        everything = sources + [target for target, _ in flips]
        ran = dict(zip(run.RELEASES, pool.map(lambda on: run_all(folder, everything, on), run.RELEASES)))
    provides = {name for source in sources
                for name in json.loads((source / "calls.json").read_text())["provides"]}
    for on in run.RELEASES:
        said = run.verdicts(args.artcheck, folder, on, sorted(provides))
        for target, flip in flips:
            source = args.folder / flip["built"] / flip["kind"]
            own = ran[on].get(source, [])
            if run.reality(own, ran[flip["built"]].get(source, own)):
                continue
            really = run.difference(ran[on].get(target, []), own)
            verdict = said.get(str(target), {"status": "not listed"})
            yield {**flip, "on": on, "really": really or "as before", "verdict": verdict["status"],
                   "rules": verdict.get("rules", []),
                   "undecided": [one["why"] for one in verdict.get("undecided", [])],
                   "judged": judged(verdict["status"], really)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--artcheck", required=True, type=Path)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--only")
    parser.add_argument("--flips", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    args.artcheck, args.folder = args.artcheck.resolve(), args.folder.resolve()
    folder = args.folder / f"flips-{args.seed}"
    lines = list(table(args, folder))
    if args.out:
        args.out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for line in lines:
        if line["judged"] in ("missed", "false"):
            print(f"{line['judged']:7} {line['flip']:4} {line['kind']} of {line['built']} on "
                  f"{line['on']}: {line['word']} at {line['place']}, {line['change']}; said "
                  f"{line['verdict']} {' '.join(line['rules'])}; really {line['really'][:160]}")
    counts = Counter(line["judged"] for line in lines)
    print(f"{args.flips} flips, {len(lines)} pairs: "
          + ", ".join(f"{count} {word}" for word, count in counts.most_common()))
    sys.exit(1 if counts["missed"] or counts["false"] or not lines else 0)


if __name__ == "__main__":
    main()
