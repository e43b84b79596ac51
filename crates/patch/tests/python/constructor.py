"""What the shim's wrapper around the KV cache constructor does, case by case.

    python constructor.py CASE SHIM [SECOND_SHIM | MODEL]

Cases: twice, sliding, both-tags, only-tir, before, c-name. Prints JSON.
"""

import ctypes
import json
import sys

NAME = "vm.builtin.paged_attention_kv_cache_create"


def load(path):
    ctypes.CDLL(path, ctypes.RTLD_GLOBAL)


def state(part):
    import tvm_ffi
    found = tvm_ffi.get_global_func("artcheck.shim." + part, allow_missing=True)
    return found() if found is not None else None


def constructor():
    import tvm_ffi
    return tvm_ffi.get_global_func(NAME)


def address():
    return constructor().__chandle__()


def arguments(config, kinds, tag):
    """Arguments that every runtime takes apart from what is asked."""
    import numpy as np
    import tvm
    import tvm_ffi
    function = tvm_ffi.get_global_func("ffi.String")
    shape = tvm.runtime.ShapeTuple
    pair = tvm_ffi.Array([tag, function])
    none = tvm_ffi.Array([])
    init = tvm.runtime.tensor(np.zeros((1,), "float32"), tvm.cpu())
    args = [shape(config), shape([0, 1]), 1, 1, 8, 8, shape(kinds), False, 0, 1.0, 1.0, None, init,
            None, None, pair, pair, pair, none, none, pair, pair, none, tvm_ffi.Array([function]),
            function, function, function, function]
    assert len(args) == 28
    return args


def outcome(config, kinds, tag):
    try:
        return type(constructor()(*arguments(config, kinds, tag))).__name__
    except Exception as error:  # noqa: BLE001 - the error is the result
        lines = [line for line in str(error).splitlines() if line.strip()]
        return "error: " + (lines[-1].strip() if lines else repr(error))


def five(tag):
    return outcome([2, 64, 16, 16, 0], [0], tag)


def stand_in(accepted):
    """Puts a constructor of another generation in front of the runtime's own."""
    import tvm_ffi
    own = constructor()

    def other(*args):
        args = list(args)
        for at in range(15, 23):
            items = list(args[at])
            if items and items[0] not in accepted:
                raise RuntimeError("Cannot reach here")
            if items:
                args[at] = tvm_ffi.Array(["tirx", *items[1:]])
        return own(*args)

    tvm_ffi.register_global_func(NAME, other, override=True)


def by_c_name(shim, model):
    """Looks a function up as a system library of 0.25 does, and as one of 0.26."""
    import tvm_ffi
    # A library's context is the C++ module; its object part follows the vtable word.
    module = tvm_ffi.load_module(model)
    context = module.__chandle__() - 8
    found = []
    for library, function in ((shim, "TVMBackendGetFuncFromEnv"),
                              (None, "TVMFFIEnvModLookupFromImports")):
        out = ctypes.c_void_p()
        call = getattr(ctypes.CDLL(library), function)
        call.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        status = call(context, b"vm.builtin.copy", ctypes.byref(out))
        found.append((status, out.value is not None and out.value))
    return found


def main():
    case, *shims = sys.argv[1:]
    if case == "before":
        load(shims[0])
    import tvm  # noqa: F401
    result = {}
    if case == "twice":
        before = address()
        load(shims[0])
        once = address()
        load(shims[1])
        result = {"wrapped": before != once, "again": address() != once, "tir": five("tir"),
                  "tirx": five("tirx"), "other": five("tvm")}
    elif case == "sliding":
        load(shims[0])
        result = {"plain": outcome([2, 64, 16, 16, 0, 1024], [0], "tirx"),
                  "sliding": outcome([2, 64, 16, 16, 0, 512], [3], "tirx")}
    elif case in ("both-tags", "only-tir"):
        stand_in({"tir", "tirx"} if case == "both-tags" else {"tir"})
        before = address()
        untouched = {"tir": five("tir"), "tirx": five("tirx")}
        load(shims[0])
        result = {"wrapped": before != address(), "untouched": untouched, "tir": five("tir"),
                  "tirx": five("tirx")}
    elif case == "c-name":
        load(shims[0])
        old, new = by_c_name(*shims)
        result = {"status": [old[0], new[0]], "same": old[1] == new[1] and bool(old[1])}
    elif case == "before":
        result = {"tir": five("tir"), "tirx": five("tirx")}
    for part in ("attention-tag", "cache-config", "context-slots"):
        result[part] = state(part)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
