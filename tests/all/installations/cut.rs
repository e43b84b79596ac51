//! Python files that were cut, and names that are gone though their word is still there.

use std::path::Path;

use super::{environment, first, listed, says};
use crate::support::make::{folder, put};
use crate::support::{rules, scan};

/// `tvm_ffi.container` as it was left, another size than it was.
fn container(text: &'static str) -> impl Fn(&Path) {
    move |site| {
        first(site, "from .container import Dict\n");
        listed(site, "tvm_ffi/container.py", 1000);
        put(site, "tvm_ffi/container.py", text);
        put(site, "tvm_ffi/other.py", "class Dict: ...\n");
    }
}

#[test]
fn a_word_is_no_definition() {
    for gone in [
        "__all__ = [\"Dict\"]\n",
        "def f(x) -> Dict:\n    return Dict(x)\n",
        "class Other:\n    def Dict(self): ...\n    Dict = 1\n",
        "def f(cls, name):\n    Dict = 1\n    setattr(cls, name, Dict)\n",
        "__all__ = [\"Dict\"]\nclass Lis",
    ] {
        says(container(gone), &["AC209"], &[]);
    }
    for there in [
        "class Dict: ...\n",
        "if x:\n    from a import b as Dict\nelse:\n    Dict = None\n",
        "def __getattr__(name): ...\n",
        "from .other import *\n",
        "globals()[\"Di\" + \"ct\"] = 1\n",
        "def f():\n    global Dict\n    Dict = 1\n",
    ] {
        says(container(there), &[], &[]);
    }
}

#[test]
fn what_python_cannot_parse() {
    for refused in [
        "class Dict: ...\ndef f(a: int) -> List[int]",
        "class Dict: ...\n<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> b\n",
    ] {
        says(container(refused), &["AC209"], &[]);
    }
    let told = "'''\n<<<<<<< HEAD\n=======\n>>>>>>> b\n'''\nclass Dict: ...\n";
    says(container(told), &[], &[]);
}

/// A module that makes its names up is no proof against another file that was edited, a
/// pipe is not read, what is for tests may be gone, and Windows' layout is one too.
#[test]
fn what_says_nothing_of_an_import_is_no_error() {
    let edited = |site: &Path| {
        first(
            site,
            "from tvm_ffi.made import anything\nimport tvm_ffi.other\n",
        );
        put(
            site,
            "tvm_ffi/made.py",
            "init_ffi_api('x', 'tvm_ffi.made')\n",
        );
        listed(site, "tvm_ffi/made.py", 34);
        put(site, "tvm_ffi/other.py", "# edited\n");
        listed(site, "tvm_ffi/other.py", 3);
    };
    says(edited, &[], &[]);
    let lost_tests = |site: &Path| listed(site, "tests/__init__.py", 3);
    says(lost_tests, &[], &[]);
    #[cfg(unix)]
    says(
        |site| {
            let info = site.join("foo-1.0.dist-info");
            std::fs::create_dir(&info).expect("made");
            let made = std::process::Command::new("mkfifo")
                .arg(info.join("METADATA"))
                .status();
            assert!(made.expect("mkfifo").success());
        },
        &[],
        &[],
    );
    let root = folder();
    let site = environment(root.path());
    first(&site, "import orjson\n");
    let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
    put(
        &info,
        "METADATA",
        "Name: apache-tvm-ffi\nVersion: 0.1.15.post2\nRequires-Dist: orjson\n",
    );
    let windows = root.path().join("Lib/site-packages");
    std::fs::create_dir(root.path().join("Lib")).expect("made");
    std::fs::rename(&site, &windows).expect("moved");
    let (report, status) = scan([&windows]);
    assert_eq!(
        (rules(&report, &["error"]), status),
        (vec!["AC209".to_owned()], 1),
        "{report}"
    );
}
