"""Runs schedules on the runtime of the running interpreter: one JSON line in, a line out
for each operation, then a line with a dot.

A crash ends the process; whoever drives it starts another and notes the signal, and
where the lines end.
"""

import json
import sys
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import world  # noqa: E402

ERRORS = 3  # after so many errors a schedule ends: what follows says little


def run(schedule, say):
    """Says what each operation answered; the first line is the making of the subject."""
    family = import_module("families." + schedule["family"])
    calls, errors = [], 0

    def noted(action):
        calls.clear()
        result = {}
        try:
            result["ok"] = world.show(action())
        except Exception as error:  # noqa: BLE001 - whatever the runtime throws is the result
            result["error"] = world.error_text(error)
        if calls:
            result["calls"] = list(calls)
        say(result)
        return "error" in result

    made = []
    if noted(lambda: made.append(family.Subject(world, calls, schedule["config"]))):
        return
    for op in schedule["ops"]:
        errors += noted(lambda op=op: made[0].step(op))
        if errors == schedule["config"].get("errors", ERRORS):
            break


def main():
    world.load_runtime()
    for line in sys.stdin:
        run(json.loads(line), lambda result: print(json.dumps(result), flush=True))
        print(".", flush=True)


if __name__ == "__main__":
    main()
