"""The runtime of the running interpreter, and how values of it are written down.

Only libtvm_ffi and libtvm_runtime are loaded, as an application would load them;
the compiler is not. What is written down is JSON: two runtimes answered alike
when their lines are alike.
"""

import ctypes
import hashlib
import re
from pathlib import Path

import numpy as np
import tvm_ffi

SHOWN = 40  # elements written out; longer contents are written as a digest
CPU = 1


def load_runtime():
    folder = Path(tvm_ffi.__file__).parents[1] / "tvm" / "lib"
    for name in ("libtvm_runtime.so", "libtvm_runtime_extra.so"):
        ctypes.CDLL(str(folder / name), ctypes.RTLD_GLOBAL)


def builtin(name):
    """A function of the runtime; a missing one is an error like any other."""
    function = tvm_ffi.get_global_func(name, allow_missing=True)
    if function is None:
        raise LookupError(f"no function {name}")
    return function


def tensor(array):
    return tvm_ffi.from_dlpack(np.ascontiguousarray(array))


def array(value):
    """The memory of a tensor as a NumPy array: writing to it writes to the tensor."""
    return np.from_dlpack(value)


def shape(values):
    return tvm_ffi.Shape(tuple(values))


def rounded(value):
    return float(f"{value:.5g}")


def show(value):
    """A value as JSON data; the same in every process and on every runtime."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return rounded(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.ndarray):
        return contents(value)
    if isinstance(value, tvm_ffi.Shape):
        return {"shape": [int(d) for d in value]}
    if isinstance(value, tvm_ffi.Tensor):
        return show_tensor(value)
    if isinstance(value, (tvm_ffi.Array, list, tuple)):
        return [show(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return {"bytes": bytes(value).hex()}
    return {"object": type(value).__name__}


def show_tensor(value):
    try:
        return contents(array(value))
    except Exception:  # noqa: BLE001 - a type that NumPy lacks is shown without its contents
        return {"dtype": str(value.dtype), "shape": [int(d) for d in value.shape]}


def contents(data):
    shown = {"dtype": str(data.dtype), "shape": list(data.shape)}
    flat = data.reshape(-1)
    if data.dtype.kind == "f":
        flat = [rounded(v) for v in flat.tolist()]
    else:
        flat = flat.tolist()
    if len(flat) <= SHOWN:
        shown["data"] = flat
    else:
        shown["digest"] = hashlib.sha1(repr(flat).encode()).hexdigest()[:12]
        shown["ends"] = flat[:4] + flat[-4:]
    return shown


def outline(value):
    """A tensor without its contents: memory that its reader has not written yet."""
    if isinstance(value, tvm_ffi.Tensor):
        return {"dtype": str(value.dtype), "shape": [int(d) for d in value.shape]}
    return show(value)


def error_text(error):
    """The error as a user sees it, less what differs between two runs."""
    text = re.sub(r"0x[0-9a-fA-F]+", "0x..", str(error)).strip()
    return f"{type(error).__name__}: {text}"
