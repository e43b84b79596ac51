//! Files that no package brought, and a Python that is not the packages' own.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::{environment, first, listed, says};
use crate::support::make::{folder, put};
use crate::support::{rules, scan};

/// The environment with a second module, which its first one asks for something.
fn with_inner(site: &Path, first_module: &str, inner: &str) {
    put(site, "tvm_ffi/inner.py", inner);
    listed(site, "tvm_ffi/inner.py", inner.len());
    first(site, first_module);
}

#[test]
fn a_package_hides_a_module_of_its_name() {
    let inner = "def load(): ...\n";
    for asks in [
        "from .inner import load\n",
        "from . import inner\nX = inner.load()\n",
    ] {
        says(|site| with_inner(site, asks, inner), &[], &[]);
        let hidden = |text: &'static str| {
            move |site: &Path| {
                with_inner(site, asks, inner);
                put(site, "tvm_ffi/inner/__init__.py", text);
            }
        };
        says(hidden(""), &["AC209"], &[]);
        says(hidden(inner), &[], &[]);
        let own = |site: &Path| {
            hidden("")(site);
            // A folder without a first module is found last.
            let first = site.join("tvm_ffi/inner/__init__.py");
            std::fs::remove_file(first).expect("removed");
        };
        says(own, &[], &[]);
    }
}

/// An environment whose program is another Python, or none.
#[test]
fn the_program_is_the_python_of_the_packages() {
    let status = |change: &dyn Fn(&Path)| {
        let root = folder();
        environment(root.path());
        put(root.path(), "bin/activate", "");
        change(root.path());
        let (report, status) = scan([root.path()]);
        let errors = rules(&report, &["error"]);
        assert_eq!(!errors.is_empty(), status == 1, "{report}");
        status
    };
    let link = |to: &'static str| {
        move |root: &Path| {
            put(root, "python3.11", "");
            put(root, "python3.12", "");
            symlink(to, root.join("bin/python")).expect("a link");
        }
    };
    assert_eq!(status(&|_| {}), 0);
    assert_eq!(status(&link("../python3.11")), 0);
    assert_eq!(status(&link("../python3.12")), 1);
    assert_eq!(status(&link("../gone")), 4);
    // The name in the environment itself says nothing.
    assert_eq!(
        status(&|root| {
            link("python3.11")(root);
            symlink("../python3.12", root.join("bin/python3.11")).expect("a link");
        }),
        1
    );
    // Its packages are there too.
    let both = |root: &Path| {
        link("../python3.12")(root);
        put(root, "lib/python3.12/site-packages/tvm_ffi/__init__.py", "");
    };
    assert_eq!(status(&both), 0);
    // With this link it was made: elsewhere another file may be there.
    let made = |root: &Path| {
        symlink("python3.12", root.join("home")).expect("a link");
        put(root, "python3.12", "");
        symlink(root.join("home"), root.join("bin/python")).expect("a link");
        let home = root.display();
        put(
            root,
            "pyvenv.cfg",
            format!("include-system-site-packages = false\nhome = {home}\n"),
        );
    };
    assert_eq!(status(&made), 4);
    let bare = |root: &Path| std::fs::remove_file(root.join("pyvenv.cfg")).expect("removed");
    assert_eq!(status(&bare), 4);
    let own = |root: &Path| {
        bare(root);
        put(root, "lib/python3.11/os.py", "");
    };
    assert_eq!(status(&own), 0);
}

#[test]
fn a_file_that_python_does_not_open_is_no_fault() {
    const OWN: &str = "tvm_ffi/core.cpython-311-x86_64-linux-gnu.so";
    let with = |names: &'static [&str]| {
        move |site: &Path| {
            let model = std::fs::read(site.join("tvm_ffi/lib/model.so")).expect("read");
            put(site, OWN, model);
            for name in names {
                put(site, name, "");
            }
        }
    };
    let status = |names: &'static [&str]| {
        let root = folder();
        with(names)(&environment(root.path()));
        scan([root.path()]).1
    };
    assert_eq!(status(&["tvm_ffi/core.abi3.so", "tvm_ffi/core.so"]), 0);
    assert_eq!(status(&["tvm_ffi/other.abi3.so"]), 1);
    assert_eq!(status(&[OWN]), 1);
}
