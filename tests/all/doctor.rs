//! `doctor` on environments of every kind that it finds: each is one that is laid out
//! as its tool does, with small libraries in it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::artcheck;
use crate::support::make::{folder, library, put};

const REGISTRY: &str = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
    int TVMFFIFunctionSetGlobal(void) { return 0; }\n\
    void TVMFFIErrorSetRaisedFromCStr(const char *a, const char *b) { (void)a; (void)b; }\n";
const KERNEL: &str = "void TVMFFIErrorSetRaisedFromCStr(const char *, const char *);\n\
    void call(void) { TVMFFIErrorSetRaisedFromCStr(\"a\", \"b\"); }\n";

/// tvm-ffi in a folder of packages, as an installer leaves it.
fn with_ffi(site: &Path, version: &str) {
    let lib = site.join("tvm_ffi/lib");
    std::fs::create_dir_all(&lib).expect("a folder");
    library(
        &lib,
        "libtvm_ffi.so",
        REGISTRY,
        &["-Wl,-soname,libtvm_ffi.so"],
    );
    package(
        site,
        "apache-tvm-ffi",
        version,
        "",
        "tvm_ffi/lib/libtvm_ffi.so,,\n",
    );
}

/// A package that uses it, and says what it asks for.
fn with_kernel(site: &Path, asks: &str) {
    let folder = site.join("kernel");
    std::fs::create_dir_all(&folder).expect("a folder");
    let ffi = site.join("tvm_ffi/lib/libtvm_ffi.so");
    library(
        &folder,
        "_kernel.so",
        KERNEL,
        &[ffi.to_str().expect("text")],
    );
    let requires = format!("Requires-Dist: apache-tvm-ffi{asks}\n");
    package(site, "kernel", "1.0", &requires, "kernel/_kernel.so,,\n");
}

fn package(site: &Path, name: &str, version: &str, lines: &str, record: &str) {
    let info = site.join(format!("{}-{version}.dist-info", name.replace('-', "_")));
    let text = format!("Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n{lines}\n");
    std::fs::create_dir_all(&info).expect("a folder");
    put(&info, "METADATA", text);
    put(&info, "RECORD", record);
}

/// `doctor` in a folder of its own, with these variables alone.
fn doctor(here: &Path, home: &Path, variables: &[(&str, &Path)]) -> (Value, i32) {
    let mut command: Command = artcheck();
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", home)
        .current_dir(here);
    command.envs(variables.iter().copied());
    let output = command.args(["doctor", "--format", "json"]).output();
    let output = output.expect("artcheck starts");
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text).expect("a report");
    (report, output.status.code().expect("a status"))
}

/// How each environment was found, and the tvm-ffi in use with its package.
fn told(report: &Value) -> (Vec<String>, Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let found = report["environments"].as_array().expect("environments");
    let sets = report["packages"].as_array().expect("packages").iter();
    let in_use = sets.flat_map(|set| set["tvm_ffi"].as_array().expect("a list"));
    (
        found.iter().map(|one| text(&one["found"])).collect(),
        in_use.map(|one| text(&one["package"])).collect(),
    )
}

#[cfg(unix)]
#[test]
fn every_kind_of_environment_is_found() {
    const IN_USE: &str = "apache-tvm-ffi 0.1.15.post2";
    let top = folder();
    let (home, here) = (top.path().join("home"), top.path().join("here"));
    std::fs::create_dir_all(&home).expect("a folder");
    std::fs::create_dir_all(&here).expect("a folder");
    let site_of = |root: &Path| root.join("lib/python3.11/site-packages");
    let (report, status) = doctor(&here, &home, &[]);
    assert_eq!((told(&report), status), ((vec![], vec![]), 3));
    // A virtual environment, conda's with its own folder beside, uv's, and this folder's.
    let root = top.path().join("environment");
    put_folder(&root.join("conda-meta"));
    with_ffi(&site_of(&root), "0.1.15.post2");
    for name in ["VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT"] {
        let (report, status) = doctor(&here, &home, &[(name, &root)]);
        assert_eq!(told(&report), (vec![name.into()], vec![IN_USE.into()]));
        assert_eq!(status, 0, "{report:#}");
    }
    std::os::unix::fs::symlink(&root, here.join(".venv")).expect("a link");
    let (report, _) = doctor(&here, &home, &[]);
    assert_eq!(told(&report), (vec!["./.venv".into()], vec![IN_USE.into()]));
    std::fs::remove_file(here.join(".venv")).expect("removed");
    // The Python on PATH, by its own folder, and behind a script of pyenv.
    put_folder(&root.join("bin"));
    put(root.join("bin"), "python3", "");
    let (report, _) = doctor(&here, &home, &[("PATH", &root.join("bin"))]);
    assert_eq!(told(&report).0, ["Python on PATH"]);
    let pyenv = top.path().join("pyenv");
    put_folder(&pyenv.join("shims"));
    put(pyenv.join("shims"), "python3", "#!/bin/sh\n");
    put_folder(&pyenv.join("versions"));
    std::os::unix::fs::symlink(&root, pyenv.join("versions/3.11.7")).expect("a link");
    put(&pyenv, "version", "3.11\n");
    let (report, _) = doctor(&here, &home, &[("PATH", &pyenv.join("shims"))]);
    assert_eq!(
        told(&report),
        (vec!["Python on PATH".into()], vec![IN_USE.into()])
    );
    // The user's own packages, those of PYTHONPATH, and those of a `.pth` file.
    let more = top.path().join("more");
    with_ffi(&more, "0.1.12");
    let empty = top.path().join("empty");
    put_folder(&site_of(&empty));
    let of_pythonpath = [
        ("VIRTUAL_ENV", empty.as_path()),
        ("PYTHONPATH", more.as_path()),
    ];
    let (report, _) = doctor(&here, &home, &of_pythonpath);
    let (found, in_use) = told(&report);
    assert_eq!(found, ["PYTHONPATH", "VIRTUAL_ENV"]);
    assert_eq!(in_use, ["apache-tvm-ffi 0.1.12"]);
    put(site_of(&empty), "more.pth", format!("{}\n", more.display()));
    let (report, _) = doctor(&here, &home, &[("VIRTUAL_ENV", &empty)]);
    let (found, in_use) = told(&report);
    assert_eq!(found, ["VIRTUAL_ENV", "more.pth of VIRTUAL_ENV"]);
    assert_eq!(in_use, ["apache-tvm-ffi 0.1.12"]);
    with_ffi(&site_of(&home.join(".local")), "0.1.13.post2");
    let (report, _) = doctor(&here, &home, &[("CONDA_PREFIX", &empty)]);
    assert!(
        told(&report)
            .0
            .contains(&"the user's own packages".to_owned())
    );
}

fn put_folder(folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder");
}

#[test]
fn environments_side_by_side_are_judged_each_by_itself() {
    let top = folder();
    let (home, here) = (top.path().join("home"), top.path().join("here"));
    put_folder(&home);
    let site_of = |root: &Path| root.join("lib/python3.11/site-packages");
    let (healthy, broken) = (top.path().join("healthy"), here.join(".venv"));
    for (root, asks) in [(&healthy, ">=0.1.12"), (&broken, "<0.1.12")] {
        with_ffi(&site_of(root), "0.1.15.post2");
        with_kernel(&site_of(root), asks);
    }
    let (report, status) = doctor(&here, &home, &[("VIRTUAL_ENV", &healthy)]);
    assert_eq!(status, 1);
    let findings = report["report"]["findings"].as_array().expect("findings");
    let errors: Vec<&Value> = findings
        .iter()
        .filter(|one| one["severity"] == "error")
        .collect();
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert_eq!(errors[0]["rule"], "AC207");
    let place = errors[0]["artifact"].as_str().expect("a path");
    assert!(place.starts_with(".venv"), "{place}");
    let (_, in_use) = told(&report);
    assert_eq!(in_use.len(), 2, "{in_use:?}");
}
