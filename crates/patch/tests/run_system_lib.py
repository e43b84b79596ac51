"""Runs a system library as corpus/build/run_pair.py runs a model library.

    PYTHON run_system_lib.py CORPUS PREFIX LIBRARY [option of run_pair.py ...]

LIBRARY is the archive's objects, linked into one shared library. Its constructors
register what it holds under PREFIX when it is opened, as they do in an app.
"""

import ctypes
import sys
from pathlib import Path

corpus, prefix = sys.argv[1:3]
del sys.argv[1:3]
sys.path.insert(0, str(Path(corpus) / "build"))

import run_pair  # noqa: E402


def load(session, path):
    ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    return session.tvm.runtime.system_lib(prefix)


run_pair.Session.load = load
run_pair.main()
