//! The pre-commit hook, by pre-commit itself.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{POLICY, blocks, read, tools, words, yaml};
use crate::support::project::{BAD, project, write};
use crate::support::{root, venv};

/// The hook of the manifest in a scratch repository. Only its language is
/// changed: `python` would compile the program that is already there, or ask for a wheel.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_pre_commit_hook_blocks_a_bad_artifact() {
    let bin = venv("ci").join("bin/pre-commit");
    let valid = Command::new(&bin)
        .arg("validate-manifest")
        .arg(root().join(".pre-commit-hooks.yaml"))
        .output()
        .expect("pre-commit starts");
    assert!(valid.status.success(), "{}", words(&valid));
    let mut hook = yaml(&read(".pre-commit-hooks.yaml"))[0].clone();
    assert_eq!(hook["language"], "python");
    is_the_documented_one(&hook);
    hook["language"] = "system".into();
    let folder = project(POLICY);
    let config = serde_json::json!({ "repos": [{ "repo": "local", "hooks": [hook] }] });
    write(
        folder.path(),
        ".pre-commit-config.yaml",
        &config.to_string(),
    );
    write(folder.path(), "dist/notes.txt", "not an artifact");
    let path = tools(folder.path());
    let run = |program: &Path, args: &[&str]| {
        Command::new(program)
            .args(args)
            .current_dir(folder.path())
            .env("PATH", &path)
            .env("PRE_COMMIT_HOME", folder.path().join("tools/cache"))
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()))
    };
    let git = |args: &[&str]| {
        let output = run(Path::new("git"), args);
        assert!(output.status.success(), "{}", words(&output));
    };
    git(&["init", "--quiet"]);
    write(folder.path(), ".gitignore", "tools/\n");
    git(&["add", "."]);
    let blocked = run(&bin, &["run", "artcheck"]);
    assert_eq!(blocked.status.code(), Some(1), "{}", words(&blocked));
    for (name, _, rule) in BAD {
        assert!(
            words(&blocked).contains(rule),
            "{name}: {}",
            words(&blocked)
        );
    }
    let bad = BAD.map(|(name, ..)| format!("dist/{name}"));
    git(&[
        &["rm", "--quiet", "--cached"][..],
        &bad.each_ref().map(String::as_str),
    ]
    .concat());
    for file in &bad {
        fs::remove_file(folder.path().join(file)).expect("removed");
    }
    let passed = run(&bin, &["run", "artcheck"]);
    assert!(passed.status.success(), "{}", words(&passed));
    assert!(words(&passed).contains("Passed"), "{}", words(&passed));
}

/// The hook that `docs/ci.md` writes out is the manifest's, with the wheel of this version.
fn is_the_documented_one(hook: &Value) {
    let documented = blocks(&read("docs/ci.md"), "yaml");
    let local = documented.iter().find(|text| text.contains("repo: local"));
    let mut written = yaml(local.expect("the hook"))["repos"][0]["hooks"][0].take();
    let needs = written["additional_dependencies"].take();
    assert_eq!(needs[0], concat!("artcheck==", env!("CARGO_PKG_VERSION")));
    for (name, value) in hook.as_object().expect("a hook") {
        if name != "description" {
            assert_eq!(&written[name], value, "{name}");
        }
    }
}
