//! Modules that somebody edited: what Python says when it imports them, and what a scan says
//! before that.

use std::path::Path;
use std::process::Command;

use super::{environment, listed};
use crate::support::make::{folder, put};
use crate::support::{scan, venv};

const INNER: &str = "tvm_ffi/inner.py";

/// The environment with a module that `tvm_ffi` imports, and that is not what it brought.
fn edited(root: &Path, first: &str, inner: &str) {
    let site = environment(root);
    put(&site, "typing_extensions.py", "");
    put(&site, "other_module.py", "there = 1\n");
    put(&site, "tvm_ffi/__init__.py", first);
    put(&site, INNER, inner);
    listed(&site, INNER, 1);
}

/// The last line that Python prints when it imports the package.
pub(super) fn python_says(root: &Path) -> Option<String> {
    let site = root.join("lib/python3.11/site-packages");
    let script = "import sys; sys.path.insert(0, sys.argv[1]); import tvm_ffi";
    let mut python = Command::new(venv("tools").join("bin/python"));
    let done = python.args(["-I", "-c", script]).arg(site).output();
    let done = done.expect("Python");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    let last = said.lines().last().map(str::to_owned);
    last.filter(|_| !done.status.success())
}

#[track_caller]
pub(super) fn agree(first: &str, inner: &str, expected: Option<&str>) {
    let root = folder();
    edited(root.path(), first, inner);
    let said = python_says(root.path());
    let (report, status) = scan([root.path()]);
    let findings = report["findings"].as_array().expect("findings");
    let mut says = findings.iter().filter(|one| one["severity"] == "error");
    let says = says.find_map(|one| one["runtime_says"].as_str());
    assert_eq!(says, expected, "{first}{inner}: {report}");
    assert_eq!(status, i32::from(expected.is_some()), "{report}");
    match expected {
        Some(words) => {
            let said = said.expect("Python refuses it");
            assert!(said.starts_with(words), "{said}\n{words}");
        }
        None => assert_eq!(said, None, "{first}{inner}"),
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_is_asked_for_in_vain_is_an_error() {
    let first = "from . import inner\n";
    for (inner, expected) in [
        (
            "import numpyy\n",
            "ModuleNotFoundError: No module named 'numpyy'",
        ),
        (
            "from numpyy.x import y\n",
            "ModuleNotFoundError: No module named 'numpyy'",
        ),
        ("prnt(1)\n", "NameError: name 'prnt' is not defined"),
        ("X = [os.sep, 1]\n", "NameError: name 'os' is not defined"),
        (
            "@registr(\"a\")\nclass A: ...\n",
            "NameError: name 'registr' is not defined",
        ),
        (
            "if True:\n    x = y\n",
            "NameError: name 'y' is not defined",
        ),
        (
            "import other_module\nother_module.gone(1)\n",
            "AttributeError: module 'other_module' has no attribute 'gone'",
        ),
        (
            "from . import gone\n",
            "ImportError: cannot import name 'gone' from partially initialized module 'tvm_ffi'",
        ),
        (
            "from other_module import gone\n",
            "ImportError: cannot import name 'gone' from 'other_module'",
        ),
        ("x = 1)\n", "SyntaxError: unmatched ')'"),
        (
            "x = (1]\n",
            "SyntaxError: closing parenthesis ']' does not match opening parenthesis '('",
        ),
        (
            "def f():\nx = 1\n",
            "IndentationError: expected an indented block",
        ),
        ("x = 1\n  y = 2\n", "IndentationError: unexpected indent"),
        (
            "if 1:\n    x = 1\n  y = 2\n",
            "IndentationError: unindent does not match any outer indentation level",
        ),
        (
            "if 1:\n        x = 1\n\ty = 2\n",
            "TabError: inconsistent use of tabs and spaces in indentation",
        ),
    ] {
        agree(first, inner, Some(expected));
    }
    // What a package takes from itself binds no name that is not there.
    let of_itself =
        "ImportError: cannot import name 'gone' from partially initialized module 'tvm_ffi'";
    for first in ["from . import inner, gone\n", "from tvm_ffi import gone\n"] {
        agree(first, "x = 1\n", Some(of_itself));
    }
    // What a module takes whole is known.
    let whole = "from .inner import *\nprint(there)\nprnt(1)\n";
    let words = "NameError: name 'prnt' is not defined";
    agree(whole, "from other_module import *\n", Some(words));
    let gone = "from .inner import gone\n";
    let words = "ImportError: cannot import name 'gone' from 'tvm_ffi.inner'";
    agree(gone, "from other_module import *\n", Some(words));
    // No function answers for a bare name, and no loader puts one there.
    for first in [
        "def __getattr__(name): return 1\n",
        "def load_lib_ctypes(name): return 1\nload_lib_ctypes('tvm_ffi')\n",
    ] {
        let first = format!("{first}from . import inner\nprnt(1)\n");
        let words = "NameError: name 'prnt' is not defined";
        agree(&first, "x = 1\n", Some(words));
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_is_there_or_may_not_run_is_none() {
    let first = "import os, sys\nfrom . import inner\n";
    for inner in [
        "import json, typing_extensions, _ctypes\n",
        "try:\n    import numpyy\nexcept ImportError:\n    numpyy = None\n",
        "def f():\n    import numpyy\n    prnt(1)\n",
        "if len('a') == 2:\n    prnt(1)\n",
        "x = prnt if False else 1\n",
        "x = [a for a in (1,)]\ny = lambda b: c\n",
        "print(__name__, __file__, len)\n",
        "for a in (1,): pass\nb = a\n",
        "from os import *\nsep\n",
        "try:\n    prnt\nexcept NameError:\n    prnt = 1\nprnt\n",
        "class A:\n    x = 1\n    y = x\n",
        "x: 'T'\ny = dict(end=1)\n",
        "if 1:\n\tx = 1\n\tif x:\n\t    y = 2\n",
    ] {
        agree(first, inner, None);
    }
    // Folders and finders that a package adds itself have what they have.
    let vendored = "import sys, os\n\
        sys.path.append(os.path.join(os.path.dirname(__file__), 'vendor'))\n\
        from . import inner\n";
    let root = folder();
    edited(root.path(), vendored, "import brought\n");
    let site = root.path().join("lib/python3.11/site-packages");
    put(&site, "tvm_ffi/vendor/brought.py", "");
    assert_eq!(python_says(root.path()), None);
    let (report, status) = scan([root.path()]);
    assert_eq!(status, 0, "{report}");
    agree(
        "from .inner import *\nprint(there, sep)\n",
        "from other_module import *\nfrom os import *\n",
        None,
    );
    // A package has the modules in it that are imported.
    agree("import tvm_ffi.inner\ninner.x\n", "x = 1\n", None);
}

/// Where other folders may have it, nothing is certain.
#[test]
fn what_may_be_elsewhere_is_not_decided() {
    let root = folder();
    edited(root.path(), "from . import inner\n", "import numpyy\n");
    let settings = "include-system-site-packages = true\n";
    put(root.path(), "pyvenv.cfg", settings);
    let (report, status) = scan([root.path()]);
    assert_eq!(status, 4, "{report}");
}

/// A line of a `.pth` file that ends Python, or fails and hides what follows.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_line_that_python_runs_when_it_starts() {
    let root = folder();
    let made = Command::new(venv("tools").join("bin/python"))
        .args(["-m", "venv", "--without-pip"])
        .arg(root.path())
        .status();
    assert!(made.expect("Python starts").success());
    let site = environment(root.path());
    put(root.path(), "pyvenv.cfg", {
        let own = std::fs::read_to_string(venv("tools").join("pyvenv.cfg"));
        own.expect("its settings")
    });
    put(&site, "typing_extensions.py", "");
    super::first(&site, "");
    for (line, severity, status) in [
        ("import sys; sys.exit(3)\n", Some("error"), 1),
        ("import nowhere\n", Some("warning"), 0),
        ("import sys, os; sys.path.append('nowhere')\n", None, 0),
    ] {
        put(&site, "a.pth", line);
        let python = root.path().join("bin/python");
        let done = Command::new(python).args(["-c", "print(1)"]).output();
        let done = done.expect("Python starts");
        assert_eq!(done.status.success(), severity != Some("error"), "{line}");
        let said = String::from_utf8_lossy(&done.stderr);
        let (report, exit) = scan([root.path()]);
        let findings = report["findings"].as_array().expect("findings");
        let of_line = findings
            .iter()
            .find(|one| one["artifact"].to_string().contains("a.pth"));
        let found = of_line.map(|one| one["severity"].as_str().expect("a word"));
        assert_eq!((found, exit), (severity, status), "{line}{report:#}");
        assert_eq!(said.is_empty(), severity.is_none(), "{line}{said}");
        if let Some(words) = of_line.and_then(|one| one["runtime_says"].as_str()) {
            assert!(said.contains(words), "{said}");
        }
    }
}
