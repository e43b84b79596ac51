"""Writes weights in mlc's form: `tensor-cache.json` and `params_shard_*.bin`."""

import hashlib
import json
from pathlib import Path

import numpy as np

SHARD_LIMIT = 4 << 20


def write(directory, tensors):
    """Writes (name, array) pairs in order, no shard larger than 4 MiB."""
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    shards, parts, records, size = [], [], [], 0

    def close():
        nonlocal parts, records, size
        if not parts:
            return
        data, name = b"".join(parts), f"params_shard_{len(shards)}.bin"
        (directory / name).write_bytes(data)
        shards.append({"dataPath": name, "format": "raw-shard", "nbytes": len(data),
                       "records": records, "md5sum": hashlib.md5(data).hexdigest()})
        parts, records, size = [], [], 0

    for name, array in tensors:
        data = np.ascontiguousarray(array).tobytes()
        if size + len(data) > SHARD_LIMIT:
            close()
        records.append({"name": name, "shape": list(array.shape), "dtype": str(array.dtype),
                        "format": "raw", "nbytes": len(data), "byteOffset": size})
        parts.append(data)
        size += len(data)
    close()
    total = sum(s["nbytes"] for s in shards)
    text = json.dumps({"metadata": {"ParamSize": sum(len(s["records"]) for s in shards),
                                    "ParamBytes": total}, "records": shards}, indent=1)
    (directory / "tensor-cache.json").write_text(text + "\n")
