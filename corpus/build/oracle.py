"""What TVM itself says of an executable: written beside the artifact.

    <artifact>.as_text        `as_text()`, byte for byte
    <artifact>.oracle.json    `stats()` or its error, functions, module tree, device sources
"""

import hashlib
import json
from pathlib import Path

import tvm


def _imports(module):
    value = getattr(module, "imports", None)
    if value is None:
        value = module.imported_modules
    return list(value)


def tree(module) -> dict:
    node = {"kind": module.kind, "imports": [tree(child) for child in _imports(module)]}
    if module.kind in ("metal", "cuda", "opencl", "webgpu"):
        node["source_sha256"] = hashlib.sha256(_source(module).encode()).hexdigest()
    return node


def _source(module) -> str:
    read = getattr(module, "inspect_source", None) or module.get_source
    return read()


def functions(module, text: str) -> list[dict]:
    """The VM functions, named by `as_text`, with what the virtual machine answers of each."""
    names = [line[1:-1] for line in text.splitlines()
             if line.startswith("@") and line.endswith(":")]
    machine = module["vm_load_executable"]()
    arity, parameter = machine["get_function_arity"], machine["get_function_param_name"]
    return [{"name": name, "parameters": [parameter(name, i) for i in range(arity(name))]}
            for name in names]


def write(artifact: Path, module, taken_from: str) -> None:
    text = module["as_text"]()
    Path(f"{artifact}.as_text").write_bytes(text.encode())
    record = {"tvm": tvm.__version__, "taken_from": taken_from, "tree": tree(module),
              "functions": functions(module, text)}
    try:
        record["stats"] = module["stats"]()
    except Exception as error:  # noqa: BLE001 - TVM's own words are what is recorded
        record["stats"] = None
        record["stats_error"] = f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"
    Path(f"{artifact}.oracle.json").write_text(json.dumps(record) + "\n")
