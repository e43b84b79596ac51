//! The files of `tests/cli`: each holds commands and what they print.
//!
//! ```text
//! # Why this is here.
//! RUN: scan {tmp} --runtime tvm-0.27
//! STATUS: 3
//! standard output, line by line
//! STDERR:
//! standard error, where there is some
//! ```
//!
//! `COLUMNS: N` before the first command makes a terminal of that width.
//!
//! `RUN:` gives the arguments of artcheck, divided by blanks; it runs in the
//! repository's root. `{tmp}` is an empty folder, the same for all commands of a file.
//! `BLESS=1` writes what the commands print now; what it changed is read in the diff.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use crate::support::{artcheck, root};

/// Output as it is on every system.
fn plain(bytes: &[u8], tmp: &str) -> String {
    let text = String::from_utf8_lossy(bytes).replace(tmp, "{tmp}");
    if cfg!(windows) {
        text.replace('\\', "/").replace('\r', "")
    } else {
        text
    }
}

/// The file as it should be: its comments and commands, with what they print.
fn as_printed(file: &str) -> String {
    let tmp = tempfile::tempdir().expect("a folder");
    let tmp = tmp.path().to_str().expect("a plain name");
    let mut text: String = file
        .lines()
        .take_while(|line| line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let columns = file.lines().find_map(|line| line.strip_prefix("COLUMNS: "));
    if let Some(columns) = columns {
        let _ = writeln!(text, "COLUMNS: {columns}");
    }
    for command in file.lines().filter_map(|line| line.strip_prefix("RUN: ")) {
        let words = command.split_whitespace();
        let mut program = artcheck();
        program.args(words.map(|word| word.replace("{tmp}", tmp)));
        program.envs(columns.map(|columns| ("COLUMNS", columns)));
        let output = program.output().expect("artcheck starts");
        let status = output.status.code().expect("artcheck exits by itself");
        let _ = write!(text, "RUN: {command}\nSTATUS: {status}\n");
        text.push_str(&plain(&output.stdout, tmp));
        let errors = plain(&output.stderr, tmp);
        if !errors.is_empty() {
            let _ = write!(text, "STDERR:\n{errors}");
        }
    }
    text
}

#[test]
fn commands_print_what_their_files_say() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut files: Vec<PathBuf> = fs::read_dir(root().join("tests/cli"))
        .expect("tests/cli")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    for file in files {
        let expected = fs::read_to_string(&file).expect("a text").replace('\r', "");
        let found = as_printed(&expected);
        assert!(
            found.contains("\nRUN: ") || found.starts_with("RUN: "),
            "{file:?}: no RUN:"
        );
        if found == expected {
            continue;
        }
        if bless {
            fs::write(&file, &found).expect("written");
            continue;
        }
        let lines = expected.lines().zip(found.lines());
        let at = lines
            .take_while(|(expected, found)| expected == found)
            .count();
        let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
        let _ = write!(
            wrong,
            "{}:{}\n  expected {}\n  found    {}\n",
            file.display(),
            at + 1,
            line(&expected),
            line(&found)
        );
    }
    assert!(wrong.is_empty(), "{wrong}BLESS=1 accepts what is found");
}
