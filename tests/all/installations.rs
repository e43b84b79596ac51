//! Packages that are not as they were installed, or for another Python: what pip wrote down
//! is compared with what is there.

use std::path::{Path, PathBuf};

use crate::support::make::{corpus, folder, put};
use crate::support::{rules, scan};

const MODEL: &str = "tvm-0.27/dense-cpu-x86_64.so";

/// An environment of Python 3.11 with one package, which is whole.
fn environment(root: &Path) -> PathBuf {
    put(root, "pyvenv.cfg", "include-system-site-packages = false\n");
    let site = root.join("lib/python3.11/site-packages");
    let model = std::fs::read(corpus(MODEL)).expect("the corpus");
    let record = format!(
        "tvm_ffi/__init__.py,sha256=x,3\ntvm_ffi/lib/model.so,sha256=x,{}\n\
         tvm_ffi/__pycache__/__init__.pyc,,\n../../../bin/tvm-ffi-config,sha256=x,9\n",
        model.len()
    );
    let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
    let metadata = "Name: apache-tvm-ffi\nVersion: 0.1.15.post2\n\
                    Requires-Dist: typing_extensions>=4.5\nRequires-Dist: torch; extra == 'x'\n";
    put(&info, "METADATA", metadata);
    put(&info, "RECORD", record);
    put(&info, "WHEEL", "Tag: cp311-cp311-manylinux_2_28_x86_64\n");
    put(&site, "typing_extensions-4.15.0.dist-info/METADATA", "");
    put(&site, "tvm_ffi/__init__.py", "# a");
    put(&site, "tvm_ffi/lib/model.so", model);
    site
}

#[track_caller]
fn says(change: impl Fn(&Path), errors: &[&str], warnings: &[&str]) {
    let root = folder();
    let site = environment(root.path());
    change(&site);
    for named in [root.path().to_owned(), site.join("tvm_ffi/lib/model.so")] {
        let (report, status) = scan([&named]);
        let found = |severity| rules(&report, &[severity]);
        assert_eq!(found("error"), errors, "{named:?}: {report}");
        assert_eq!(found("warning"), warnings, "{named:?}: {report}");
        assert_eq!(status, i32::from(!errors.is_empty()), "{named:?}");
    }
}

#[test]
fn a_whole_package_is_told_from_a_damaged_one() {
    says(|_| {}, &[], &[]);
    let without = |file: &'static str| {
        move |site: &Path| std::fs::remove_file(site.join(file)).expect("removed")
    };
    says(without("tvm_ffi/__init__.py"), &["AC209"], &[]);
    let longer = |site: &Path| {
        let file = site.join("tvm_ffi/lib/model.so");
        let mut bytes = std::fs::read(&file).expect("read");
        bytes.extend([0; 16]);
        std::fs::write(file, bytes).expect("written");
    };
    says(longer, &[], &["AC209"]);
    let other_python = |site: &Path| {
        let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
        put(&info, "WHEEL", "Tag: cp312-abi3-manylinux_2_28_x86_64\n");
    };
    says(other_python, &["AC209"], &[]);
    says(
        without("typing_extensions-4.15.0.dist-info/METADATA"),
        &[],
        &[],
    );
    let not_installed = |site: &Path| {
        std::fs::remove_dir_all(site.join("typing_extensions-4.15.0.dist-info")).expect("removed");
    };
    says(not_installed, &["AC209"], &[]);
    // An environment that sees the system's packages may find it there.
    let open = |site: &Path| {
        not_installed(site);
        let root = site.ancestors().nth(3).expect("the environment");
        put(root, "pyvenv.cfg", "include-system-site-packages = true\n");
    };
    says(open, &[], &[]);
}

/// What pip, image builders and administrators leave behind, with which imports work.
#[test]
fn leftovers_and_other_folders_are_no_damage() {
    let old = |name: &'static str| {
        move |site: &Path| {
            let info = site.join(name);
            put(&info, "METADATA", "Name: apache-tvm-ffi\nVersion: 0.1.12\n");
            put(
                &info,
                "RECORD",
                "tvm_ffi/__init__.py,sha256=x,3\ntvm_ffi/gone.so,sha256=x,1\n",
            );
        }
    };
    says(old("~pache_tvm_ffi-0.1.12.dist-info"), &[], &[]);
    says(old("apache_tvm_ffi-0.1.12.dist-info"), &[], &[]);
    let gone = |site: &Path| {
        std::fs::remove_dir_all(site.join("typing_extensions-4.15.0.dist-info")).expect("removed");
    };
    says(
        move |site| {
            gone(site);
            put(site, "typing_extensions.py", "");
        },
        &[],
        &[],
    );
    says(
        move |site| {
            gone(site);
            put(site, "sitecustomize.py", "import sys");
        },
        &[],
        &[],
    );
    let listed = |site: &Path, file: &str| {
        let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
        let record = std::fs::read_to_string(info.join("RECORD")).expect("read");
        put(&info, "RECORD", format!("{record}{file},sha256=x,1\n"));
    };
    says(
        move |site| {
            listed(site, "tvm_ffi/module.py");
            put(site, "tvm_ffi/module.pyc", "");
        },
        &[],
        &[],
    );
    // What may never be asked for is told, and stops nothing.
    says(
        move |site| listed(site, "tvm_ffi/testing/a.py"),
        &[],
        &["AC209"],
    );
    says(
        move |site| listed(site, "tvm/lib/libtvm_runtime_cuda.so"),
        &[],
        &["AC209"],
    );
    says(
        move |site| listed(site, "tvm_ffi/lib/libtvm_ffi.so"),
        &["AC209"],
        &[],
    );
}
