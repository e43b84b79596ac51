//! GitLab, Jenkins and Azure: the component and the snippets of `docs/ci.md`, run.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{blocks, read, run_lines, step, tools, words, yaml};
use crate::support::project::{BAD, project};

fn snippet(language: &str, holds: &str) -> String {
    let mut all = blocks(&read("docs/ci.md"), language).into_iter();
    all.find(|text| text.contains(holds)).expect(holds)
}

/// The job for GitLab that is written out.
pub fn gitlab_snippet() -> String {
    snippet("yaml", "image: python")
}

/// The steps for Azure.
pub fn azure_snippet() -> String {
    snippet("yaml", "PublishTestResults")
}

/// The two documents of the component: its inputs, and the job.
pub fn component() -> (String, String) {
    let text = read("templates/artcheck.yml");
    let (inputs, job) = text.split_once("\n---\n").expect("two documents");
    (inputs.to_owned(), job.to_owned())
}

/// The reports of a job are there, and the one for merge requests names every bad artifact.
fn has_reports(folder: &Path, job: &Value) {
    let reports = &job["artifacts"]["reports"];
    let named = |value: &Value| folder.join(value.as_str().expect("a file"));
    for file in [&reports["junit"], &job["artifacts"]["paths"][0]] {
        assert!(named(file).is_file(), "{file}");
    }
    let quality = std::fs::read_to_string(named(&reports["codequality"])).expect("a report");
    for (name, _, rule) in BAD {
        assert!(quality.contains(&format!("dist/{name}")), "{quality}");
        assert!(quality.contains(rule), "{quality}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_gitlab_snippet_gates() {
    let folder = project("");
    let job = &yaml(&gitlab_snippet())["artcheck"];
    let script = job["script"].as_array().expect("lines");
    let output = run_lines(folder.path(), script.iter().filter_map(Value::as_str));
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    has_reports(folder.path(), job);
}

/// Runs the component's job with inputs, as GitLab puts them in.
fn run_component(inputs: &[(&str, &str)]) -> (tempfile::TempDir, Value, Option<i32>) {
    let (declared, mut job) = component();
    let declared = yaml(&declared)["spec"]["inputs"].take();
    for (name, input) in declared.as_object().expect("inputs") {
        let given = inputs.iter().find(|(given, _)| given == name);
        let value = given.map(|(_, value)| *value);
        let value = value.unwrap_or_else(|| input["default"].as_str().expect("a default"));
        job = job.replace(&format!("$[[ inputs.{name} ]]"), value);
    }
    assert!(!job.contains("$[["), "{job}");
    let folder = project("runtimes = ['tvm-0.27']\n");
    let job = yaml(&job)["artcheck"].take();
    let mut env = BTreeMap::from([("PATH".to_owned(), tools(folder.path()))]);
    for (name, value) in job["variables"].as_object().expect("variables") {
        let value = value.as_str().unwrap_or_default();
        env.insert(name.clone(), value.to_owned());
    }
    let lines = job["script"].as_array().expect("lines").iter();
    let lines: Vec<&str> = lines.filter_map(Value::as_str).collect();
    let output = step(folder.path(), &lines.join("\n"), &env);
    (folder, job, output.status.code())
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_component_for_gitlab_gates_and_takes_its_inputs() {
    let (folder, job, status) = run_component(&[]);
    assert_eq!(status, Some(1));
    has_reports(folder.path(), &job);
    let status = |inputs: &[(&str, &str)]| run_component(inputs).2;
    let good = ("paths", "dist/chat-good.so");
    assert_eq!(status(&[good]), Some(0));
    assert_eq!(
        status(&[("paths", "dist/chat-good.so dist/chat-tag.so")]),
        Some(1)
    );
    assert_eq!(status(&[good, ("runtime", "tvm-0.27 tvm-0.25")]), Some(1));
    assert_eq!(status(&[("args", "--fail-on never")]), Some(0));
    assert_eq!(status(&[good, ("version", "9.9.9")]), Some(9));
    // A path with a shell's own characters stays a path.
    assert_eq!(status(&[("paths", "$(touch x);dist")]), Some(2));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_jenkins_snippet_gates() {
    let snippet = blocks(&read("docs/ci.md"), "groovy").remove(0);
    let quoted = |before: &str| -> Vec<String> {
        let after = snippet.split(before).skip(1);
        after
            .map(|rest| rest.split('\'').next().expect("a quoted text").to_owned())
            .collect()
    };
    let folder = project("");
    let lines = quoted("sh '");
    assert_eq!(lines.len(), 1);
    let output = run_lines(folder.path(), lines.iter().map(String::as_str));
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    for before in ["junit '", "sarif(pattern: '", "archiveArtifacts '"] {
        for file in quoted(before) {
            assert!(folder.path().join(&file).is_file(), "{file}");
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_azure_snippet_gates() {
    let folder = project("");
    let steps = yaml(&azure_snippet())["steps"].take();
    let steps = steps.as_array().expect("steps");
    let lines: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["script"].as_str())
        .collect();
    assert_eq!(lines.len(), 2);
    let output = run_lines(folder.path(), lines);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    // What is published afterwards was written; the step that failed does not keep it back.
    let after = &steps[2..];
    assert_eq!(after.len(), 3);
    for step in after {
        let file = step["publish"]
            .as_str()
            .or(step["inputs"]["testResultsFiles"].as_str());
        assert!(
            folder.path().join(file.expect("a file")).is_file(),
            "{step}"
        );
        assert_eq!(step["condition"], "succeededOrFailed()");
    }
}
