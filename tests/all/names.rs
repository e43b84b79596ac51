//! What a file is called says nothing of what is in it: copies of the corpus in
//! folders, files and archive members with names that look like structure, or
//! are no text, get the verdicts and findings that plain names get. Whole
//! reports are compared, the odd names in them replaced by the plain ones.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use crate::support::{artcheck, root};
use artcheck_inspect::source::{Controls, spell};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Names, before the suffix.
const ODD: [&[u8]; 9] = [
    b"a!b",
    b"copy (2)",
    b"fat (arm64)",
    b"slice (aarch64)",
    b"c:d",
    b"two\nlines",
    b"-dash",
    b"quo'ted \"name\"",
    b"no\xfftext\\x{fe}",
];

/// Of every kind and generation; each goes under every name.
const SAMPLE: [&str; 12] = [
    "tvm-0.27/dense-cpu-x86_64.so",
    "tvm-0.26/dense-metal-macos-arm64.dylib",
    "tvm-0.25/embedding-webgpu.wasm",
    "tvm-0.25/embedding-metal-ios.tar",
    "synthetic/extcall-0.27-universal.dylib",
    "synthetic/extcall-0.25-ios.a",
    "synthetic/extcall-0.25-ios-appledouble.tar",
    "synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so",
    "synthetic/extcall-0.27-truncated-cpu-x86_64.so",
    "synthetic/extcall-0.27-devc.o",
    "synthetic/git-lfs-pointer.so",
    "synthetic/extcall-current-v2.bin",
];

/// The odd name, or a plain one of its own that sorts as it likes.
fn name(odd: bool, number: usize) -> Vec<u8> {
    if odd {
        ODD[number].to_vec()
    } else {
        format!("plain{number}name").into_bytes()
    }
}

fn path(parts: &[&[u8]]) -> PathBuf {
    PathBuf::from(OsString::from_vec(parts.concat()))
}

fn corpus(name: &str) -> Vec<u8> {
    fs::read(root().join("corpus/artifacts").join(name)).expect("the corpus")
}

/// A folder per name, with files and archives of that name.
fn tree(odd: bool) -> TempDir {
    let top = tempfile::tempdir().expect("a folder");
    for number in 0..ODD.len() {
        let name = name(odd, number);
        let folder = top.path().join(path(&[&name]));
        fs::create_dir(&folder).expect("a new folder");
        for (at, sample) in SAMPLE.iter().enumerate() {
            let suffix = Path::new(sample).extension().expect("a suffix");
            let suffix = suffix.as_encoded_bytes();
            let file = path(&[&name, format!("-{at}.").as_bytes(), suffix]);
            fs::write(folder.join(file), corpus(sample)).expect("a new file");
        }
        fs::write(
            folder.join("mlc-chat-config.json"),
            r#"{"prefill_chunk_size": 100000000}"#,
        )
        .expect("a new file");
        let app = json!({ "model_list": [{ "model_lib": "unknown" }] });
        fs::write(folder.join("mlc-app-config.json"), app.to_string()).expect("a new file");
        // mlc-llm names a model's folder after it.
        let weights = folder.join(path(&[&name, b"-MLC"]));
        fs::create_dir(&weights).expect("a new folder");
        fs::write(weights.join("ndarray-cache.json"), r#"{"records": []}"#).expect("a new file");
        fs::write(folder.join(path(&[&name, b".tar"])), tar(&name)).expect("a new file");
        fs::write(folder.join(path(&[&name, b".whl"])), zip(&name)).expect("a new file");
    }
    top
}

/// An archive with two members of one name in a folder of that name.
fn tar(name: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for sample in [SAMPLE[0], SAMPLE[7], SAMPLE[8], SAMPLE[10]] {
        let bytes = corpus(sample);
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let member = path(&[name, b"/", name, b".so"]);
        archive
            .append_data(&mut header, member, bytes.as_slice())
            .expect("a member");
    }
    archive.into_inner().expect("an archive")
}

/// An archive in an archive. The writer takes text alone: bytes that are none
/// are put in afterwards, in both places where the name stands.
fn zip(name: &[u8]) -> Vec<u8> {
    let text: String = name
        .iter()
        .map(|byte| {
            if byte.is_ascii() {
                char::from(*byte)
            } else {
                '#'
            }
        })
        .collect();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default();
    archive
        .start_file(format!("{text}.tar"), plain)
        .expect("a member");
    archive.write_all(&tar(name)).expect("written");
    let mut bytes = archive.finish().expect("an archive").into_inner();
    if text.as_bytes() != name {
        let wanted = [text.as_bytes(), b".tar"].concat();
        let new = [name, b".tar"].concat();
        let places: Vec<usize> = (0..bytes.len().saturating_sub(wanted.len()))
            .filter(|at| bytes[*at..].starts_with(&wanted))
            .collect();
        assert_eq!(places.len(), 2, "a header and an entry of the directory");
        for at in places {
            bytes[at..at + new.len()].copy_from_slice(&new);
        }
    }
    bytes
}

/// The report of a run in the tree, and its status.
fn report(tree: &TempDir, args: &[&str]) -> (Value, Option<i32>) {
    let output = artcheck()
        .current_dir(tree.path())
        .args(["scan", "--format", "json", "."])
        .args(args)
        .output()
        .expect("artcheck starts");
    let report = serde_json::from_slice(&output.stdout).expect("a report");
    (report, output.status.code())
}

/// The report with plain names, in an order that does not depend on names.
fn plain(report: &Value) -> Value {
    let mut report = plain_names(report);
    for list in ["artifacts", "verdicts", "findings", "runtimes"] {
        let list = report[list].as_array_mut().expect("a list");
        // An odd name is told apart from a member by the file beside it.
        for verdict in list.iter_mut().filter(|one| one["status"].is_string()) {
            let fields = verdict.as_object_mut().expect("one");
            *fields = std::mem::take(fields)
                .into_iter()
                .filter(|(key, _)| key != "file")
                .collect();
        }
        list.sort_by_key(Value::to_string);
    }
    report
}

fn plain_names(value: &Value) -> Value {
    let mut names = Vec::new();
    for (number, odd) in ODD.iter().enumerate() {
        let plain = String::from_utf8(name(false, number)).expect("text");
        for controls in [Controls::Escaped, Controls::Kept] {
            let mut text = String::new();
            spell(odd, controls, &mut text).expect("written");
            // As a part of a member's name.
            names.push((text.replace('!', "\\u{21}"), plain.clone()));
            names.push((text, plain.clone()));
        }
    }
    replaced(value, &names)
}

fn replaced(value: &Value, names: &[(String, String)]) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text.clone();
            for (odd, plain) in names {
                text = text.replace(odd, plain);
            }
            Value::String(text)
        }
        Value::Array(items) => items.iter().map(|item| replaced(item, names)).collect(),
        Value::Object(fields) => fields
            .iter()
            // They depend on the name, and on how a shell takes it.
            .filter(|(key, _)| !["fingerprint", "command"].contains(&key.as_str()))
            .map(|(key, item)| (key.clone(), replaced(item, names)))
            // In an order of its own.
            .collect::<BTreeMap<_, _>>()
            .into_iter()
            .collect(),
        other => other.clone(),
    }
}

#[test]
fn odd_names_get_the_report_of_plain_ones() {
    let (odd, even) = (tree(true), tree(false));
    for args in [
        &[][..],
        &["--runtime", "tvm-0.27"],
        &["--target", "x86_64-linux"],
    ] {
        let (odd, odd_status) = report(&odd, args);
        let (even, status) = report(&even, args);
        assert_eq!(odd_status, status, "{args:?}");
        let (odd, even) = (plain(&odd), plain(&even));
        for list in ["artifacts", "verdicts", "findings", "runtimes"] {
            let lists = odd[list].as_array().zip(even[list].as_array());
            let (odd, even) = lists.expect("lists");
            // Only the webgpu libraries would bring a runtime.
            assert!(!odd.is_empty() || list == "runtimes", "{list}");
            for (odd, even) in odd.iter().zip(even) {
                assert_eq!(odd, even, "{list} {args:?}");
            }
        }
        assert_eq!(odd, even, "{args:?}");
    }
}

#[test]
fn every_file_can_be_found_again_by_the_report() {
    let odd = tree(true);
    let (report, _) = report(&odd, &[]);
    let mut fingerprints = std::collections::BTreeSet::new();
    for finding in report["findings"].as_array().expect("findings") {
        let file = finding["file"].as_str().expect("a file");
        let bytes = artcheck_inspect::source::unspell(file);
        let file = odd.path().join(PathBuf::from(OsString::from_vec(bytes)));
        assert!(file.is_file(), "{file:?}");
        let fingerprint = finding["fingerprint"].as_str().expect("a fingerprint");
        assert!(fingerprints.insert(fingerprint.to_owned()), "{finding}");
    }
    assert!(fingerprints.len() > 100, "{}", fingerprints.len());
}

#[test]
fn no_name_ends_a_line_of_a_report() {
    let odd = tree(true);
    for format in ["human", "github", "markdown"] {
        let output = artcheck()
            .current_dir(odd.path())
            .args(["scan", ".", "--format", format])
            .output()
            .expect("artcheck starts");
        let text = String::from_utf8(output.stdout).expect("text");
        assert!(
            !text.lines().any(|line| line.starts_with("lines")),
            "{format}"
        );
        // Markdown is cut before it names them all.
        assert!(
            text.contains("two\\u{a}lines") || format == "markdown",
            "{format}"
        );
    }
}

#[test]
fn fix_and_scan_end_alike_wherever_the_file_lies() {
    let odd = tree(true);
    let even = tree(false);
    for number in 0..ODD.len() {
        let status = |tree: &TempDir, odd: bool, args: &[&str]| {
            let folder = Path::new(".").join(path(&[&name(odd, number)]));
            let run = artcheck()
                .current_dir(tree.path())
                .args(args)
                .arg(folder)
                .args(["--runtime", "tvm-0.27"])
                .output()
                .expect("artcheck starts");
            (run.status.code(), run.stdout.is_empty())
        };
        for command in ["fix", "scan"] {
            let plain = status(&even, false, &[command]);
            assert_eq!(status(&odd, true, &[command]), plain, "{command} {number}");
            assert_eq!(plain, (Some(1), false), "{command}");
        }
    }
}

#[test]
fn an_ignore_by_path_means_the_file_of_that_name() {
    let odd = tree(true);
    let policy = "[[ignore]]\nrule = 'AC303'\npath = 'a!b/*'\nreason = 'known'\n";
    fs::write(odd.path().join("artcheck.toml"), policy).expect("written");
    let (report, _) = report(&odd, &[]);
    let suppressed = report["suppressed"].as_array().expect("accepted ones");
    assert!(!suppressed.is_empty());
    assert!(suppressed.iter().all(|finding| {
        finding["file"]
            .as_str()
            .is_some_and(|file| file.starts_with("a!b/"))
    }));
}

#[test]
fn every_command_writes_whole_json_of_any_name() {
    let (odd, even) = (tree(true), tree(false));
    let written = |tree: &TempDir, odd: bool, number: usize, args: &[&str], twice: bool| {
        let name = name(odd, number);
        let sample = path(&[b"./", &name, b"/", &name, b"-0.so"]);
        let mut command = artcheck();
        command.current_dir(tree.path()).args(args).arg(&sample);
        if twice {
            command.arg(&sample);
        }
        let run = command.output().expect("artcheck starts");
        let value: Value = serde_json::from_slice(&run.stdout)
            .unwrap_or_else(|error| panic!("{args:?} of name {number}: {error}: {run:?}"));
        (run.status.code(), plain_names(&value))
    };
    let commands = [
        (
            &["fix", "--format", "json", "--runtime", "tvm-0.26"][..],
            false,
        ),
        (&["diff", "--format", "json"], true),
        (
            &["patch", "retag", "--format", "json", "--to", "tir"],
            false,
        ),
    ];
    for (args, twice) in commands {
        for number in 0..ODD.len() {
            let plain = written(&even, false, number, args, twice);
            assert_eq!(written(&odd, true, number, args, twice), plain, "{args:?}");
        }
    }
}

#[test]
fn a_report_is_written_to_a_file_of_any_name() {
    let tree = tree(true);
    for (number, name) in (0..).zip(ODD) {
        let file = path(&[b"report ", name, b".json"]);
        for output in [file.clone(), path(&[b"json=again ", name])] {
            let run = artcheck()
                .current_dir(tree.path())
                .args(["scan", "--quiet", "--output"])
                .arg(output)
                .arg(".")
                .output()
                .expect("artcheck starts");
            assert_eq!(run.status.code(), Some(1), "{number}: {run:?}");
        }
        for file in [file, path(&[b"again ", name])] {
            let text = fs::read(tree.path().join(file)).expect("a report");
            let _: Value = serde_json::from_slice(&text).expect("whole JSON");
        }
    }
}

#[test]
fn a_matrix_has_a_row_for_a_library_of_any_name_that_is_text() {
    for (number, name) in (0..).zip(ODD) {
        let tree = tempfile::tempdir().expect("a folder");
        let folder = tree.path().join(path(&[name]));
        fs::create_dir(&folder).expect("a new folder");
        fs::write(folder.join(path(&[name, b".so"])), corpus(SAMPLE[0])).expect("a file");
        let run = artcheck()
            .args(["init", "--verify"])
            .arg(&folder)
            .output()
            .expect("artcheck starts");
        let is_text = str::from_utf8(name).is_ok();
        assert_eq!(run.status.success(), is_text, "{number}: {run:?}");
    }
}

/// Two artifacts may have one text as their place: file and place are another pair, in
/// verdicts too, and stay so when reports are merged.
#[test]
fn a_member_and_a_file_of_its_name_are_told_apart() {
    let top = tempfile::tempdir().expect("a folder");
    let (breaks, fits) = (corpus(SAMPLE[7]), corpus("tvm-0.26/dense-cpu-x86_64.so"));
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default();
    archive.start_file("a.so", plain).expect("a member");
    archive.write_all(&breaks).expect("written");
    let bytes = archive.finish().expect("an archive").into_inner();
    fs::write(top.path().join("x.zip"), bytes).expect("written");
    fs::write(top.path().join("x.zip!a.so"), &fits).expect("written");
    let twins = [("b.so", &fits), ("b.so", &breaks), ("b.so (2)", &fits)];
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in twins {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        let added = archive.append_data(&mut header, name, bytes.as_slice());
        added.expect("a member");
    }
    let bytes = archive.into_inner().expect("an archive");
    fs::write(top.path().join("y.tar"), bytes).expect("written");
    let args = ["--runtime", "tvm-0.26", "--output", "json=report.json"];
    let (report, _) = report(&top, &args);
    let merged = artcheck()
        .current_dir(top.path())
        .args(["merge", "report.json", "report.json", "--format", "json"])
        .output()
        .expect("artcheck starts");
    let merged: Value = serde_json::from_slice(&merged.stdout).expect("a report");
    for report in [report, merged] {
        let mut told = std::collections::BTreeMap::new();
        for verdict in report["verdicts"].as_array().expect("verdicts") {
            let text = |field: &str| verdict[field].as_str().unwrap_or_default();
            let path = text("artifact").trim_start_matches("./");
            let key = (text("file").to_owned(), path.to_owned());
            let before = told.insert(key, text("status").to_owned());
            assert_eq!(before, None, "{verdict}");
        }
        let told = told.iter();
        let told: Vec<_> = told
            .map(|((file, path), status)| [file.as_str(), path, status])
            .collect();
        assert_eq!(
            told,
            [
                ["", "x.zip!a.so", "breaks"],
                ["", "y.tar!b.so", "fits"],
                ["", "y.tar!b.so (2)", "breaks"],
                // Its name has no suffix that TVM loads (AC002).
                ["", "y.tar!b.so \\u{28}2)", "breaks"],
                ["x.zip!a.so", "x.zip!a.so", "fits"],
            ]
        );
    }
}

/// What a folder is called does not reach the terminal of whoever starts a project in it.
#[test]
fn init_writes_names_out() {
    let top = tempfile::tempdir().expect("a folder");
    let folder = top.path().join("a\u{1b}[31mb\r\n\u{1}c");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("m.so"), corpus(SAMPLE[0])).expect("written");
    for args in [&["init"][..], &["init", "--verify"]] {
        // The second time it is there already.
        for status in [0, 2] {
            let output = artcheck().args(args).arg(&folder).output();
            let output = output.expect("artcheck starts");
            assert_eq!(output.status.code(), Some(status), "{args:?}");
            let text = String::from_utf8(output.stderr).expect("text");
            let acts = |c: char| c.is_control() && c != '\n';
            assert!(!text.contains(acts), "{text:?}");
            assert!(!text.contains("\n\u{1}"), "{text:?}");
            assert!(text.contains("\\u{1b}"), "{text:?}");
        }
    }
}

/// Paths of strangers are spelled where they are printed: nothing prints one as it is.
#[test]
fn no_command_prints_a_path_as_it_is() {
    for file in crate::support::files_below("src") {
        if file.extension().is_some_and(|suffix| suffix == "rs") {
            let text = fs::read_to_string(&file).expect("a source");
            assert!(!text.contains(".display()"), "{}", file.display());
        }
    }
}
