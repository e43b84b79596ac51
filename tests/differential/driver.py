"""Runs schedules on the runtime of the running interpreter: one JSON line in, a line out
for each operation, then a line with a dot.

Each schedule runs in a process forked from this one, which has loaded the runtime and
called nothing: what one schedule wrote where it should not have never reaches the next.
A crash ends that process alone, and is the last line.
"""

import gc
import json
import os
import resource
import signal
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import numpy as np  # noqa: E402
import world  # noqa: E402

SECONDS = 30  # of computing, for one schedule
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
        failed = noted(lambda op=op: made[0].step(op))
        errors += failed
        # A tree that is refused is in the cache in part, with what memory held.
        is_tree = op[0] == "begin" and len(op) > 3
        if errors == schedule["config"].get("errors", ERRORS) or failed and is_tree:
            break


FAMILIES = ("legacy_cache", "library", "paged_cache", "rnn_state", "samplers", "tensor_cache",
            "values")


def warm():
    """What each schedule would load anew: modules, and the names for an error's trace."""
    world.load_runtime()
    for name in FAMILIES:
        import_module("families." + name)
    world.show(world.tensor(np.random.default_rng(0).standard_normal(2)))
    with suppress(TypeError):
        world.builtin("vm.builtin.shape_of")()
    gc.collect()
    gc.freeze()  # collecting would write to what the processes share


def main():
    warm()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            # A hang is told by the time that it computes, not by a busy machine's clock.
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            try:
                run(json.loads(line), lambda result: print(json.dumps(result), flush=True))
                status = 0
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            ended = signal.Signals(-status).name if status < 0 else f"exit {status}"
            # Behind what the process wrote last, which may be no whole line.
            print("\n" + json.dumps({"ended": ended}), flush=True)
        print(".", flush=True)


if __name__ == "__main__":
    main()
