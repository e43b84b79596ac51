//! Hostile names in every place of a library and its surroundings, and every
//! format of every command: nothing acts on a terminal, forges a line, gives a
//! build service a command, or breaks a document.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use artcheck_inspect::shown::shown;
use serde_json::Value;

use crate::support::make::{corpus, folder, put, renamed};
use crate::support::{artcheck, told_by_python};

/// A library that calls a function no runtime has, and the name of it.
const CALLS: &str = "synthetic/dense-ext-0.26-missing-function-cpu-x86_64.so";
/// Names of a function, to be filled up with letters.
const NAMES: [&str; 6] = [
    "x`\n::error title=pwn::forged\n  fits    tvm-0.27",
    "vm.\u{1b}[2J\u{1b}[31m\u{fffe}\u{7}fit\r\n",
    "\u{202e}gnp.\u{2066}\u{9b}31m\u{ffff}",
    "##[error]a##vso[task.complete]",
    "<img src=x>|`**b**`[l](u)]]>&",
    "\u{61c}\u{2028}\u{85}\u{b}\u{7f}%0A",
];

/// The one that the library calls.
const CALLED: &str = "vm.builtin.attention_kv_cache_attention_with_fused_qkv_v9";

fn with_names(name: &str) -> Vec<u8> {
    let bytes = std::fs::read(corpus(CALLS)).expect("the corpus");
    let new = format!("{name}{}", "x".repeat(CALLED.len() - name.len()));
    let bytes = renamed(bytes, CALLED.as_bytes(), new.as_bytes());
    // Metadata escape what they like.
    let model = "\"model_type\": \"qwen3\"";
    renamed(bytes, model.as_bytes(), b"\"model_type\":\"\\u202e\"")
}

/// A folder of libraries with such names, each under a hostile file name, one
/// of them in an archive.
fn tree() -> tempfile::TempDir {
    let folder = folder();
    for (number, name) in NAMES.iter().enumerate() {
        let bytes = with_names(name);
        put(&folder, &format!("plain{number}.so"), &bytes);
        if cfg!(unix) {
            let name = name.replace('/', "");
            put(&folder, &format!("{name}.so"), &bytes);
            put(&folder, &format!("::warning::{number}.so"), &bytes);
        }
    }
    folder
}

/// What a command writes into a pipe, as text.
fn text(folder: &Path, args: &[&str]) -> String {
    let output = artcheck().current_dir(folder).args(args).output();
    let output = output.expect("artcheck starts");
    let words = String::from_utf8(output.stderr).expect("text");
    assert_fit(&format!("{args:?} on standard error"), &words);
    String::from_utf8(output.stdout).expect("text")
}

/// No line of it acts.
fn assert_fit(what: &str, text: &str) {
    for line in text.lines() {
        assert_eq!(shown(line), line, "{what}");
    }
    assert!(!text.contains('\r'), "{what}");
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.into_string().expect("text"))
        .collect()
}

#[test]
fn no_format_of_a_report_lets_a_name_act() {
    let tree = tree();
    for format in ["human", "markdown", "html", "junit"] {
        let args = [".", "--runtime", "tvm-0.26", "--format", format];
        let out = text(tree.path(), &[&["scan", "--verbose"], &args[..]].concat());
        assert_fit(format, &out);
        assert!(out.contains("\\u{1b}[2J"), "{format} shows the name: {out}");
        let is_markup = ["html", "junit"].contains(&format);
        assert!(!(is_markup && out.contains("<img")), "{format}");
    }
    // Names of files that are given themselves stand at the start of a line.
    let files = files(tree.path());
    let files: Vec<String> = files
        .iter()
        .filter(|file| !file.starts_with('-'))
        .cloned()
        .collect();
    let mut args = vec!["scan", "--runtime", "tvm-0.26"];
    args.extend(files.iter().map(String::as_str));
    assert_fit("human", &text(tree.path(), &args));
    args[0] = "matrix";
    assert_fit("matrix", &text(tree.path(), &args));
}

/// Each line of annotations is one of ours, and what it quotes is data.
#[test]
fn annotations_are_ours_alone() {
    let tree = tree();
    let out = text(
        tree.path(),
        &["scan", ".", "--runtime", "tvm-0.26", "--format", "github"],
    );
    assert!(out.lines().count() >= NAMES.len());
    for line in out.lines() {
        let rest = line
            .strip_prefix("::error file=")
            .or(line.strip_prefix("::warning file="));
        assert!(
            rest.is_some_and(|rest| rest.contains(",title=AC")),
            "{line}"
        );
        assert_eq!(shown(&line[2..]), line[2..]);
    }
}

#[test]
fn json_and_sarif_say_what_the_others_say() {
    let tree = tree();
    for format in ["json", "sarif"] {
        let args = ["scan", ".", "--runtime", "tvm-0.26", "--format", format];
        let document: Value = serde_json::from_str(&text(tree.path(), &args)).expect("JSON");
        assert_texts(&document);
    }
}

/// Every text of a document but the paths that programs open.
fn assert_texts(value: &Value) {
    match value {
        Value::String(text) => assert_fit("JSON", text),
        Value::Array(items) => items.iter().for_each(assert_texts),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "file");
            fields.for_each(|(_, value)| assert_texts(value));
        }
        _ => {}
    }
}

/// A report that another wrote is no more to be trusted than a library.
#[test]
fn merge_shows_no_more_than_scan() {
    let tree = tree();
    let report = text(
        tree.path(),
        &[
            "scan",
            "plain0.so",
            "--runtime",
            "tvm-0.26",
            "--format",
            "json",
        ],
    );
    let forged = report.replace("\\\\u{a}", "\\n");
    assert_ne!(report, forged);
    put(&tree, "forged.json", forged);
    let out = text(tree.path(), &["merge", "forged.json"]);
    assert!(out.contains("\\u{a}::error title"), "{out}");
    assert_fit("merge", &out);
}

#[test]
fn dump_and_diff_show_names_as_reports_do() {
    let tree = tree();
    let mut files = files(tree.path());
    files.retain(|file| !file.starts_with('-'));
    for file in &files {
        let page = text(tree.path(), &["dump", file]);
        assert_fit("dump", &page);
        for what in ["--asm", "--stats", "--symbols", "--metadata"] {
            assert_fit(what, &text(tree.path(), &["dump", what, file]));
        }
        let json = text(tree.path(), &["dump", file, "--format", "json"]);
        assert_fit("dump as JSON", &json);
        serde_json::from_str::<Value>(&json).expect("JSON");
        assert_fit("diff", &text(tree.path(), &["diff", "plain0.so", file]));
    }
}

/// Exact in a file and with `--raw`, where TVM's own listing is compared.
#[test]
fn listings_are_exact_where_it_is_asked_for() {
    let tree = tree();
    let listing: PathBuf = tree.path().join("listing");
    let args = ["dump", "--asm", "plain0.so"];
    let status = artcheck()
        .current_dir(tree.path())
        .args(args)
        .stdout(Stdio::from(
            std::fs::File::create(&listing).expect("a file"),
        ))
        .status();
    assert!(status.expect("artcheck starts").success());
    let exact = std::fs::read_to_string(listing).expect("text");
    assert!(exact.contains("@x`\n::error title=pwn::forged\n  fits"));
    assert_eq!(
        text(tree.path(), &["dump", "--asm", "--raw", "plain0.so"]),
        exact
    );
    let piped = text(tree.path(), &args);
    assert!(piped.contains("@x`\\u{a}::error title=pwn::forged\\u{a}  fits"));
    assert!(piped.lines().count() < exact.lines().count());
}

/// XML as Python's own parser reads it.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn junit_is_well_formed_for_any_name() {
    let tree = tree();
    let report = text(
        tree.path(),
        &["scan", ".", "--runtime", "tvm-0.26", "--format", "junit"],
    );
    let file = put(&tree, "report.xml", report);
    let script = "import json, sys, xml.etree.ElementTree as tree
print(json.dumps(len(tree.parse(sys.argv[1]).getroot().findall('.//failure'))))";
    let failures = told_by_python(script, &file).as_u64().expect("a count");
    assert!(failures >= NAMES.len() as u64);
}
