//! What the packages of one environment ask of each other: real tvm-ffi
//! libraries, beside `METADATA` as packages write it.

use std::path::{Path, PathBuf};

use crate::support::{scan, unpacked};
use serde_json::Value;

/// An environment with tvm-ffi 0.1.12 and the packages described, each by a
/// name, a version, and lines of its `METADATA`.
fn environment(root: &Path, packages: &[(&str, &str, &str)]) -> PathBuf {
    let site = root.join("lib/python3.11/site-packages");
    let library = site.join("tvm_ffi/lib");
    std::fs::create_dir_all(&library).expect("a folder");
    std::fs::copy(
        unpacked("tvm-ffi-0.1.12-linux-x86_64").join("tvm_ffi/lib/libtvm_ffi.so"),
        library.join("libtvm_ffi.so"),
    )
    .expect("the library of the wheel");
    for (name, version, lines) in packages {
        let folder = site.join(format!("{}-{version}.dist-info", name.replace('-', "_")));
        std::fs::create_dir_all(&folder).expect("a folder");
        let text =
            format!("Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{lines}\n\nReadme\n");
        std::fs::write(folder.join("METADATA"), text).expect("METADATA");
    }
    root.to_owned()
}

fn messages(packages: &[(&str, &str, &str)]) -> Vec<String> {
    let root = tempfile::tempdir().expect("a folder");
    let (report, _) = scan([environment(root.path(), packages)]);
    let findings = report["findings"].as_array().expect("findings");
    assert!(
        findings.iter().all(|finding| finding["rule"] == "AC207"),
        "{findings:#?}"
    );
    let message = |finding: &Value| finding["message"].as_str().expect("text").to_owned();
    findings.iter().map(message).collect()
}

const FFI: (&str, &str, &str) = (
    "apache-tvm-ffi",
    "0.1.12",
    "Requires-Dist: typing-extensions>=4.13",
);

#[test]
fn any_package_that_asks_for_the_family_is_heard() {
    for (package, version, line, expected) in [
        (
            "k-dash",
            "0.1.2",
            "apache-tvm-ffi==0.1.15",
            "k-dash asks for apache-tvm-ffi==0.1.15, 0.1.12 is installed",
        ),
        (
            "tilelang",
            "0.1.12",
            "apache-tvm-ffi<=0.1.11,>=0.1.10",
            "tilelang asks for apache-tvm-ffi<=0.1.11,>=0.1.10, 0.1.12 is installed",
        ),
        (
            "xgrammar",
            "9",
            "apache_tvm_ffi (~=0.2.0)",
            "xgrammar asks for apache-tvm-ffi~=0.2.0, 0.1.12 is installed",
        ),
        (
            "other",
            "1",
            "apache-tvm-ffi!=0.1.12; python_version < \"3.12\" and sys_platform == \"linux\"",
            "other asks for apache-tvm-ffi!=0.1.12, 0.1.12 is installed",
        ),
    ] {
        let line = format!("Requires-Dist: numpy\nRequires-Dist: {line}");
        assert_eq!(messages(&[FFI, (package, version, &line)]), [expected]);
    }
}

#[test]
fn what_is_met_or_not_asked_for_here_is_no_finding() {
    for line in [
        "apache-tvm-ffi>=0.1.2,~=0.1.0",
        "apache-tvm-ffi<0.1.13,>=0.1.11",
        "apache-tvm-ffi==0.1.*",
        "apache-tvm-ffi>=0.2; extra == \"next\"",
        "apache-tvm-ffi>=0.2; python_version >= \"3.12\"",
        "apache-tvm-ffi>=0.2; sys_platform == \"win32\" or platform_machine == \"arm64\"",
        "apache-tvm>=0.27",
        "numpy>=99",
    ] {
        let line = format!("Requires-Dist: {line}");
        assert_eq!(
            messages(&[FFI, ("tilelang", "1", &line)]),
            [""; 0],
            "{line}"
        );
    }
}

#[test]
fn a_hostile_requirement_ends_nothing() {
    let nested = format!(
        "Requires-Dist: apache-tvm-ffi>=9; {}extra == 'a'{}",
        "(".repeat(60_000),
        ")".repeat(60_000)
    );
    let package = ("tilelang", "1", nested.as_str());
    assert_eq!(messages(&[FFI, package]), [""; 0]);
}
