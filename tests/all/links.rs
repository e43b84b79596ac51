//! Environments that are named through symbolic links, or by a path from inside of them:
//! Python follows links before it loads a library, so they are what they lead to.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::make::{corpus, folder};
use crate::support::{artcheck, rules, scan, venv};

const SITE: &str = "lib/python3.11/site-packages";

/// Links to an environment, its packages' folder, a package and a library.
fn links(root: &Path, environment: &Path) -> Vec<PathBuf> {
    let site = environment.join(SITE);
    let targets = [
        ("environment", environment.to_owned()),
        ("site", site.clone()),
        ("tvm", site.join("tvm")),
        ("named_otherwise", site.join("tvm")),
        ("lib", site.join("tvm/lib")),
        ("libtvm_runtime.so", site.join("tvm/lib/libtvm_runtime.so")),
    ];
    let linked = targets.map(|(name, target)| {
        let link = root.join(name);
        symlink(target, &link).expect("a link");
        link
    });
    linked.into()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_a_link_leads_to_is_judged() {
    let root = folder();
    let environment = venv("tvm-0.27");
    for link in links(root.path(), &environment) {
        let (report, status) = scan([&link]);
        let found = rules(&report, &["error", "warning"]);
        assert_eq!((found, status), (vec![], 0), "{link:?}: {report:#}");
        let model = corpus("tvm-0.27/dense-cpu-x86_64.so");
        let runtime = ["--runtime".as_ref(), link.as_os_str()];
        let (report, status) = scan([model.as_os_str()].into_iter().chain(runtime));
        let found = rules(&report, &["error", "warning"]);
        assert_eq!((found, status), (vec![], 0), "{link:?}: {report:#}");
        assert_eq!(report["verdicts"][0]["status"], "fits", "{report:#}");
    }
    // Python imports what a link to the package leads to.
    let python = Command::new(environment.join("bin/python"))
        .env("PYTHONPATH", root.path())
        .args(["-c", "import tvm; print(tvm.__file__)"])
        .output()
        .expect("Python");
    let said = String::from_utf8_lossy(&python.stdout);
    assert!(
        said.starts_with(root.path().to_str().expect("text")),
        "{said}"
    );
}

/// What uv makes with `--link-mode symlink`: folders of links to the files in its cache.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_environment_may_consist_of_links() {
    let root = folder();
    let environment = root.path().join("venv");
    let copied = Command::new("cp")
        .arg("-as")
        .args([&venv("tvm-0.27"), &environment])
        .status();
    assert!(copied.expect("cp starts").success());
    for link in links(root.path(), &environment) {
        let model = corpus("tvm-0.27/dense-cpu-x86_64.so");
        let runtime = ["--runtime".as_ref(), link.as_os_str()];
        let (report, status) = scan([model.as_os_str()].into_iter().chain(runtime));
        let found = rules(&report, &["error", "warning"]);
        assert_eq!((found, status), (vec![], 0), "{link:?}: {report:#}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_environment_that_lacks_a_package_lacks_it_by_each_path() {
    let root = folder();
    let environment = root.path().join("venv");
    let copied = Command::new("cp")
        .arg("-al")
        .args([&venv("tvm-0.27"), &environment])
        .status();
    assert!(copied.expect("cp starts").success());
    let site = environment.join(SITE);
    let info = site.join("typing_extensions-4.15.0.dist-info");
    std::fs::remove_dir_all(info).expect("removed");
    std::fs::remove_file(site.join("typing_extensions.py")).expect("removed");
    for link in links(root.path(), &environment) {
        let (report, status) = scan([&link]);
        let found = rules(&report, &["error"]);
        assert_eq!(
            (found, status),
            (vec!["AC209".into()], 1),
            "{link:?}: {report:#}"
        );
    }
    for (from, path) in [
        (site.as_path(), "."),
        (&site, "tvm"),
        (&site.join("tvm"), "lib"),
    ] {
        let mut here = artcheck();
        here.current_dir(from)
            .args(["scan", path, "--format", "json"]);
        let output = here.output().expect("artcheck starts");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(rules(&report, &["error"]), ["AC209"], "{path}: {report:#}");
    }
}

/// TVM picks its loader by the name that it is given: that of a link counts.
#[test]
fn a_versioned_library_is_loaded_by_its_link() {
    let top = folder();
    let library = top.path().join("libmodel.so.1");
    std::fs::copy(corpus("tvm-0.27/extcall-cpu-x86_64.so"), &library).expect("copied");
    let errors = || {
        let (report, _) = scan([top.path(), "--runtime".as_ref(), "tvm-0.27".as_ref()]);
        rules(&report, &["error"])
    };
    assert_eq!(errors(), ["AC002"]);
    symlink("libmodel.so.1", top.path().join("libmodel.so")).expect("a link");
    assert_eq!(errors(), [""; 0]);
}
