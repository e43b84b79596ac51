"""The tensor cache and parameter arrays that are read from it, with weight files on disk."""

import hashlib
import json
from pathlib import Path

import numpy as np

import plain_calls
from plain_calls import muddled, simpler, simpler_op, tensor  # noqa: F401

B = "vm.builtin.tensor_cache."
NAMES = ["a", "b", "param_0", "param_1", "param_2"]


def generate(random):
    ops = []
    for _ in range(random.randint(2, 8)):
        ops.append(muddled(random, make(random)))
    return {"family": "tensor_cache", "config": {"folder": random.randrange(6)}, "ops": ops}


def make(random):
    name = random.choice(NAMES)
    value = tensor([random.randint(1, 3)], random.choice(["float32", "int32"]),
                   random.randrange(99), "ids:9")
    return random.choice([
        [B + "update", name, value], [B + "update", name, value, random.choice([True, False])],
        [B + "get", name], [B + "get", name], [B + "remove", name], [B + "clear"],
        [B + "load", random.choice(["weights", "weights", "absent"]), random.choice([1, 1, 2]), 0],
        ["vm.builtin.param_array_from_cache", random.choice(["param", "x"]),
         random.choice([-1, 0, 1, 2, 3])],
        ["vm.builtin.param_array_from_cache_by_name", {"tuple": random.sample(NAMES, 2)}],
        ["vm.builtin.param_array_from_cache_by_name", {"tuple": []}],
        ["vm.builtin.param_array_from_cache_by_name_unpacked", *random.sample(NAMES, 2)],
        ["vm.builtin.param_module_from_cache", "param", random.choice([-1, 1])],
        ["vm.builtin.param_module_from_cache_by_name", {"tuple": ["a"]}],
    ])


class Subject(plain_calls.Subject):
    """Each subject starts with an empty cache and its own folder of weights."""

    def __init__(self, world, calls, config):
        super().__init__(world, calls, config)
        world.builtin(B + "clear")()
        write_weights(Path("weights"), config["folder"])


def write_weights(folder, variant):
    """A folder as mlc-llm writes it; the variants differ in types, formats and faults."""
    folder.mkdir(exist_ok=True)
    kinds = [("float32", "raw"), ("float32", "f32-to-bf16"), ("float16", "raw"),
             ("int32", "raw"), ("float32", "raw"), ("float32", "other")]
    kind, form = kinds[variant]
    blob, records = b"", []
    for index in range(2):
        values = np.arange(4).astype(kind) + index
        raw = values.tobytes()
        if form == "f32-to-bf16":
            raw = (values.view("uint32") >> 16).astype("uint16").tobytes()
        records.append({"name": f"param_{index}", "shape": [2, 2], "dtype": kind, "format": form,
                        "nbytes": len(raw), "byteOffset": len(blob)})
        blob += raw
    (folder / "params_shard_0.bin").write_bytes(blob[:-4] if variant == 4 else blob)
    shard = {"dataPath": "params_shard_0.bin", "format": "raw-shard", "nbytes": len(blob),
             "records": records, "md5sum": hashlib.md5(blob).hexdigest()}
    for name in ("tensor-cache.json", "ndarray-cache.json"):
        (folder / name).write_text(json.dumps({"metadata": {}, "records": [shard]}))
