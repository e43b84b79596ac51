//! Python files of real packages: none that Python compiles is refused. Folders that
//! ARTCHECK_PYTHON_SOURCES names, as PATH does, are asked too.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use artcheck_inspect::python::damage::refusal;

use super::parts::part;

/// Prints those of some files that it compiles.
const COMPILE: &str = "import sys, warnings\n\
    warnings.simplefilter('ignore')\n\
    for name in sys.stdin.read().splitlines():\n\
    \x20try: compile(open(name, 'rb').read(), name, 'exec'); print(name)\n\
    \x20except (SyntaxError, ValueError): pass\n";

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn what_python_compiles_is_not_refused() {
    let environments = ["tvm-0.25", "tvm-0.26", "tvm-0.27", "tools", "reports"];
    let mut folders: Vec<PathBuf> = environments
        .iter()
        .map(|name| part(&format!("venv/{name}/lib")))
        .collect();
    let more = std::env::var_os("ARTCHECK_PYTHON_SOURCES").unwrap_or_default();
    folders.extend(std::env::split_paths(&more).filter(|folder| folder.is_dir()));
    let entries = folders.iter().flat_map(walkdir::WalkDir::new);
    let files = entries
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path);
    let sources = files.filter(|file| file.extension().is_some_and(|end| end == "py"));
    let (mut count, mut refused) = (0, Vec::new());
    for file in sources {
        let Ok(source) = std::fs::read(&file) else {
            continue;
        };
        count += 1;
        if refusal(&source).is_some() {
            refused.push(file.display().to_string());
        }
    }
    assert!(count > 5_000, "{count} files");
    let mut python = Command::new(part("venv/tools/bin/python"))
        .args(["-c", COMPILE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python");
    let mut input = python.stdin.take().expect("a pipe");
    input
        .write_all(refused.join("\n").as_bytes())
        .expect("written");
    drop(input);
    let done = python.wait_with_output().expect("it ends");
    assert!(done.status.success());
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "",
        "of {count} files"
    );
}
