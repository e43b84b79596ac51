"""Prints the signatures of functions of this release that register one, as JSON: the words
of each parameter, by name. Names come one a line on standard input.

Every function is called with more arguments than any takes, in a process of its own: one
that has a signature prints it and does nothing else.
"""

import json
import os
import re
import signal
import sys

import tvm  # noqa: F401 - registers the functions
import tvm_ffi

MANY = [None] * 70


def answer(name):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        try:
            tvm_ffi.get_global_func(name)(*MANY)
        except BaseException as error:  # noqa: BLE001 - whatever it says
            os.write(writing, str(error).encode()[:8000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    os.waitpid(child, 0)
    return text


def parameters(name):
    start = re.escape(f"Mismatched number of arguments when calling: `{name}(")
    found = re.search(start + r"(.*)\) -> .*`\. Expected (\d+) but", answer(name), re.S)
    if not found:
        return None
    words = re.split(r", (?=\d+: )", found[1]) if found[1] else []
    assert len(words) == int(found[2]), name
    return [word.split(": ", 1)[1] for word in words]


known = set(tvm_ffi.registry.list_global_func_names())
names = known.intersection(sys.stdin.read().split())
signatures = {name: parameters(name) for name in sorted(names)}
print(json.dumps({name: words for name, words in signatures.items() if words is not None}))
