"""The corpus models, written with `tvm.relax.frontend.nn`, and how each is asked for.

`load(name)` gives a configuration of models.toml with its base filled in;
`build(config, dtype, target)` gives the IRModule and the `_metadata` value.
"""

import importlib
import tomllib
from pathlib import Path

MODELS = Path(__file__).parents[2] / "models.toml"


def load(name: str) -> dict:
    tables = tomllib.loads(MODELS.read_text())
    config = dict(tables[name])
    while "base" in config:
        base = config.pop("base")
        config = {**tables[base], **config}
    return {"name": name, **config}


def build(config: dict, dtype: str, target):
    """`dtype` is float32, float16 or q4f16_1 (float16 with 4-bit linear layers)."""
    if dtype == "q4f16_1":
        config, dtype = {**config, "quantization": dtype}, "float16"
    module = importlib.import_module(f"{__name__}.{config['arch']}")
    return module.build(config, dtype, target)
