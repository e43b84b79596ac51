"""Median time of TVM's own as_text() on a module that is already loaded.

Prints microseconds and the number of characters. Run with the Python of an
environment that has apache-tvm: as_text.py LIBRARY [RUNS]
"""

import statistics
import sys
import time

import tvm
from tvm import relax  # noqa: F401  (registers the executable's methods)


def executable(module):
    """The Relax executable among a module and what it imports."""
    if module.kind.startswith("relax."):
        return module
    for imported in module.imports:
        found = executable(imported)
        if found is not None:
            return found
    return None


def main():
    runs = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    as_text = executable(tvm.runtime.load_module(sys.argv[1]))["as_text"]
    text = as_text()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        as_text()
        times.append(time.perf_counter() - start)
    print(f"{statistics.median(times) * 1e6:.1f} {len(text)}")


main()
