//! The snippets of `docs/ci.md` for GitHub and for a console, taken from the document and run.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{POLICY, blocks, read, run_lines, step, tools, words, yaml};
use crate::support::project::{BAD, project, write};
use crate::support::{root, venv};

/// The YAML blocks of the document, as whole workflows.
pub fn documented_workflows() -> Vec<String> {
    let all = blocks(&read("docs/ci.md"), "yaml");
    let of_github = all.iter().filter(|text| text.contains("uses: actions/"));
    let whole: Vec<String> = of_github
        .map(|text| {
            if text.contains("jobs:") {
                return format!("on: push\n{text}");
            }
            let indented = text.replace('\n', "\n    ");
            format!("on: push\njobs:\n  gate:\n    runs-on: ubuntu-latest\n    {indented}")
        })
        .collect();
    assert_eq!(whole.len(), 3, "the GitHub snippets");
    whole
}

/// The `run` lines of one job of a documented workflow.
fn lines_of(jobs: &Value, job: &str) -> Vec<String> {
    let steps = jobs[job]["steps"].as_array().expect("steps");
    let lines = steps.iter().filter_map(|step| step["run"].as_str());
    lines.map(str::to_owned).collect()
}

/// The documented job matrix that holds `command`: runs the job `shares` once
/// per shard, each of which must end with one of `allowed`. Gives the jobs.
fn run_shares(folder: &Path, command: &str, shares: &str, allowed: &[i32]) -> Value {
    let all = documented_workflows();
    let matrix = all
        .iter()
        .find(|text| text.contains(command) && text.contains("--shard"));
    let jobs = yaml(matrix.expect("the matrix"))["jobs"].take();
    let shards = &jobs[shares]["strategy"]["matrix"]["shard"];
    for shard in shards.as_array().expect("shares") {
        let script = lines_of(&jobs, shares)
            .join("\n")
            .replace("${{ matrix.shard }}", &shard.to_string());
        let scratch = tempfile::tempdir().expect("a folder");
        let env = BTreeMap::from([("PATH".to_owned(), tools(scratch.path()))]);
        let output = step(folder, &script, &env);
        let code = output.status.code().expect("an exit status");
        assert!(allowed.contains(&code), "{}", words(&output));
    }
    jobs
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_job_matrix_of_the_document_joins_its_shares() {
    let folder = project("");
    // 3: no file fell into this share.
    let jobs = run_shares(folder.path(), "scan dist", "scan", &[0, 3]);
    let gate = lines_of(&jobs, "gate");
    let output = run_lines(folder.path(), gate.iter().map(String::as_str));
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    for (name, _, rule) in BAD {
        let annotation = format!("::error file=dist/{name},title={rule}");
        assert!(words(&output).contains(&annotation), "{}", words(&output));
    }
    assert!(folder.path().join("artcheck.sarif").is_file());
}

/// A matrix of `verify` with three sound rows.
fn sound_rows() -> String {
    let corpus = root().join("corpus");
    let row = |name: &str| {
        format!(
            "[[row]]\nname = {name:?}\nmodel = \"dense\"\nlibrary = {:?}\nweights = \"random:7\"\n\
             tokenizer = \"bytes\"\ndevice = \"cpu\"\nruntime = \"tvm-0.27\"\nmax_tokens = 64\n\
             prompt = [{{ expect = {{ reference = \"{}#short\" }} }}]\n",
            corpus.join("artifacts/tvm-0.27/dense-cpu-x86_64.so"),
            corpus.join("reference/expected/dense.json").display()
        )
    };
    let rows: String = ["a", "b", "c"].map(row).concat();
    let runtime = venv("tvm-0.27");
    format!("schema = 1\n[runtimes.\"tvm-0.27\"]\npaths = [{runtime:?}]\n{rows}")
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_shards_of_verify_in_the_document_join() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), "matrix.toml", &sound_rows());
    let jobs = run_shares(folder.path(), "artcheck verify", "verify", &[0]);
    let scratch = tempfile::tempdir().expect("a folder");
    let summary = folder.path().join("summary.md");
    let env = BTreeMap::from([
        ("PATH".to_owned(), tools(scratch.path())),
        (
            "GITHUB_STEP_SUMMARY".to_owned(),
            summary.display().to_string(),
        ),
    ]);
    let gate = lines_of(&jobs, "gate").join("\n");
    let joined = step(folder.path(), &gate, &env);
    assert_eq!(joined.status.code(), Some(0), "{}", words(&joined));
    let text = fs::read_to_string(summary).expect("the summary");
    assert!(text.contains("3 passed"), "{text}");
    assert!(folder.path().join("verify.xml").is_file());
    // A job that died is not a pass.
    fs::remove_file(folder.path().join("verify-2.json")).expect("removed");
    let missing = step(folder.path(), &gate, &env);
    assert_ne!(missing.status.code(), Some(0), "{}", words(&missing));
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_consoles_of_the_document_work() {
    let folder = project(POLICY);
    let all = blocks(&read("docs/ci.md"), "console");
    let (reports, baseline) = (&all[0], &all[1]);
    let output = run_lines(folder.path(), [reports.as_str()]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    for file in [
        "artcheck.sarif",
        "artcheck.xml",
        "summary.md",
        "artcheck.html",
        "artcheck.json",
    ] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
    fs::remove_dir_all(folder.path().join("tools")).expect("removed");
    let output = run_lines(folder.path(), [baseline.as_str()]);
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    // The policy shown is one that artcheck accepts.
    let policy = blocks(&read("docs/ci.md"), "toml").remove(0);
    let folder = project(&policy);
    let output = run_lines(
        folder.path(),
        ["artcheck scan dist --format json > report.json || true"],
    );
    assert!(
        !words(&output).contains("artcheck.toml:"),
        "{}",
        words(&output)
    );
    assert!(
        fs::metadata(folder.path().join("report.json"))
            .expect("written")
            .len()
            > 2
    );
}
