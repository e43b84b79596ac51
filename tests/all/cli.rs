//! The command line as a user meets it: exit status, formats, wrong usage.

use crate::support::{self, root, run, scan};
use serde_json::Value;

const HEALTHY: &str = "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so";

fn status<const N: usize>(args: [&str; N]) -> i32 {
    run(args).status.code().expect("artcheck exits by itself")
}

/// What a file of `tests/cli` cannot say: a device, and a file made here.
#[test]
fn exit_status_says_what_happened() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("a path");
    // A device named by the user was not looked at; a folder is no file.
    #[cfg(unix)]
    assert_eq!(status(["scan", "/dev/null"]), 3);
    std::fs::write(
        folder.path().join("odd.so"),
        b"neither a library nor a page",
    )
    .expect("written");
    assert_eq!(status(["scan", path]), 4);
    assert_ne!(status(["scan", path, "--allow-unknown"]), 4);
}

#[test]
fn machine_formats_leave_standard_output_to_the_report() {
    let output = run(["scan", "corpus", "--format", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON document");
    assert_eq!(report["schema"], "artcheck/json-v1");
    assert!(
        report["artifacts"]
            .as_array()
            .is_some_and(|all| all.len() >= 80)
    );
}

#[test]
fn one_bad_file_does_not_end_a_scan() {
    let (report, _) = scan(["corpus/artifacts"]);
    let roles: Vec<&str> = report["artifacts"]
        .as_array()
        .expect("artifacts")
        .iter()
        .filter_map(|artifact| artifact["role"].as_str())
        .collect();
    assert!(roles.contains(&"unreadable"));
    assert!(
        roles
            .iter()
            .filter(|role| **role == "model-library")
            .count()
            >= 70
    );
    assert!(support::rules(&report, &["error"]).contains(&"AC001".to_owned()));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_saved_profile_gives_the_same_verdict_as_the_runtime() {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("runtime.json");
    let profile = profile.to_str().expect("a path");
    let venv = support::venv("tvm-0.26");
    let venv = venv.to_str().expect("a path");
    assert_eq!(status(["runtime", venv, "--save", profile]), 0);
    let verdict = |runtime: &str| {
        let (report, _) = scan([HEALTHY, "--runtime", runtime]);
        (
            report["verdicts"][0]["status"].clone(),
            report["verdicts"][0]["rules"].clone(),
        )
    };
    assert_eq!(verdict(profile), verdict(venv));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_wheel_is_a_runtime() {
    let wheels = support::parts().join("wheels");
    let wheel = std::fs::read_dir(&wheels)
        .expect("the wheels")
        .map(|entry| entry.expect("an entry").path())
        .find(|path| {
            let name = path.to_string_lossy();
            name.contains("apache_tvm-0.26")
                && name.contains("x86_64")
                && name.contains("manylinux")
        })
        .expect("run python3 tools/parts.py");
    let (report, code) = scan([HEALTHY.as_ref(), "--runtime".as_ref(), wheel.as_os_str()]);
    assert_eq!(code, 1, "{:#}", report["findings"]);
    assert_eq!(support::rules(&report, &["error"]), ["AC105"]);
}

#[test]
fn every_rule_explains_itself() {
    let listed = String::from_utf8(run(["rules"]).stdout).expect("text");
    assert!(listed.lines().count() >= 18);
    for line in listed.lines() {
        let code = line.split_whitespace().next().expect("a code");
        let page = run(["explain", code]);
        assert!(page.status.success() && page.stdout.len() > 600, "{code}");
    }
}

#[test]
fn listings_and_statistics_are_tvms_own() {
    // The whole corpus is compared in the decoder's tests; here the commands.
    let text = |args: [&str; 3]| String::from_utf8(run(args).stdout).expect("text");
    let oracle =
        std::fs::read_to_string(root().join(format!("{HEALTHY}.oracle.json"))).expect("the oracle");
    let oracle: Value = serde_json::from_str(&oracle).expect("JSON");
    let as_text = oracle["as_text"].as_str().expect("the listing's file");
    let listing = std::fs::read_to_string(root().join("corpus/artifacts/tvm-0.27").join(as_text))
        .or_else(|_| std::fs::read_to_string(root().join("corpus/artifacts").join(as_text)))
        .expect("the listing");
    assert_eq!(text(["dump", "--asm", HEALTHY]), listing);
    assert!(text(["dump", "--stats", HEALTHY]).starts_with("Relax VM executable statistics:"));
    let metadata: Value =
        serde_json::from_str(&text(["dump", "--metadata", HEALTHY])).expect("JSON");
    assert_eq!(metadata["kv_state_kind"], "kv_cache");
}
