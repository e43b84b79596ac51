//! What README.md shows is what comes out: its first example is run, command by command,
//! from a broken library to a running one, and every option that it names is there.

use std::fs;
use std::path::Path;

use crate::support::{artcheck, root, venv};

/// The commands of the first example, each with the lines that README.md shows of it.
fn example(text: &str) -> Vec<(String, Vec<String>)> {
    let (_, block) = text.split_once("```console\n").expect("an example");
    let (block, _) = block.split_once("```").expect("its end");
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    for line in block.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, shown))) if line != "..." => shown.push(line.to_owned()),
            _ => {}
        }
    }
    commands
}

/// The words of a command, as a shell divides them.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, piece) in command.split('"').enumerate() {
        match number % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

#[cfg(unix)]
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_first_example_leads_from_a_broken_library_to_a_running_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let link = |from: &Path, name: &str| {
        std::os::unix::fs::symlink(from, folder.path().join(name)).expect("linked");
    };
    link(&venv("tvm-0.27"), ".venv");
    let readme = fs::read_to_string(root().join("README.md")).expect("README.md");
    let of_file = |before: &str, after: &str| {
        let line = readme.lines().find_map(|line| line.strip_prefix(before));
        let file = line.and_then(|line| line.strip_suffix(after));
        root().join(file.expect("a line that sets the example up"))
    };
    link(&of_file("ln -s ", " weights"), "weights");
    let broken = of_file("cp ", " qwen3.so");
    fs::copy(broken, folder.path().join("qwen3.so")).expect("copied");
    let commands = example(&readme);
    assert_eq!(commands.len(), 3, "{commands:?}");
    for (command, shown) in commands {
        let words = words(&command);
        assert_eq!(words.first().map(String::as_str), Some("artcheck"));
        let mut program = artcheck();
        program
            .args(words.iter().skip(1))
            .current_dir(folder.path());
        let output = program.output().expect("artcheck starts");
        let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        let mut lines = text.lines();
        for wanted in &shown {
            assert!(
                lines.any(|line| line == wanted),
                "{command}: no line {wanted:?} in\n{text}"
            );
        }
        assert!(!shown.is_empty(), "{command}");
    }
}

/// A page that names an option that is gone sends its reader astray.
#[test]
fn every_command_and_option_of_the_documents_is_there() {
    let help = |words: &[&str]| {
        let output = artcheck().args(words).arg("--help").output();
        String::from_utf8(output.expect("artcheck starts").stdout).expect("text")
    };
    let folder = root().join("docs");
    let mut documents = vec![root().join("README.md")];
    let entries = fs::read_dir(folder).expect("docs");
    documents.extend(entries.map(|entry| entry.expect("an entry").path()));
    documents.retain(|path| path.extension().is_some_and(|suffix| suffix == "md"));
    let mut known: std::collections::BTreeMap<String, String> = Default::default();
    let (mut count, mut faults) = (0, Vec::new());
    for document in documents {
        let text = fs::read_to_string(&document).expect("text");
        // Only what is in a block of code is typed.
        let blocks = text.split("```").skip(1).step_by(2);
        let lines = blocks.flat_map(str::lines).filter_map(|line| {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            line.strip_prefix("artcheck ")
        });
        for line in lines {
            let line = line.split(" #").next().unwrap_or_default();
            let line = line.split([';', '|', '&', '>']).next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            let Some(command) = words.first().filter(|word| is_name(word)) else {
                continue;
            };
            let way = words
                .get(1)
                .filter(|word| is_name(word) && *command == "patch");
            let path: Vec<&str> = [Some(command), way]
                .into_iter()
                .flatten()
                .copied()
                .collect();
            let text = known.entry(path.join(" ")).or_insert_with(|| help(&path));
            count += 1;
            if !text.contains("Usage: artcheck") {
                faults.push(format!(
                    "{}: no command `{}`",
                    document.display(),
                    path.join(" ")
                ));
            }
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap_or_default();
                let hidden = ["--release-table", "--help"].contains(&option);
                if !hidden && !text.contains(option) {
                    faults.push(format!("{}: no {option} in `{line}`", document.display()));
                }
            }
        }
    }
    assert!(count > 30, "only {count} commands were found");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word.chars().all(|c| c.is_ascii_lowercase() || c == '-')
        && !word.starts_with('-')
}
