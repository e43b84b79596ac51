//! The release workflow's packaging, against what `cargo binstall` looks for.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::{read, step, words, yaml};
use crate::support::root;

/// The text of a step of the release workflow.
fn release_step(name: &str) -> String {
    let workflow = yaml(&read(".github/workflows/release.yml"));
    let steps = workflow["jobs"]["build"]["steps"]
        .as_array()
        .expect("steps")
        .clone();
    let found = steps.into_iter().find(|step| step["name"] == name);
    found.expect(name)["run"]
        .as_str()
        .expect("a script")
        .to_owned()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_release_packs_what_binstall_looks_for() {
    let target = "x86_64-unknown-linux-gnu";
    let folder = tempfile::tempdir().expect("a folder");
    let built = folder.path().join(format!("target/{target}/dist"));
    fs::create_dir_all(&built).expect("made");
    fs::copy(env!("CARGO_BIN_EXE_artcheck"), built.join("artcheck")).expect("copied");
    fs::create_dir(folder.path().join("tools")).expect("made");
    for file in [
        "README.md",
        "LICENSE",
        "CHANGELOG.md",
        "Cargo.toml",
        "tools/archive",
    ] {
        fs::copy(root().join(file), folder.path().join(file)).expect("copied");
    }
    let version = env!("CARGO_PKG_VERSION");
    let mut env = BTreeMap::from([
        ("TARGET".to_owned(), target.to_owned()),
        ("GITHUB_REF_NAME".to_owned(), format!("v{version}")),
    ]);
    let agrees = step(folder.path(), &release_step("Tag and version agree"), &env);
    assert!(agrees.status.success(), "{}", words(&agrees));
    let packed = step(folder.path(), &release_step("Archive"), &env);
    assert!(packed.status.success(), "{}", words(&packed));
    // Where cargo-binstall looks, by the metadata of Cargo.toml.
    let manifest: toml::Table = read("Cargo.toml").parse().expect("TOML");
    let binstall = &manifest["package"]["metadata"]["binstall"];
    let expand = |template: &toml::Value| {
        template
            .as_str()
            .expect("text")
            .replace("{ version }", version)
            .replace("{ target }", target)
            .replace("{ archive-suffix }", ".tar.gz")
            .replace("{ bin }", "artcheck")
            .replace("{ binary-ext }", "")
    };
    let url = expand(&binstall["pkg-url"]);
    let archive = url.rsplit('/').next().expect("a name");
    let listed = Command::new("tar")
        .arg("tzf")
        .arg(folder.path().join(archive))
        .output();
    let listed = words(&listed.expect("tar starts"));
    let program = expand(&binstall["bin-dir"]);
    for file in [
        program.as_str(),
        "LICENSE",
        "man/artcheck-scan.1",
        "completions/artcheck.zsh",
    ] {
        assert!(
            listed.lines().any(|line| line.ends_with(file)),
            "{file}: {listed}"
        );
    }
    let held = step(folder.path(), "sha256sum --check ./*.sha256", &env);
    assert!(held.status.success(), "{}", words(&held));
    env.insert("GITHUB_REF_NAME".to_owned(), "v9.9.9".to_owned());
    let differs = step(folder.path(), &release_step("Tag and version agree"), &env);
    assert!(!differs.status.success());
}
