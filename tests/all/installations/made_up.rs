//! Modules and names that code makes while a package is imported, and what an edited module
//! asks for in vain in one line.

use std::path::Path;

use super::{listed, says};
use crate::support::make::put;

/// An edited first module, beside `tvm_ffi.ir` as it was brought.
fn edited(text: &str) -> impl Fn(&Path) {
    move |site| {
        put(site, "tvm_ffi/__init__.py", text);
        put(site, "tvm_ffi/ir.py", "x = 1\n");
        listed(site, "tvm_ffi/ir.py", 6);
    }
}

#[test]
fn what_code_makes_is_not_missed() {
    for works in [
        "import sys, types\nsys.modules['made'] = types\nimport made\n",
        "import sys, os\nsys.modules.setdefault('made', os)\nimport made\n",
        "from sys import modules as m\nimport os\nm['made'] = os\nimport made\n",
        "import sys\nclass Finder: ...\nsys.meta_path.append(Finder)\nimport made\n",
        "import site\nsite.addsitedir('folder')\nimport made\n",
        "import sys\nsys.path += ['folder']\nimport made\n",
        "import sys\np = sys.path\np.insert(0, 'folder')\nimport made\n",
        "from . import ir as i\ni.legacy = 1\nfrom .ir import legacy\n",
        "from . import ir\nfor n in ('a', 'b'):\n    setattr(ir, n, 1)\nfrom .ir import a, b\n",
        "from . import ir\nvars(ir).update(a=1)\nfrom .ir import a\n",
        "import builtins\nbuiltins.__dict__['made'] = 1\nx = made\n",
    ] {
        says(edited(works), &[], &[]);
    }
}

#[test]
fn what_is_held_back_is_not_missed() {
    for works in [
        "import contextlib\nwith open('x') as f, contextlib.suppress(ImportError):\n    import made\n",
        "import contextlib\n@contextlib.contextmanager\ndef optional():\n    try: yield\n    \
         except ImportError: pass\nwith optional():\n    import made\n",
        "try: import made\nexcept ImportError: pass\n",
        "if False: import made\n",
    ] {
        says(edited(works), &[], &[]);
    }
}

#[test]
fn statements_of_one_line_are_read() {
    for fails in [
        "if True: import made\n",
        "import os; import made\n",
        "import tvm_ffi.made\n",
    ] {
        says(edited(fails), &["AC209"], &[]);
    }
}

#[test]
fn an_added_file_is_read_too() {
    let added = |text: &'static str| {
        move |site: &Path| {
            edited("from . import added\n")(site);
            put(site, "tvm_ffi/added.py", text);
        }
    };
    says(added("import made\n"), &["AC209"], &[]);
    says(added("import os\n"), &[], &[]);
}

/// What doubles with each line is followed no further.
#[test]
fn values_that_grow_end() {
    let text = format!("s = 'a'\n{}", "s = s + s\n".repeat(60));
    let list = format!("s = ['a']\n{}", "s = [s, s]\n".repeat(60));
    for text in [text, list] {
        says(edited(&text), &[], &[]);
    }
}

/// A module that was moved to where a `.pth` file leads is there.
#[test]
fn a_module_in_a_folder_of_a_pth_file_is_there() {
    let listed = |site: &Path| {
        let info = site.join("typing_extensions-4.15.0.dist-info");
        put(
            &info,
            "METADATA",
            "Name: typing_extensions\nVersion: 4.15.0\n",
        );
        put(&info, "RECORD", "typing_extensions.py,sha256=x,6\n");
    };
    says(listed, &["AC209"], &[]);
    let moved = |site: &Path| {
        listed(site);
        put(site, "vendor/typing_extensions.py", "x = 1\n");
        put(site, "vendor.pth", "vendor\n");
    };
    says(moved, &[], &[]);
}
