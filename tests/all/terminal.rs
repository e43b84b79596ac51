//! Reports on terminals: width, colour, and what a person pastes.

use crate::support::{artcheck, root};

/// Text without the sequences that colour it.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut pieces = text.split('\u{1b}');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        // A control sequence ends with its first letter.
        let end = piece.find(|c: char| c.is_ascii_alphabetic());
        out.push_str(&piece[end.expect("a control sequence") + 1..]);
    }
    out
}

fn output(columns: usize, color: &str, args: &[&str]) -> String {
    let output = artcheck()
        .args(args)
        .args(["--color", color])
        .env("COLUMNS", columns.to_string())
        .output()
        .expect("artcheck starts");
    String::from_utf8(output.stdout).expect("text")
}

const SCAN: [&str; 4] = ["scan", "corpus/artifacts", "--runtime", "tvm-0.27"];
const MATRIX: [&str; 2] = ["matrix", "corpus/artifacts"];

#[test]
fn colour_changes_no_letter_and_no_column() {
    for args in [&SCAN[..], &MATRIX[..]] {
        let colored = output(80, "always", args);
        assert!(colored.contains("\u{1b}[31m"), "{colored}");
        assert_eq!(plain(&colored), output(80, "never", args));
    }
}

#[test]
fn lines_end_between_words_at_every_width() {
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().filter(|word| *word != "\\");
        words.map(str::to_owned).collect()
    };
    let wide = words(&output(100_000, "never", &SCAN));
    for columns in [60, 80, 120, 200] {
        let text = output(columns, "never", &SCAN);
        assert_eq!(words(&text), wide, "{columns} columns");
        for line in text.lines().filter(|line| line.chars().count() > columns) {
            // Only what cannot be divided is longer: a path, a name, a command.
            let text = line
                .get(17..)
                .filter(|_| line.starts_with("  "))
                .unwrap_or(line);
            let outside: String = text.split('`').step_by(2).collect();
            let divided = outside.split_whitespace().count() > 1 && !text.contains('/');
            assert!(!divided, "{columns} columns: {line}");
        }
    }
}

const TAGGED: &str = "corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so";

/// What other commands print wraps as a scan does. A word is never divided; a command
/// behind `$` goes on as shells read it.
#[test]
fn what_other_commands_print_wraps_too() {
    let newer = "corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so";
    for args in [
        &["doctor", "corpus/artifacts/tvm-0.25"][..],
        &["dump", TAGGED],
        &["diff", TAGGED, newer],
        &["runtime", "tvm-0.27"],
        &["fix", TAGGED, "--runtime", "tvm-0.27"],
        &["patch", "retag", TAGGED, "--to", "tirx"],
    ] {
        let words = |text: &str| -> Vec<String> {
            let words = text.split_whitespace().filter(|word| *word != "\\");
            words.map(str::to_owned).collect()
        };
        let wide = words(&output(100_000, "never", args));
        assert!(!wide.is_empty(), "{args:?}");
        for columns in [60, 80, 120, 200] {
            let text = output(columns, "never", args);
            assert_eq!(words(&text), wide, "{args:?} in {columns} columns");
            for line in text.lines().filter(|line| line.chars().count() > columns) {
                let body = line.trim_start().trim_end_matches(" \\");
                assert!(!body.contains(' '), "{args:?} in {columns} columns: {line}");
            }
        }
    }
}

/// Errors too: they are the longest sentences of all.
#[test]
fn errors_wrap() {
    let output = artcheck()
        .args(["scan", TAGGED, "--runtime", "0.27.9"])
        .env("COLUMNS", "60")
        .output()
        .expect("artcheck starts");
    let text = String::from_utf8(output.stderr).expect("text");
    assert!(text.lines().count() > 3, "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 60),
        "{text}"
    );
}

#[test]
fn twelve_releases_fit_eighty_columns() {
    let text = output(80, "never", &MATRIX);
    let is_name = |line: &&str| {
        let line = line.trim_start();
        line.starts_with("corpus/") && !line.contains("  ")
    };
    for line in text.lines().filter(|line| !is_name(line)) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let head = text.lines().next().expect("a head");
    assert!(head.trim_start().starts_with("0.27"), "{head}");
}

#[test]
fn many_healthy_files_are_a_count() {
    let folder = tempfile::tempdir().expect("a folder");
    let healthy = root().join("corpus/artifacts/tvm-0.27/dense-cpu-x86_64.so");
    let broken = root().join("corpus/artifacts/tvm-0.25/dense-ext-cpu-x86_64.so");
    for number in 0..30 {
        std::fs::copy(&healthy, folder.path().join(format!("m{number}.so"))).expect("copied");
    }
    std::fs::copy(broken, folder.path().join("old.so")).expect("copied");
    let path = folder.path().to_str().expect("a path");
    let args = ["scan", path, "--runtime", "tvm-0.27"];
    let text = output(120, "never", &args);
    assert!(text.contains("and 30 that fit"), "{text}");
    assert!(text.contains("1 of 31 does not run on tvm-0.27."), "{text}");
    assert!(text.lines().count() < 24, "{text}");
    let all = output(120, "never", &[&args[..], &["--verbose"]].concat());
    assert!(all.contains("m17.so"), "{all}");
}

/// The remedy, pasted into a shell, mends the file, whatever it is called.
#[cfg(unix)]
#[test]
fn the_remedy_can_be_pasted() {
    let source = root().join("corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so");
    for name in [
        "qwen3.so",
        "x;touch PWNED;.so",
        "it's $(touch PWNED).so",
        "-rf.so",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::copy(&source, folder.path().join(name)).expect("copied");
        let scan = |columns: &str| {
            let mut command = artcheck();
            command.current_dir(&folder).env("COLUMNS", columns);
            let output = command
                .args(["scan", ".", "-r", "0.27", "--no-config"])
                .output();
            String::from_utf8(output.expect("artcheck starts").stdout).expect("text")
        };
        let text = scan("60");
        let (_, after) = text
            .split_once("1 can be fixed:\n")
            .unwrap_or_else(|| panic!("{text}"));
        let (command, _) = after.split_once("--apply").expect("a command");
        let script = format!("artcheck() {{ \"$ARTCHECK\" \"$@\"; }}\n{command}--apply\n");
        let output = std::process::Command::new("bash")
            .args(["-c", &script])
            .env("ARTCHECK", env!("CARGO_BIN_EXE_artcheck"))
            .current_dir(&folder)
            .output()
            .expect("bash starts");
        assert!(output.status.success(), "{script}\n{output:?}");
        assert!(!folder.path().join("PWNED").exists(), "{script}");
        let text = scan("80");
        assert!(text.contains("It fits tvm-0.27."), "{text}");
    }
}

/// The same through a terminal that is one.
#[test]
#[cfg(target_os = "linux")]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_real_terminal_shows_the_same() {
    let program = env!("CARGO_BIN_EXE_artcheck");
    let shell = format!("stty rows 40 cols 80; {program} {}", SCAN.join(" "));
    let run = |color: Option<&str>| {
        let mut command = std::process::Command::new("script");
        command
            .args(["-qec", &shell, "/dev/null"])
            .current_dir(root());
        command.env_remove("COLUMNS").env("TERM", "xterm-256color");
        command
            .env_remove("NO_COLOR")
            .envs(color.map(|value| ("NO_COLOR", value)));
        let output = command.output().expect("script starts");
        String::from_utf8(output.stdout)
            .expect("text")
            .replace('\r', "")
    };
    let expected = output(80, "never", &SCAN);
    let colored = run(None);
    assert!(colored.contains("\u{1b}[1;31merror[AC"), "{colored}");
    assert!(plain(&colored).contains(&expected), "{colored}");
    let without = run(Some("1"));
    assert!(!without.contains("\u{1b}[1;31merror["), "{without}");
    assert!(plain(&without).contains(&expected), "{without}");
}
