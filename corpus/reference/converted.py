"""A model's weights out of a folder that `mlc_llm convert_weight` wrote, in NumPy.

Read where they are asked for, by the names that the reference computations use: fused
projections are cut, 4-bit matrices unpacked. TVM is not used.
"""

import json
import re
from pathlib import Path

import numpy as np

from common import LARGE, Packed


class Folder:
    """Looks like the dictionary of weights that a reference computation takes."""

    def __init__(self, folder, config):
        self.config, self.at = config, {}
        folder = Path(folder)
        index = next(folder / name for name in ("tensor-cache.json", "ndarray-cache.json")
                     if (folder / name).is_file())
        for shard in json.loads(index.read_text())["records"]:
            for record in shard["records"]:
                self.at[record["name"]] = (folder / shard["dataPath"], record)

    def tensor(self, name):
        path, record = self.at[name]
        halved = record["dtype"] == "float32" and record["format"] == "f32-to-bf16"
        dtype = np.dtype("uint16" if halved else record["dtype"])
        count = int(np.prod(record["shape"], dtype=np.int64))
        value = np.fromfile(path, dtype, count, offset=record["byteOffset"])
        if halved:
            value = (value.astype(np.uint32) << 16).view(np.float32)
        return value.reshape(record["shape"])

    def weight(self, name):
        """A weight under its name in the folder, as float32; a large 4-bit one stays packed."""
        if name in self.at:
            return self.tensor(name).astype(np.float32)
        base = name.removesuffix("weight")
        packed = Packed(self.tensor(base + "q_weight"), self.tensor(base + "q_scale"))
        return packed if packed.shape[0] * packed.shape[1] > LARGE else packed[:]

    def rows(self, name, sizes, which):
        """The part of a fused projection that stands at `which`."""
        begin = sum(sizes[:which])
        return self.weight(name)[begin:begin + sizes[which]]

    def __getitem__(self, name):
        config = self.config
        if found := re.fullmatch(r"(.*self_attn\.)([qkv])_proj\.weight", name):
            heads, width = config["num_attention_heads"], config["head_dim"]
            kv = config["num_key_value_heads"] * width
            return self.rows(found[1] + "c_attn.weight", [2 * heads * width, kv, kv], "qkv".index(found[2]))
        if found := re.fullmatch(r"layers\.(\d+)\.attention\.(query|key|value)\.(weight|bias)", name):
            fused = f"encoder.layer.{found[1]}.attention.self.qkv.{found[3]}"
            which = ("query", "key", "value").index(found[2])
            return self.rows(fused, [config["hidden_size"]] * 3, which)
        if name.startswith("layers."):
            name = name.replace("layers.", "encoder.layer.", 1).replace("attention_output", "attention.output")
            name = re.sub(r"intermediate\.(weight|bias)", r"intermediate.dense.\1", name)
        value = self.weight(name)
        return value.reshape(len(value), -1) if name.endswith("conv1d_weight") else value
