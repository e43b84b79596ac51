"""Loads libraries with the TVM of this interpreter and initialises a VM on each.

    python load_all.py FILE...

One line per file: the text of its executable as TVM lists it, hashed.
"""

import hashlib
import sys

import tvm
from tvm import relax


def main():
    for path in sys.argv[1:]:
        library = tvm.runtime.load_module(path)
        executable = library["vm_load_executable"]
        relax.VirtualMachine(library, tvm.cpu())
        assert executable is not None
        text = library["as_text"]()
        print(path, hashlib.sha256(text.encode()).hexdigest(), flush=True)


main()
