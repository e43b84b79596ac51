#!/usr/bin/env python3
"""Moves the table of positions in converted weights: for bge-m3, whose checkpoint counts
positions from 2 while a library compiled as BERT counts from 0.

    python3 matrix/shift_positions.py PARAMS [--by 2]

PARAMS is the folder that `mlc_llm convert_weight` wrote. The first rows of each tensor of
`position_embeddings` go to its end: row 2 becomes row 0. Shard and index are written
anew, and the index notes it, so that a second run changes nothing.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

INDEXES = ("tensor-cache.json", "ndarray-cache.json")
NOTE = "positions_shifted_by"


def replace(path: Path, data: bytes) -> None:
    """Writes beside the file and renames: a reader sees the old one or the new one."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    os.replace(new, path)


def shifted(data: bytearray, record: dict, rows: int) -> str:
    start, size = record["byteOffset"], record["nbytes"]
    table = bytes(data[start:start + size])
    if len(table) != size or size % record["shape"][0] or rows >= record["shape"][0]:
        raise SystemExit(f"{record['name']}: {size} bytes at {start} are no table to shift")
    cut = size // record["shape"][0] * rows
    data[start:start + size] = table[cut:] + table[:cut]
    return record["name"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("params", type=Path)
    parser.add_argument("--by", type=int, default=2)
    args = parser.parse_args()
    if args.by < 1:
        parser.error("--by needs a number above 0")
    paths = [args.params / name for name in INDEXES if (args.params / name).is_file()]
    if not paths:
        raise SystemExit(f"{args.params}: no {' or '.join(INDEXES)}")
    index = json.loads(paths[0].read_text())
    done = index.setdefault("metadata", {}).get(NOTE)
    if done is not None:
        print(f"{args.params}: shifted by {done} before, left as it is")
        return
    names = []
    for shard in index["records"]:
        tables = [r for r in shard["records"]
                  if r["name"].rpartition(".")[0].endswith("position_embeddings")]
        if not tables:
            continue
        path = args.params / shard["dataPath"]
        data = bytearray(path.read_bytes())
        if shard.get("md5sum", hashlib.md5(data).hexdigest()) != hashlib.md5(data).hexdigest():
            raise SystemExit(f"{path}: another checksum than the index says; convert again")
        names += [shifted(data, record, args.by) for record in tables]
        shard["md5sum"] = hashlib.md5(data).hexdigest()
        replace(path, bytes(data))
    if not names:
        raise SystemExit(f"{args.params}: no tensor of position_embeddings")
    index["metadata"][NOTE] = args.by
    for path in paths:
        replace(path, (json.dumps(index, indent=1) + "\n").encode())
    print(f"{args.params}: {', '.join(names)} shifted by {args.by}")


if __name__ == "__main__":
    main()
