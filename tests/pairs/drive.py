"""Drives one library of `compile.py` on the runtime of the running interpreter.

    python drive.py FOLDER...

Only the runtime is loaded, as an application would load it, not the compiler. One JSON line per stage (load, init) and call, flushed at once, so that a crash shows
the last one: {"ok": true, "value": ...} or {"ok": false, "error": ...}. Each of several
folders gets a process of its own, forked from this one; its lines then name the folder.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

import ml_dtypes  # noqa: F401 - gives NumPy the small floats
import numpy as np
import tvm_ffi

sys.path.append(str(Path(__file__).resolve().parents[1] / "differential"))
import world  # noqa: E402

CPU, POOLED = 1, 2
SECONDS, WALL = 4, 120  # for one of several folders, of a processor and in all
OF = {}  # what each line names besides
SMALL = {"bfloat16": ml_dtypes.bfloat16, "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
         "float8_e5m2": ml_dtypes.float8_e5m2, "int4": ml_dtypes.int4}


def say(stage, **more):
    print(json.dumps({**OF, "stage": stage, **more}), flush=True)


def guarded(stage, action):
    try:
        value = action()
    except Exception as error:  # noqa: BLE001 - whatever the runtime throws is the result
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        say(stage, ok=False, error=f"{type(error).__name__}: {lines[-1] if lines else error!r}")
        return None
    say(stage, ok=True, value=plain(value))
    return value


def plain(value):
    """A result as JSON: tensors as type, shape and numbers, rounded."""
    if isinstance(value, (tuple, list)) or type(value).__name__ in ("Array", "ShapeTuple", "Shape"):
        return [plain(item) for item in value]
    if isinstance(value, tvm_ffi.Tensor):
        array = numpy_of(value)
        numbers = array.astype("float64").reshape(-1)
        return [str(value.dtype), [int(d) for d in array.shape],
                [round(float(n), 4) for n in numbers[:256]]]
    if value is None or isinstance(value, (bool, int, float, str)):
        return round(value, 4) if isinstance(value, float) else value
    return type(value).__name__


def numpy_of(tensor):
    """What a tensor holds, copied."""
    dtype = str(tensor.dtype)
    array = np.empty([int(size) for size in tensor.shape], SMALL.get(dtype, dtype))
    copy = tvm_ffi.get_global_func("runtime.TVMTensorCopyToBytes")
    copy(tensor, ctypes.c_void_p(array.ctypes.data), array.nbytes)
    return array


def tensor_of(array):
    array = np.asarray(array, order="C")
    make = tvm_ffi.get_global_func("runtime.TVMTensorAllocWithScope")
    made = make(tvm_ffi.Shape(array.shape), tvm_ffi.dtype(array.dtype.name),
                tvm_ffi.device("cpu", 0), None)
    fill(made, array)
    return made


def fill(tensor, array):
    array = np.asarray(array, order="C")
    copy = tvm_ffi.get_global_func("runtime.TVMTensorCopyFromBytes")
    copy(tensor, ctypes.c_void_p(array.ctypes.data), array.nbytes)


class Driver:
    def __init__(self, machine):
        self.machine, self.kept = machine, {}

    def tensor(self, dtype, shape, seed, low, high):
        random = np.random.default_rng(seed)
        if dtype == "bool":
            array = random.integers(0, 2, shape).astype("bool")
        elif "int" in dtype:
            array = random.integers(low, high, shape).astype(SMALL.get(dtype, dtype))
        else:
            array = random.standard_normal(shape).astype(SMALL.get(dtype, dtype))
        return tensor_of(array)

    def argument(self, spec):
        if not isinstance(spec, list):
            return spec
        kind, *rest = spec
        if kind == "tensor":
            return self.tensor(*rest)
        if kind == "array":
            return tensor_of(np.array(rest[1], rest[0]))
        if kind == "shape":
            return tvm_ffi.Shape(rest[0])
        if kind == "tuple":
            return [self.argument(item) for item in rest]
        if kind == "kept":
            return self.kept[rest[0]]
        raise ValueError(kind)

    def builtin(self, name):
        names = {"commit": "attention_kv_cache_commit_accepted_token_tree_nodes",
                 "window": "attention_kv_cache_enable_sliding_window_for_seq"}
        return tvm_ffi.get_global_func(f"vm.builtin.{names.get(name, 'kv_state_' + name)}")

    def call(self, op):
        result = self.machine[op["call"]](*(self.argument(a) for a in op["arguments"]))
        if "keep" in op:
            self.kept[op["keep"]] = result
        return result

    def make(self, op):
        shapes = (tvm_ffi.Shape([size]) for size in op["sizes"])
        made = self.machine[op["make"]](*shapes)
        self.builtin("clear")(made)
        self.kept[op.get("of", "cache")] = made

    def state(self, op):
        arguments = [tvm_ffi.Shape(a) if isinstance(a, list) else a
                     for a in op["arguments"]]
        self.builtin(op["builtin"])(self.kept[op.get("of", "cache")], *arguments)

    def window(self, op):
        self.builtin("window")(self.kept["cache"], *op["window"])

    def forward(self, op):
        cache, shape = self.kept[op.get("of", "cache")], tvm_ffi.Shape
        lengths = op["lengths"]
        tree = [shape(op["tree"])] if op.get("tree") else []
        self.builtin("begin_forward")(cache, shape(op["forward"]), shape(lengths), *tree)
        decode = len(lengths) > 1
        outer = [len(lengths), 1] if decode else [1, lengths[0]]
        qkv = self.tensor(op["dtype"], [*outer, op["heads"], op["width"]], op["seed"], 0, 0)
        result = plain(self.machine[op.get("function", "forward")](qkv, cache))
        if op.get("positions"):
            result = [result, plain(self.machine["positions"](qkv, cache))]
        self.builtin("end_forward")(cache)
        return result

    def step(self, op):
        """One token of each of these sequences, with a recurrent state."""
        state, sequences = self.kept["cache"], op["step"]
        lengths = tvm_ffi.Shape([1] * len(sequences))
        self.builtin("begin_forward")(state, tvm_ffi.Shape(sequences), lengths)
        result = plain(self.machine["step"](self.argument(op["input"]), state))
        self.builtin("end_forward")(state)
        return result

    def python(self, op):
        def twice(value):
            return tensor_of(numpy_of(value) * 2)

        tvm_ffi.get_global_func("vm.builtin.register_py_func")(op["python"], twice)

    def run(self, op):
        for name, action in (("python", self.python), ("make", self.make), ("builtin", self.state),
                             ("window", self.window), ("forward", self.forward),
                             ("step", self.step), ("call", self.call)):
            if name in op:
                return action(op)
        raise ValueError(op)


def register(name):
    """The function of an application: it writes its last argument, or gives the first back."""

    def answer(*arguments):
        arrays = [a for a in arguments if isinstance(a, tvm_ffi.Tensor)]
        if len(arrays) > 1:
            fill(arrays[-1], numpy_of(arrays[0]) * 2)
            return None
        return arguments[0] if arguments else 7

    tvm_ffi.register_global_func(name, answer, override=True)


def load(folder, plan):
    if plan["bare"]:
        loader = tvm_ffi.get_global_func("ffi.Module.load_from_file.relax.VMExecutable")
        return loader(str(folder / "library.vm"))
    if not plan["system_lib"]:
        return tvm_ffi.load_module(str(folder / "library.so"))
    ctypes.CDLL(str(folder / "library.so"), ctypes.RTLD_GLOBAL)
    return tvm_ffi.get_global_func("ffi.SystemLib")(plan["system_lib_prefix"])


def started(module, devices):
    machine = module["vm_load_executable"]()
    arguments = [number for index in range(devices) for number in (CPU, index, POOLED)]
    try:
        machine["vm_initialization"](*arguments)
    except RuntimeError as error:
        if "Cannot find" not in str(error):
            raise
        # An application in Python has what TVM's own package registers when it is imported.
        from tvm import relax  # noqa: F401

        machine["vm_initialization"](*arguments)
    return machine


def main():
    world.load_runtime()
    if len(sys.argv) == 2:
        return drive(Path(sys.argv[1]))
    for folder in sys.argv[1:]:
        child = os.fork()
        if child == 0:
            signal.alarm(WALL)
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            OF["folder"] = folder
            drive(Path(folder))
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status:
            OF["folder"] = folder
            say("process", ok=False, error=f"status {status}")


def drive(folder):
    plan = json.loads((folder / "calls.json").read_text())
    for name in plan["provides"]:
        register(name)
    module = guarded("load", lambda: load(folder, plan))
    if module is None:
        return
    machine = guarded("init", lambda: started(module, plan["devices"]))
    if machine is None:
        return
    driver = Driver(machine)
    for number, op in enumerate(plan["calls"]):
        name = next(key for key in op if key not in ("keep",))
        if guarded_call(driver, f"{number} {name} {op[name]}", op) and name == "make":
            break
    # What Python registered may not outlive Python.
    tvm_ffi.get_global_func("vm.builtin.clear_py_func_registry")()


def guarded_call(driver, stage, op):
    """Whether it failed."""
    failed = []

    def action():
        try:
            return driver.run(op)
        except BaseException:
            failed.append(True)
            raise

    guarded(stage, action)
    return bool(failed)


if __name__ == "__main__":
    main()
