"""Drives the same random schedules on several runtimes and reports where they part.

    PYTHON tests/differential/run.py [--schedules N] [--seed N] [--family NAME]...
                                     [--releases 0.25,0.26,0.27] [--out FILE.json]
    PYTHON tests/differential/run.py --schedule FILE.json

PYTHON is the interpreter of one of the fetched runtimes, which has NumPy. Schedules
come from the seed alone, so a report can be had again. The report lists each kind of
difference once, with the smallest schedule that shows it, what each runtime answered
there, and its name in known.toml. The second form runs one schedule and prints the
answers by release, as JSON.

Exit status: 0 when all differences are known, 1 when one is not and is had again with
the same schedule.
"""

import argparse
import json
import random
import re
import signal
import sys
import time
import tomllib
from collections import Counter
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import fixed  # noqa: E402
from compare import differences  # noqa: E402
from drivers import Driver  # noqa: E402
from shrink import shrink  # noqa: E402

# How many schedules of a hundred each family gets.
SHARES = {"paged_cache": 55, "rnn_state": 10, "samplers": 9, "values": 12, "tensor_cache": 5,
          "legacy_cache": 5, "library": 4}


def plan(count, seed, families):
    """The fixed schedules of these families, then random ones in an order that mixes families."""
    yield from (schedule for schedule in fixed.schedules() if schedule["family"] in families)
    shares = {name: SHARES[name] for name in families}
    names = random.Random(seed).choices(list(shares), list(shares.values()), k=count)
    for index, name in enumerate(names):
        yield import_module("families." + name).generate(random.Random(f"{seed}-{index}"))


def main():
    options = arguments()
    drivers = {release: Driver(release) for release in options.releases.split(",")}

    def answers_of(schedule):
        return {release: driver.answer(schedule) for release, driver in drivers.items()}

    try:
        if options.schedule:
            print(json.dumps(answers_of(json.loads(options.schedule.read_text()))))
            return 0
        report = drive(options, answers_of)
    finally:
        for driver in drivers.values():
            driver.stop()
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    tell(report)
    return int(any(is_new(item) for item in report["differences"]))


def drive(options, answers_of):
    """The report of all schedules; of those that ran, when a signal ends the run early."""
    started = time.monotonic()
    found, counted, ended, operations = {}, Counter(), Counter(), 0
    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    for schedule in plan(options.schedules, options.seed, options.family or list(SHARES)):
        answers = answers_of(schedule)
        counted[schedule["family"]] += 1
        if sum(counted.values()) % 1000 == 0:
            print(f"{sum(counted.values())} of {options.schedules}", file=sys.stderr, flush=True)
        operations += max(len(a) for a in answers.values())
        ended.update(r for r, a in answers.items() if "ended" in a[-1])
        for signature, index in differences(schedule, answers).items():
            kept = found.setdefault(signature, {"seen": 0, "schedule": schedule})
            kept["seen"] += 1
            if len(schedule["ops"]) < len(kept["schedule"]["ops"]):
                kept["schedule"] = schedule
        if stopped:
            break
    ran = time.monotonic() - started
    chosen = set() if options.no_shrinking else to_shrink(found)
    entries = [entry(signature, kept, answers_of, signature in chosen)
               for signature, kept in sorted(found.items(), key=lambda item: item[0].line())]
    return {"releases": options.releases.split(","), "seed": options.seed,
            "schedules": dict(counted), "operations": operations, "crashes": dict(ended),
            "seconds": round(ran, 1), "seconds_with_shrinking": round(
                time.monotonic() - started, 1), "differences": entries}


def to_shrink(found):
    """What is new, and of each known difference the form that was seen most."""
    chosen = {}
    for signature, kept in sorted(found.items(), key=lambda item: -item[1]["seen"]):
        chosen.setdefault(name_of(signature.line()) or signature, signature)
    return set(chosen.values())


KNOWN = tomllib.loads((Path(__file__).parent / "known.toml").read_text())["difference"]


def name_of(line):
    """The name of a known difference, or None."""
    for known in KNOWN:
        if any(re.search(pattern, line) for pattern in known["match"]):
            return known["name"]
    return None


def is_new(item):
    return item["known"] is None and not item.get("unsteady")


def entry(signature, kept, answers_of, shrinking):
    """One kind of difference as the report has it; what is not known is looked at again."""
    line = signature.line()
    described = {"what": line, "known": name_of(line), "seen": kept["seen"]}
    if not shrinking:
        again = lambda: signature in differences(kept["schedule"], answers_of(kept["schedule"]))
        unsteady = described["known"] is None and not again()
        return {**described, "unsteady": unsteady, "schedule": kept["schedule"]}
    small = shrink(kept["schedule"], signature, answers_of)
    if small is None:
        return {**described, "unsteady": True, "schedule": kept["schedule"]}
    schedule, answers = small
    first = min(differences(schedule, answers).values())
    causes = [s.line() for s, i in differences(schedule, answers).items() if i == first]
    return {**described, "first_difference": causes, "schedule": schedule,
            "answers": {release: a[first] if first < len(a) else None
                        for release, a in answers.items()}}


def tell(report):
    total = sum(report["schedules"].values())
    print(f"{total} schedules, {report['operations']} operations, seed {report['seed']}, "
          f"{report['seconds']} s ({report['seconds_with_shrinking']} s with shrinking)")
    for name, count in sorted(report["schedules"].items()):
        print(f"  {name}: {count}")
    print(f"crashed: {report['crashes'] or 'none'}")
    for item in report["differences"]:
        print(f"\n{item['what']}\n  {item['known'] or 'NEW'}, seen {item['seen']} times")
        if item.get("unsteady"):
            print("  not seen again with the same schedule")
            continue
        print(f"  schedule: {json.dumps(item['schedule']['ops'])}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--schedules", type=int, default=25000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--family", action="append", choices=SHARES)
    parser.add_argument("--releases", default="0.25,0.26,0.27")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--schedule", type=Path)
    parser.add_argument("--no-shrinking", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
