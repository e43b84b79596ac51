//! A build's gate end to end: a folder with one good and three bad artifacts,
//! the policy beside it, baseline, ignores, shards and merged reports.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::project::{BAD, project, write};
use crate::support::root;
use serde_json::Value;

fn artcheck(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_artcheck"))
        .current_dir(folder)
        .args(args)
        .output()
        .expect("artcheck starts")
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn report(folder: &Path, args: &[&str]) -> (Value, i32) {
    let output = artcheck(
        folder,
        &[&["scan", "dist", "--format", "json"], args].concat(),
    );
    let report = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (report, status(&output))
}

fn field(report: &Value, list: &str, name: &str) -> BTreeSet<String> {
    report[list]
        .as_array()
        .into_iter()
        .flatten()
        .map(|finding| finding[name].as_str().expect("a text").to_owned())
        .collect()
}

const POLICY: &str = "runtimes = ['tvm-0.27']\n";

#[test]
fn bad_artifacts_stop_the_build_with_annotations_on_their_files() {
    let folder = project(POLICY);
    let output = artcheck(folder.path(), &["scan", "dist", "--format", "github"]);
    assert_eq!(status(&output), 1);
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let annotated: BTreeSet<(String, String)> = lines
        .lines()
        .filter_map(|line| line.strip_prefix("::error file="))
        .map(|rest| {
            let (file, rest) = rest.split_once(",title=").expect("a title");
            (file.to_owned(), rest[..5].to_owned())
        })
        .collect();
    let wanted: BTreeSet<(String, String)> = BAD
        .iter()
        .map(|(name, _, rule)| (format!("dist/{name}"), (*rule).to_owned()))
        .collect();
    assert_eq!(annotated, wanted);
}

#[test]
fn a_baseline_lets_known_findings_pass_and_new_ones_fail() {
    let folder = project(POLICY);
    let update = ["--baseline", "known.json", "--update-baseline"];
    assert_eq!(report(folder.path(), &update).1, 0);
    let (known, code) = report(folder.path(), &["--baseline", "known.json"]);
    assert_eq!(code, 0);
    assert_eq!(known["findings"], Value::Array(Vec::new()));
    assert_eq!(field(&known, "suppressed", "rule").len(), 3);
    // A new bad file is not in it.
    let dist = folder.path().join("dist");
    std::fs::copy(dist.join("chat-tag.so"), dist.join("chat-new.so")).expect("copied");
    let (new, code) = report(folder.path(), &["--baseline", "known.json"]);
    assert_eq!(code, 1);
    assert_eq!(
        field(&new, "findings", "file"),
        BTreeSet::from([String::from("dist/chat-new.so")])
    );
    // A baseline that is not there is an error, not an empty one.
    let output = artcheck(
        folder.path(),
        &["scan", "dist", "--baseline", "absent.json"],
    );
    assert_eq!(status(&output), 2);
}

/// A policy that accepts all three, the first until `expires`.
fn accepting(expires: &str) -> String {
    let mut policy = String::from(POLICY);
    for (number, (name, _, rule)) in BAD.iter().enumerate() {
        policy.push_str(&format!(
            "[[ignore]]\nrule = '{rule}'\npath = 'dist/{name}'\nreason = 'known since 1.2'\n"
        ));
        if number == 0 {
            policy.push_str(&format!("expires = {expires}\n"));
        }
    }
    policy
}

#[test]
fn ignores_hold_until_their_last_day_and_then_say_so() {
    let folder = project(&accepting("2999-12-31"));
    let (held, code) = report(folder.path(), &[]);
    assert_eq!(code, 0, "{}", held["findings"]);
    assert!(field(&held, "suppressed", "rule").len() == 3);
    write(folder.path(), "artcheck.toml", &accepting("2020-01-31"));
    let (expired, code) = report(folder.path(), &[]);
    assert_eq!(code, 1);
    let wanted = ["AC101", "AC901"].map(String::from);
    assert_eq!(field(&expired, "findings", "rule"), BTreeSet::from(wanted));
    let output = artcheck(folder.path(), &["scan", "dist"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("`dist/chat-tag.so` expired on 2020-01-31"),
        "{text}"
    );
    // Without the policy everything counts again.
    let all = report(folder.path(), &["--no-config", "--runtime", "tvm-0.27"]).0;
    assert_eq!(field(&all, "findings", "rule").len(), 3);
}

#[test]
fn an_ignore_is_bound_to_path_content_and_use() {
    let ignore = |path: &str, hash: &str| {
        format!("{POLICY}[[ignore]]\nrule='attention-tag'\npath='{path}'\nreason='r'\n{hash}")
    };
    let folder = project(&ignore("dist/**/*-tag.so", ""));
    let rules = |policy: &str| {
        write(folder.path(), "artcheck.toml", policy);
        field(&report(folder.path(), &[]).0, "findings", "rule")
    };
    assert!(!rules(&ignore("dist/**/*-tag.so", "")).contains("AC101"));
    // One star stays in its folder, and the finding returns with a word on the ignore.
    let missed = rules(&ignore("*-tag.so", ""));
    assert!(
        missed.contains("AC101") && missed.contains("AC901"),
        "{missed:?}"
    );
    let other = format!("sha256='{}'", "0".repeat(64));
    assert!(rules(&ignore("dist/chat-tag.so", &other)).contains("AC101"));
    let bytes = std::fs::read(folder.path().join("dist/chat-tag.so")).expect("read");
    let hash: String = <sha2::Sha256 as sha2::Digest>::digest(&bytes)
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    let own = format!("sha256='{hash}'");
    let held = rules(&ignore("dist/chat-tag.so", &own));
    assert!(
        !held.contains("AC101") && !held.contains("AC901"),
        "{held:?}"
    );
}

#[test]
fn severities_and_fail_on_come_from_the_policy() {
    let off = "[severity]\nAC101='off'\ncall-arity='warning'\nAC103='info'\n";
    let folder = project(&format!("{POLICY}{off}"));
    let (graded, code) = report(folder.path(), &[]);
    assert_eq!(code, 0);
    assert_eq!(
        field(&graded, "findings", "severity"),
        ["info", "warning"].map(String::from).into()
    );
    assert_eq!(report(folder.path(), &["--fail-on", "warning"]).1, 1);
    write(
        folder.path(),
        "artcheck.toml",
        &format!("fail-on='warning'\n{POLICY}{off}"),
    );
    assert_eq!(report(folder.path(), &[]).1, 1);
    assert_eq!(report(folder.path(), &["--fail-on", "never"]).1, 0);
}

#[test]
fn a_misspelled_policy_is_wrong_usage() {
    let folder = project("runtime = ['tvm-0.27']\n");
    let output = artcheck(folder.path(), &["scan", "dist"]);
    assert_eq!(status(&output), 2);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("artcheck.toml") && words.contains("did you mean `runtimes`?"),
        "{words}"
    );
    assert!(output.stdout.is_empty());
}

#[test]
fn pyproject_toml_holds_the_same_keys() {
    let own = "[project]\nname = 'demo'\n\n[tool.ruff]\nline-length = 100\n";
    let folder = project(&accepting("2999-12-31"));
    let wanted = report(folder.path(), &[]);
    std::fs::remove_file(folder.path().join("artcheck.toml")).expect("removed");
    let table = accepting("2999-12-31").replace("[[ignore]]", "[[tool.artcheck.ignore]]");
    write(
        folder.path(),
        "pyproject.toml",
        &format!("{own}[tool.artcheck]\n{table}"),
    );
    let found = report(folder.path(), &[]);
    assert_eq!(found.1, wanted.1);
    assert_eq!(
        field(&found.0, "suppressed", "rule"),
        field(&wanted.0, "suppressed", "rule")
    );
    // In one folder artcheck.toml comes first; a file without the table is passed over.
    write(folder.path(), "artcheck.toml", "runtime = []\n");
    assert_eq!(status(&artcheck(folder.path(), &["scan", "dist"])), 2);
    std::fs::remove_file(folder.path().join("artcheck.toml")).expect("removed");
    write(folder.path(), "dist/pyproject.toml", own);
    assert_eq!(report(folder.path(), &[]).1, wanted.1);
    let refused = |arguments: &[&str], said: &str| {
        let output = artcheck(folder.path(), arguments);
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(status(&output), 2, "{words}");
        assert!(words.contains(said), "{words}");
    };
    refused(
        &["scan", "dist", "--config", "dist/pyproject.toml"],
        "has no table `[tool.artcheck]`",
    );
    write(
        folder.path(),
        "pyproject.toml",
        &format!("{own}[tool.artcheck]\nruntime = []\n"),
    );
    refused(&["scan", "dist"], "did you mean `runtimes`?");
}

#[test]
fn init_writes_a_policy_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    assert_eq!(status(&artcheck(folder.path(), &["init"])), 0);
    let file = folder.path().join("artcheck.toml");
    let written = std::fs::read_to_string(&file).expect("written");
    assert!(written.contains("[[ignore]]"));
    write(folder.path(), "artcheck.toml", "# mine\n");
    assert_eq!(status(&artcheck(folder.path(), &["init"])), 2);
    assert_eq!(std::fs::read_to_string(file).expect("there"), "# mine\n");
}

#[test]
fn merged_shards_are_the_whole_report() {
    let folder = project(POLICY);
    let whole = report(folder.path(), &[]).0;
    let mut files = Vec::new();
    for shard in 1..=3 {
        let name = format!("{shard}.json");
        let output = format!("json={name}");
        artcheck(
            folder.path(),
            &[
                "scan",
                "dist",
                "--shard",
                &format!("{shard}/3"),
                "--output",
                &output,
            ],
        );
        let part: Value = serde_json::from_str(
            &std::fs::read_to_string(folder.path().join(&name)).expect("written"),
        )
        .expect("JSON");
        assert!(part["artifacts"].as_array().expect("a list").len() < 4);
        files.push(name);
    }
    let mut args = vec!["merge", "--format", "json", "--output", "sarif=all.sarif"];
    args.extend(files.iter().map(String::as_str));
    let output = artcheck(folder.path(), &args);
    assert_eq!(status(&output), 1);
    let merged: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for list in ["artifacts", "findings", "summary", "schema"] {
        assert_eq!(merged[list], whole[list], "{list}");
    }
    let count = |report: &Value| report["verdicts"].as_array().expect("a list").len();
    assert_eq!(count(&merged), count(&whole));
    assert!(folder.path().join("all.sarif").is_file());
    // Merging what is no report is wrong usage.
    write(folder.path(), "other.json", "{\"schema\": \"other/v1\"}");
    assert_eq!(
        status(&artcheck(folder.path(), &["merge", "other.json"])),
        2
    );
}

#[cfg(unix)]
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_example_gates_a_build() {
    let folder = project("");
    let example = root().join("examples/gate");
    std::fs::copy(
        example.join("artcheck.toml"),
        folder.path().join("artcheck.toml"),
    )
    .expect("the example's policy");
    let summary = folder.path().join("summary.md");
    let gate = || {
        Command::new("bash")
            .arg(example.join("gate.sh"))
            .current_dir(folder.path())
            .env("ARTCHECK", env!("CARGO_BIN_EXE_artcheck"))
            .env("GITHUB_ACTIONS", "true")
            .env("GITHUB_STEP_SUMMARY", &summary)
            .output()
            .expect("bash starts")
    };
    let closed = gate();
    assert_eq!(status(&closed), 1, "{closed:?}");
    let annotations = String::from_utf8_lossy(&closed.stdout).into_owned();
    assert!(
        annotations.contains("::error file=dist/chat-tag.so,title=AC101"),
        "{annotations}"
    );
    assert!(
        std::fs::read_to_string(&summary)
            .expect("written")
            .contains("AC104")
    );
    for report in [
        "artcheck.sarif",
        "artcheck.xml",
        "artcheck.html",
        "artcheck.md",
    ] {
        assert!(folder.path().join(report).is_file(), "{report}");
    }
    for (name, ..) in BAD {
        std::fs::remove_file(folder.path().join("dist").join(name)).expect("removed");
    }
    assert_eq!(status(&gate()), 0);
    std::fs::remove_file(folder.path().join("dist/chat-good.so")).expect("removed");
    assert_eq!(status(&gate()), 3);
}
