//! A module that is gone and that a function, a loop or a computed name asks for: an error
//! where Python fails, and nowhere else.

use std::path::Path;

use super::edited::python_says;
use super::{environment, listed};
use crate::support::make::{folder, put};
use crate::support::scan;

const LATE: &str = "def f():\n    from . import late\n";
const HELPER: &str = "from importlib import import_module\n\
    def f():\n    from .late import x\n    return x\n\
    def load(name):\n    module_name = f'tvm_ffi.{name}'\n    try:\n        return import_module(module_name)\n    \
    except ModuleNotFoundError as err:\n        if err.name == module_name:\n            raise ImportError(name) from err\n        raise\n\
    def register():\n    import_module('.late', __package__)\n";
const IMPORT: &str = "from importlib import import_module\n";

/// An environment that lacks `tvm_ffi/late.py`.
fn without_late(root: &Path, first: &str) {
    let site = environment(root);
    put(&site, "typing_extensions.py", "");
    put(&site, "tvm_ffi/helper.py", HELPER);
    put(&site, "tvm_ffi/__init__.py", first);
    listed(&site, "tvm_ffi/helper.py", HELPER.len());
    listed(&site, "tvm_ffi/late.py", 1);
}

#[track_caller]
fn agree(first: &str, fails: bool) {
    let root = folder();
    without_late(root.path(), first);
    let said = python_says(root.path());
    assert_eq!(said.is_some(), fails, "{first}{said:?}");
    let (report, status) = scan([root.path()]);
    assert_eq!(status, i32::from(fails), "{first}{report:#}");
    let words = report.to_string();
    assert!(!words.contains("does not need it"), "{words}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn functions_that_are_called_run() {
    for after in [
        "X = f()\n",
        "def g():\n    f()\ndef h(): g()\ng()\n",
        "class A:\n    x = f()\n",
        "def g(a=f()): ...\n",
        "print(len([f()]))\n",
        "X = [f() for a in ('a',)]\n",
        "def d(c):\n    f()\n    return c\n@d\nclass A: ...\n",
        "def d(n):\n    def w(c):\n        f()\n        return c\n    return w\n@d('a')\ndef g(): ...\n",
        "class A:\n    def __init__(self, a):\n        f()\nX = A(1)\n",
        "class A:\n    @staticmethod\n    def make():\n        f()\nA.make()\n",
        "_DONE = False\ndef g():\n    global _DONE\n    if _DONE:\n        return\n    _DONE = True\n    f()\ng()\n",
        "SEEN = {}\ndef g(a):\n    if a in SEEN:\n        return\n    SEEN[a] = 1\n    if a == 'b':\n        f()\nfor a in ('a', 'b'):\n    g(a)\n",
        "import functools\n@functools.lru_cache(maxsize=None)\ndef g():\n    f()\ng()\n",
        "try:\n    f()\nfinally:\n    pass\n",
        "if f() is None:\n    pass\n",
        "from typing import TYPE_CHECKING as _T\nif not _T:\n    f()\n",
        "import sys\nif sys.meta_path:\n    pass\nf()\n",
    ] {
        agree(&format!("{LATE}{after}"), true);
    }
    for first in [
        "from .helper import f as g\nX = dict(a=g())\n",
        "from .helper import *\nf()\n",
        "from . import helper\nhelper.f()\n",
        "import tvm_ffi.helper\ntvm_ffi.helper.f()\n",
        "from .helper import load\nfor name in ['helper', 'late']:\n    load(name)\n",
        "from .helper import *\nfrom importlib import import_module\ndef __getattr__(name):\n    if name in {'late'}:\n        \
         return import_module(f'{__name__}.{name}')\n    raise AttributeError(name)\ndef g():\n    from tvm_ffi import late\ng()\n",
        "from .helper import load\nm = load('helper')\nr = getattr(m, 'register', None)\nif r is None:\n    raise ValueError\nr()\n",
    ] {
        agree(first, true);
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn names_of_modules_are_computed() {
    for name in [
        "f'{__name__}.late'",
        "__name__ + '.late'",
        "'{}.late'.format(__name__)",
        "'.late', __name__",
        "'.late', package=__package__",
        "name='tvm_ffi' '.late'",
    ] {
        agree(&format!("{IMPORT}import_module({name})\n"), true);
    }
    for after in [
        "NAMES = ('helper', 'late')\nfor n in NAMES:\n    import_module(f'{__name__}.{n}')\n",
        "X = {n: import_module(f'{__name__}.{n}') for n in sorted(['late'])}\n",
        "import importlib\nimportlib.import_module('tvm_ffi.late')\n",
        "__import__('tvm_ffi.late')\n",
    ] {
        agree(&format!("{IMPORT}{after}"), true);
    }
    // What is not there is in no listing.
    let listing = "import pkgutil\nfor _, name, _ in pkgutil.iter_modules(__path__):\n    import_module(f'{__name__}.{name}')\n";
    agree(&format!("{IMPORT}{listing}"), false);
}

/// What a package takes whole from a module has no names that begin with `_`.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_module_that_is_gone_is_no_name_taken_whole() {
    let root = folder();
    without_late(root.path(), "from .inner import *\n");
    let site = root.path().join("lib/python3.11/site-packages");
    let inner = "from . import _late as late\n";
    put(&site, "tvm_ffi/inner.py", inner);
    listed(&site, "tvm_ffi/inner.py", inner.len());
    listed(&site, "tvm_ffi/_late.py", 1);
    assert!(python_says(root.path()).is_some());
    assert_eq!(scan([root.path()]).1, 1);
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_listing_leads_to_what_is_edited() {
    let listing = "import pkgutil\nfrom importlib import import_module\n\
        for info in pkgutil.iter_modules(__path__):\n    import_module(f'{__name__}.{info.name}')\n";
    super::edited::agree(
        listing,
        "import numpyy\n",
        Some("ModuleNotFoundError: No module named 'numpyy'"),
    );
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_is_not_called_does_not_run() {
    for after in [
        "",
        "try:\n    f()\nexcept ImportError:\n    pass\n",
        "def g():\n    try:\n        f()\n    except ImportError:\n        return\ng()\n",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    f()\n",
        "def f(): ...\nf()\n",
        "f = print\nf()\n",
        "def g():\n    f()\n    yield 1\ng()\n",
        "async def g():\n    f()\ng().close()\n",
        "def g(a=None):\n    if a:\n        f()\ng()\n",
        "import sys\ndef g():\n    if len(sys.argv) < 99:\n        return\n    f()\ng()\n",
        "X = lambda: f()\n",
        "X = None and f()\nY = f() if X else 1\n",
        "X = [f() for a in []]\nfor a in ():\n    f()\n",
        "def skip(g): return print\n@skip\ndef g():\n    f()\ng()\n",
        "for n in ('a', 'b'):\n    if n == 'a':\n        continue\n    break\n    f()\n",
        "for n in ('a', 'b'):\n    if n == 'a':\n        break\n    f()\n",
        "_ON = False\ndef on():\n    global _ON\n    _ON = True\ndef g():\n    if _ON:\n        return\n    f()\non()\ng()\n",
        "L = []\ndef add():\n    L.append('a')\nadd()\nif not L:\n    f()\n",
        "L = []\nL.append('a')\nif not L:\n    f()\n",
        "D = {}\nD['a'] = 1\nif not D:\n    f()\n",
        "class A:\n    def __init__(self):\n        f()\n",
        "def g():\n    raise ImportError\n    f()\ntry:\n    g()\nexcept ImportError:\n    pass\n",
        "if __name__ == '__main__':\n    f()\n",
    ] {
        agree(&format!("{LATE}{after}"), false);
    }
}
