//! What packages require of each other, and whether an import fails where it is not met.

use std::path::Path;

use crate::support::make::{corpus, folder, put};
use crate::support::{rules, scan};

use super::{MODEL, environment, first, says};

/// A requirement that pip knows of and whose files are gone.
#[test]
fn requirements_are_looked_for_with_their_files() {
    let required = |text: &'static str, is_there: bool| {
        move |site: &Path| {
            first(site, text);
            let info = site.join("typing_extensions-4.15.0.dist-info");
            let metadata = "Name: typing_extensions\nVersion: 4.15.0\n";
            put(&info, "METADATA", metadata);
            put(&info, "RECORD", "typing_extensions.py,sha256=x,6\n");
            if is_there {
                put(site, "typing_extensions.py", "a = 1\n");
            }
        }
    };
    let asks = "from typing_extensions import a\n";
    says(required(asks, false), &["AC209"], &[]);
    says(required(asks, true), &[], &[]);
    says(required("", false), &[], &[]);
}

/// A first module that was emptied or written over, and what is recorded of it with it.
#[test]
fn an_emptied_requirement_lacks_what_is_asked_of_it() {
    let holds = |asks: &'static str, text: &'static str, recorded: usize| {
        move |site: &Path| {
            first(site, asks);
            let info = site.join("typing_extensions-4.15.0.dist-info");
            let metadata = "Name: typing_extensions\nVersion: 4.15.0\n";
            put(&info, "METADATA", metadata);
            let record = format!("typing_extensions.py,sha256=x,{recorded}\n");
            put(&info, "RECORD", record);
            put(site, "typing_extensions.py", text);
        }
    };
    let (name, whole) = (
        "from typing_extensions import a\n",
        "import typing_extensions\n",
    );
    for recorded in [0, 9] {
        says(holds(name, "", recorded), &["AC209"], &[]);
    }
    says(holds(name, "b = 1\n", 6), &["AC209"], &[]);
    for recorded in [6, 9] {
        says(holds(name, "a = 1\n", recorded), &[], &[]);
    }
    // Nothing is known to be asked of it: it may have been empty.
    says(holds(whole, "", 0), &[], &[]);
    says(holds(whole, "", 9), &["AC209"], &[]);
}

/// A folder that pip was told to install to (`--target`) may be imported by a Python that
/// has what it lacks.
#[test]
fn a_folder_elsewhere_lacks_what_is_not_in_it() {
    let found = |file: &str, complete: &[&str]| {
        let root = folder();
        let site = environment(root.path());
        std::fs::remove_dir_all(site.join("typing_extensions-4.15.0.dist-info")).expect("removed");
        let target = root.path().join("target");
        std::fs::rename(site, &target).expect("moved");
        put(&target, file, "");
        let target = target.as_os_str().to_owned();
        let more = complete.iter().map(std::ffi::OsString::from);
        let arguments = std::iter::once(target).chain(more);
        let (report, status) = scan(arguments);
        (
            rules(&report, &["error"]),
            rules(&report, &["warning"]),
            status,
        )
    };
    let info = "apache_tvm_ffi-0.1.15.post2.dist-info/INSTALLER";
    let none: Vec<String> = Vec::new();
    let lacks = vec![String::from("AC209")];
    assert_eq!(found(info, &[]), (none.clone(), lacks.clone(), 4));
    assert_eq!(found(info, &["--complete"]), (lacks, none.clone(), 1));
    // A wheel that was unpacked by hand is no installation.
    assert_eq!(found("notes", &[]), (none.clone(), none, 0));
}

/// The METADATA of tvm-ffi, asking for one package more.
fn asks_for(site: &Path, requirement: &str) {
    let info = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
    let metadata = std::fs::read_to_string(info.join("METADATA")).expect("read");
    put(
        &info,
        "METADATA",
        format!("{metadata}Requires-Dist: {requirement}\n"),
    );
}

fn package(site: &Path, name: &str, version: &str, source: &str) {
    let info = site.join(format!("{name}-{version}.dist-info"));
    put(
        &info,
        "METADATA",
        format!("Name: {name}\nVersion: {version}\n"),
    );
    let size = source.len();
    put(
        &info,
        "RECORD",
        format!("{name}/__init__.py,sha256=x,{size}\n"),
    );
    put(site, &format!("{name}/__init__.py"), source);
}

/// What pip check says is a warning, and an error where an import fails for it.
#[test]
fn other_versions_than_asked_for() {
    let with = |requirement: &'static str, import: &'static str| {
        move |site: &Path| {
            asks_for(site, requirement);
            package(site, "other", "1.2", "def old(): pass\n");
            put(site, "tvm_ffi/__init__.py", import);
        }
    };
    says(with("other>=1.1", "from other import old"), &[], &[]);
    // The version is right, and the import fails all the same.
    says(with("other>=1.1", "from other import new"), &["AC209"], &[]);
    says(with("other>=1.3", "import other"), &[], &["AC209"]);
    says(with("other>=1.3", "from other import old"), &[], &["AC209"]);
    says(with("other>=1.3", "from other import new"), &["AC209"], &[]);
    let tried = "try:\n    from other import new\nexcept ImportError:\n    pass\n";
    says(with("other>=1.3", tried), &[], &["AC209"]);
    // Not asked for here.
    for requirement in [
        "other>=1.3; python_version < '3.9'",
        "other>=1.3; extra == 'x'",
        "other>=1.3; sys_platform == 'win32'",
    ] {
        says(with(requirement, "import other"), &[], &[]);
    }
    let here = "other>=1.3; sys_platform == 'linux' and python_version >= '3.10'";
    says(with(here, "from other import new"), &["AC209"], &[]);
}

/// A package that uses tvm-ffi fails by what it asks for itself, or by what that asks for.
#[test]
fn requirements_of_packages_that_use_tvm_ffi() {
    let user = |site: &Path, import: &str| {
        let info = site.join("user-1.0.dist-info");
        let metadata =
            "Name: user\nVersion: 1.0\nRequires-Dist: apache-tvm-ffi\nRequires-Dist: other\n";
        put(&info, "METADATA", metadata);
        put(
            &info,
            "RECORD",
            "user/__init__.py,sha256=x,1\nuser/inner.py,sha256=x,1\n",
        );
        put(site, "user/__init__.py", "from . import inner");
        put(site, "user/inner.py", import);
    };
    says(|site| user(site, "import other.part"), &["AC209"], &[]);
    says(
        |site| user(site, "def later():\n    import other"),
        &[],
        &["AC209"],
    );
    let deep = |site: &Path| {
        user(site, "import other");
        package(site, "other", "1.2", "import deep");
        let info = site.join("other-1.2.dist-info");
        put(
            &info,
            "METADATA",
            "Name: other\nVersion: 1.2\nRequires-Dist: deep\n",
        );
    };
    says(deep, &["AC209"], &[]);
    let whole = |site: &Path| {
        deep(site);
        package(site, "deep", "1", "");
    };
    says(whole, &[], &[]);
    // The model runs all the same where only the other package fails.
    let root = folder();
    let site = environment(root.path());
    deep(&site);
    let model = corpus(MODEL);
    let (report, _) = scan([&model, &root.path().to_owned()]);
    let verdicts = report["verdicts"].as_array().expect("verdicts");
    assert!(
        verdicts
            .iter()
            .all(|one| one["rules"] != serde_json::json!(["AC209"])),
        "{report}"
    );
}

/// A package may be as its users ask for it, and older than the Python.
#[test]
fn a_package_that_is_older_than_the_python_fails_when_it_is_imported() {
    let own = "import typing\nclass TypeVar(typing.TypeVar, _root=True): ...\n";
    for (python, first, expected) in [
        ("3.12", "import typing_extensions\n", &["AC209"][..]),
        ("3.11", "import typing_extensions\n", &[]),
        ("3.12", "import os\n", &[]),
    ] {
        let root = folder();
        let site = environment(root.path());
        let info = site.join("typing_extensions-4.15.0.dist-info");
        put(
            &info,
            "METADATA",
            "Name: typing_extensions\nVersion: 4.15.0\n",
        );
        put(
            &info,
            "RECORD",
            format!("typing_extensions.py,sha256=x,{}\n", own.len()),
        );
        put(&site, "typing_extensions.py", own);
        super::first(&site, first);
        let wheel = site.join("apache_tvm_ffi-0.1.15.post2.dist-info");
        put(&wheel, "WHEEL", "Tag: cp39-abi3-manylinux_2_28_x86_64\n");
        let lib = root.path().join("lib");
        let (made, asked) = (lib.join("python3.11"), lib.join(format!("python{python}")));
        std::fs::rename(made, asked).expect("renamed");
        let (report, _) = scan([root.path()]);
        assert_eq!(
            rules(&report, &["error"]),
            expected,
            "{python} {first} {report}"
        );
        let text = report.to_string();
        let says = "TypeError: type 'typing.TypeVar' is not an acceptable base type";
        assert_eq!(text.contains(says), !expected.is_empty(), "{text}");
    }
}
