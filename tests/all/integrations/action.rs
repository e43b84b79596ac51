//! `action.yml`: its shell steps, with the inputs as GitHub hands them over.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use super::release::{Release, stand_in_for_gh};
use super::{POLICY, executable, read, step, tools, words, yaml};
use crate::support::project::{BAD, project, write};
use crate::support::root;

/// The state of one run of the action.
struct Job {
    folder: tempfile::TempDir,
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    path: String,
    /// Where releases are looked for.
    releases: String,
}

impl Job {
    fn new(policy: &str, inputs: &[(&str, &str)]) -> Self {
        let folder = project(policy);
        let path = tools(folder.path());
        // `cargo install --root R` ends with R/bin/artcheck.
        let cargo = "set -e
echo \"$@\" > \"$RUNNER_TEMP/cargo-arguments\"\n\
            mkdir -p \"$RUNNER_TEMP/artcheck/bin\"\ncp \"$(command -v artcheck)\" \"$RUNNER_TEMP/artcheck/bin/\"\n";
        executable(&folder.path().join("tools/cargo"), cargo);
        // A developer's own `gh` is not asked.
        stand_in_for_gh(folder.path(), 1, 9);
        fs::create_dir(folder.path().join("runner temp")).expect("made");
        Self {
            folder,
            inputs: inputs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            outputs: BTreeMap::new(),
            path,
            releases: "file:///nowhere".to_owned(),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What GitHub puts in place of an expression.
    fn expand(&self, text: &str, action: &Value) -> String {
        let Some(name) = text
            .strip_prefix("${{ ")
            .and_then(|text| text.strip_suffix(" }}"))
        else {
            return text.to_owned();
        };
        if let Some(input) = name.strip_prefix("inputs.") {
            let default = action["inputs"][input]["default"]
                .as_str()
                .expect("a known input");
            return self
                .inputs
                .get(input)
                .cloned()
                .unwrap_or_else(|| default.to_owned());
        }
        match name {
            "github.action_path" => root().display().to_string(),
            "github.token" => String::new(),
            "steps.scan.outputs.status" => self.outputs["status"].clone(),
            other => panic!("{other} in the action"),
        }
    }

    /// Runs one of the action's shell steps: its exit status, and what it printed.
    fn run_step(&self, name: &str) -> (i32, String) {
        let action = yaml(&read("action.yml"));
        let steps = action["runs"]["steps"].as_array().expect("steps");
        let step_of = steps.iter().find(|step| step["name"] == name);
        let step_of = step_of.expect("a step of that name");
        let script = step_of["run"].as_str().expect("a script");
        assert!(
            !script.contains("${{"),
            "an input would become part of the script"
        );
        let file = |name: &str| self.file(name).display().to_string();
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), self.path.clone()),
            ("ARTCHECK_RELEASES".to_owned(), self.releases.clone()),
            ("RUNNER_TEMP".to_owned(), file("runner temp")),
            ("GITHUB_OUTPUT".to_owned(), file("outputs")),
            ("GITHUB_STEP_SUMMARY".to_owned(), file("summary.md")),
        ]);
        for (name, value) in step_of["env"].as_object().expect("an environment") {
            let value = self.expand(value.as_str().expect("text"), &action);
            env.insert(name.clone(), value);
        }
        let output = step(self.folder.path(), script, &env);
        let status = output.status.code().expect("an exit status");
        (status, words(&output))
    }

    /// Runs the action's shell steps; the exit status of the last.
    fn run(&mut self) -> i32 {
        let (installed, said) = self.run_step("Install artcheck");
        assert_eq!(installed, 0, "{said}");
        let (scanned, said) = self.run_step("Scan");
        assert_eq!(scanned, 0, "{said}");
        write(self.folder.path(), "log", &said);
        let written = fs::read_to_string(self.file("outputs")).expect("outputs");
        let pairs = written.lines().filter_map(|line| line.split_once('='));
        self.outputs = pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        self.run_step("Decide").0
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_action_closes_the_gate_and_says_why() {
    let mut job = Job::new(POLICY, &[]);
    assert_eq!(job.run(), 1);
    let installed = fs::read_to_string(job.file("runner temp/cargo-arguments")).expect("cargo ran");
    assert!(
        installed.starts_with("install --locked --quiet --path "),
        "{installed}"
    );
    let log = fs::read_to_string(job.file("log")).expect("the log");
    for (name, _, rule) in BAD {
        assert!(
            log.contains(&format!("::error file=dist/{name},title={rule}")),
            "{log}"
        );
    }
    let summary = fs::read_to_string(job.file("summary.md")).expect("the summary");
    assert!(summary.contains("AC104"), "{summary}");
    let folder = PathBuf::from(&job.outputs["folder"]);
    for report in ["artcheck.sarif", "artcheck.html", "artcheck.json"] {
        assert!(folder.join(report).is_file(), "{report}");
    }
    // What code scanning is given: the action's other step names this file.
    let action = yaml(&read("action.yml"));
    let upload = &action["runs"]["steps"][2];
    assert_eq!(
        upload["with"]["sarif_file"],
        "${{ steps.scan.outputs.folder }}/artcheck.sarif"
    );
    for (name, file) in [("html", "artcheck.html"), ("json", "artcheck.json")] {
        let value = action["outputs"][name]["value"]
            .as_str()
            .expect("an output");
        assert_eq!(
            value,
            format!("${{{{ steps.scan.outputs.folder }}}}/{file}")
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_action_takes_the_archive_of_its_own_version() {
    let release = Release::packed();
    let mut job = Job::new(POLICY, &[("paths", "dist/chat-good.so")]);
    job.releases = release.serve();
    assert_eq!(job.run(), 0);
    assert!(!job.file("runner temp/cargo-arguments").exists());
    // What is not what the release says is neither run nor replaced in silence.
    release.damage();
    let mut job = Job::new(POLICY, &[("paths", "dist/chat-good.so")]);
    job.releases = release.serve();
    assert_eq!(job.run_step("Install artcheck").0, 1);
    assert!(!job.file("runner temp/artcheck/bin/artcheck").exists());
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_input_of_the_action_does_what_its_flag_does() {
    let passes = |inputs: &[(&str, &str)]| Job::new(POLICY, inputs).run();
    assert_eq!(passes(&[("fail-on", "never")]), 0);
    assert_eq!(passes(&[("paths", "dist/chat-good.so")]), 0);
    assert_eq!(
        passes(&[("paths", "dist/chat-good.so dist/chat-tag.so")]),
        1
    );
    assert_eq!(passes(&[("paths", "nowhere")]), 2);
    let good = ("paths", "dist/chat-good.so");
    assert_eq!(passes(&[good, ("runtime", "tvm-0.27 tvm-0.25")]), 1);
    assert_eq!(passes(&[good, ("target", "aarch64-macos")]), 1);
    assert_eq!(passes(&[good, ("target", "no such target")]), 2);
    assert_eq!(
        passes(&[("args", "--baseline base.json --update-baseline")]),
        0
    );
    assert_eq!(passes(&[good, ("config", "missing.toml")]), 2);
    let mut quiet = Job::new(POLICY, &[("summary", "false")]);
    quiet.run();
    assert!(!quiet.file("summary.md").exists());
    // A path with a shell's own characters stays a path.
    assert_eq!(passes(&[("paths", "$(touch x);dist")]), 2);
    let mut based = Job::new(POLICY, &[("baseline", "base.json")]);
    let flags = [
        "scan",
        "dist",
        "--baseline",
        "base.json",
        "--update-baseline",
    ];
    let recorded = Command::new(env!("CARGO_BIN_EXE_artcheck"))
        .current_dir(based.folder.path())
        .args(flags)
        .status();
    assert!(recorded.expect("artcheck starts").success());
    assert_eq!(based.run(), 0);
    // Beside a good one, a file of which nobody can say what it is.
    let unknown = |allow: &str| {
        let inputs = [
            ("paths", "dist/chat-good.so dist/odd.so"),
            ("allow-undecided", allow),
        ];
        let mut job = Job::new(POLICY, &inputs);
        fs::write(job.file("dist/odd.so"), "neither a library nor a page").expect("written");
        job.run()
    };
    assert_eq!(unknown("false"), 4);
    assert_eq!(unknown("true"), 0);
}
