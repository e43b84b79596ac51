"""Model kinds that the corpus does not have: programs, and what is asked of each.

A kind is a function that gives `Kind`: a module for the TVM of the running
interpreter, how it is built, and the calls that drive it, as plain data, because
another release's interpreter makes them.
"""

from dataclasses import dataclass, field
from typing import Any, Callable

KINDS: dict[str, Callable[[], "Kind"]] = {}


@dataclass
class Kind:
    module: Any
    calls: list
    # `bytecode` or `compiled`: what the VM functions become.
    mode: str = "bytecode"
    # Whether it becomes a system library, whose objects an application links.
    system_lib: bool = False
    # Functions of the application: the driver registers them, the scan is told them.
    provides: list = field(default_factory=list)
    # A bare executable instead of a library.
    bare: bool = False
    # Devices of the virtual machine; all are CPUs here.
    devices: int = 1


def kind(name):
    def remember(function):
        if name in KINDS:
            raise ValueError(f"two kinds are called {name}")
        KINDS[name] = function
        return function

    return remember


def tensor(shape, dtype="float32", seed=0, low=0, high=8):
    """An argument: random values of this seed; integers from low to high."""
    return ["tensor", dtype, list(shape), seed, low, high]


def call(function, *arguments):
    return {"call": function, "arguments": list(arguments)}


from . import caches, control, externals, kinds_of_data, serving, unlike, values  # noqa: E402,F401
from . import further, mixed  # noqa: E402,F401
