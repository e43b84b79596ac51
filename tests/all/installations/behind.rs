//! Environments that see the packages of the Python behind them.

use std::path::Path;

use super::environment;
use crate::support::make::{folder, put};
use crate::support::{artcheck, rules, scan, text, unpacked};

const SITE: &str = "lib/python3.11/site-packages";

/// Lets an environment see those of the Python in `base`.
fn open(root: &Path, base: &Path) {
    let home = base.join("bin");
    std::fs::create_dir_all(&home).expect("a folder");
    std::fs::create_dir_all(base.join(SITE)).expect("a folder");
    let home = home.display();
    let text = format!("home = {home}\ninclude-system-site-packages = true\nversion = 3.11.7\n");
    put(root, "pyvenv.cfg", text);
}

#[test]
fn what_is_in_neither_is_not_installed() {
    let cases: [(&[&str], &[&str], i32); 5] = [
        (&[], &["AC209"], 1),
        (&["typing_extensions-4.15.0.dist-info/METADATA"], &[], 0),
        (&["typing_extensions.py"], &[], 0),
        // Of another version than asked for: it is there, and an import works.
        (&["typing_extensions-4.1.0.dist-info/METADATA"], &[], 0),
        // More folders than are known.
        (&["more.pth"], &[], 4),
    ];
    for (number, (files, errors, expected)) in cases.into_iter().enumerate() {
        let (root, base) = (folder(), folder());
        let site = environment(root.path());
        std::fs::remove_dir_all(site.join("typing_extensions-4.15.0.dist-info")).expect("removed");
        open(root.path(), base.path());
        for file in files {
            put(base.path().join(SITE), file, "import more\n");
        }
        let (report, status) = scan([root.path()]);
        assert_eq!(rules(&report, &["error"]), errors, "{number}: {report}");
        assert_eq!(status, expected, "{number}: {report}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_tvm_ffi_behind_an_environment_is_found() {
    let (root, base) = (folder(), folder());
    std::fs::create_dir_all(root.path().join(SITE)).expect("a folder");
    open(root.path(), base.path());
    let package = unpacked("tvm-ffi-0.1.15.post2-linux-x86_64/tvm_ffi");
    let place = base.path().join(SITE).join("tvm_ffi/lib");
    std::fs::create_dir_all(&place).expect("a folder");
    std::fs::copy(
        package.join("lib/libtvm_ffi.so"),
        place.join("libtvm_ffi.so"),
    )
    .expect("copied");
    let (words, status) = text(artcheck().arg("runtime").arg(root.path()));
    assert_eq!(status, 0, "{words}");
    assert!(words.contains("libtvm_ffi.so"), "{words}");
}
