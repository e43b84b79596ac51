"""Prints how many arguments each typed `vm.builtin.` function of this release takes, as JSON.

What a function registers as its type is the release's own word.
"""

import json

import tvm  # noqa: F401 - registers the functions
from tvm_ffi import registry


def count(name):
    schema = (registry.get_global_func_metadata(name) or {}).get("type_schema")
    schema = json.loads(schema) if isinstance(schema, str) else schema
    return len(schema["args"]) - 1 if schema and "args" in schema else None


names = [name for name in registry.list_global_func_names() if name.startswith("vm.builtin.")]
print(json.dumps({name: count(name) for name in names if count(name) is not None}))
