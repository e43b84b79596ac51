//! What is advised to users of the real wheels, against what those packages do when
//! they are installed (`tests/environments/results.jsonl`); and the messages of
//! runtimes against the wheels' own bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use artcheck_inspect::Outcome;
use artcheck_inspect::rules::{self, Subject};
use artcheck_inspect::runtime::messages;
use artcheck_inspect::{ScanOptions, scan};

/// Pairs of packages, and whether a model was run with them.
fn tried() -> BTreeMap<(String, String), bool> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/environments/results.jsonl");
    let text = fs::read_to_string(path).expect("the results are kept");
    let mut pairs = BTreeMap::new();
    for line in text.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        let name = line["name"].as_str().unwrap_or_default();
        let Some((tvm, ffi)) = name.split_once(' ') else {
            continue;
        };
        let (Some(tvm), Some(ffi)) = (
            tvm.strip_prefix("apache-tvm=="),
            ffi.strip_prefix("apache-tvm-ffi=="),
        ) else {
            continue;
        };
        let outcomes = line["outcomes"].as_array().expect("outcomes");
        let ran = outcomes.iter().all(|one| one["outcome"] == "ok");
        pairs.insert((tvm.to_owned(), ffi.to_owned()), ran);
    }
    pairs
}

/// `("apache-tvm-ffi", "0.1.12")` for every package and version that a text names.
fn named(text: &str, package: &str) -> Vec<String> {
    let behind = text.split(package).skip(1);
    let version = behind.map(|rest| {
        let rest = rest.trim_start_matches([' ', '=']);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
        rest[..end.unwrap_or(rest.len())].to_owned()
    });
    version
        .filter(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        .collect()
}

fn unpacked(start: &str, platform: &str) -> Vec<PathBuf> {
    let folder = crate::parts::root().join("unpacked");
    let entries = fs::read_dir(folder).expect("the wheels are unpacked");
    let mut found: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let numbered = name
                .strip_prefix(start)
                .and_then(|rest| rest.strip_suffix(platform));
            numbered.is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        })
        .collect();
    found.sort();
    found
}

/// An environment with the libraries and the metadata of two wheels.
fn install(wheels: [&Path; 2], into: &Path) {
    let _ = fs::remove_dir_all(into);
    for wheel in wheels {
        for entry in walkdir::WalkDir::new(wheel) {
            let entry = entry.expect("the wheel is unpacked");
            let name = entry.file_name().to_string_lossy();
            let is_part = name.contains("tvm_runtime") || name.contains("tvm_ffi.");
            let in_bundle = entry.path().to_string_lossy().contains(".dSYM");
            if !entry.file_type().is_file() || in_bundle || !(is_part || name == "METADATA") {
                continue;
            }
            let to = into.join(entry.path().strip_prefix(wheel).expect("below it"));
            fs::create_dir_all(to.parent().expect("a folder")).expect("a new folder");
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_version_that_is_advised_runs() {
    let tried = tried();
    let mut advised = 0;
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("advice");
    let site = folder.join("lib/python3.11/site-packages");
    for platform in [
        "linux-x86_64",
        "linux-aarch64",
        "macos-arm64",
        "windows-x64",
    ] {
        for tvm in unpacked("tvm-", platform) {
            for ffi in unpacked("tvm-ffi-", platform) {
                install([&tvm, &ffi], &site);
                for set in scan::runtimes_below(std::slice::from_ref(&folder)) {
                    let mut outcome = Outcome::default();
                    rules::ask(&Subject::LoadSet(&set), &mut outcome);
                    let own = set
                        .distributions
                        .iter()
                        .find(|one| one.name == "apache-tvm");
                    let own = own.expect("the environment has it").version.clone();
                    for finding in &outcome.findings {
                        let what = format!("{} {}: {}", tvm.display(), ffi.display(), finding.help);
                        let wheels = named(&finding.help, "apache-tvm ");
                        for version in named(&finding.help, "apache-tvm-ffi") {
                            let tvm = wheels.first().unwrap_or(&own).clone();
                            let pair = (tvm, version);
                            assert_eq!(tried.get(&pair), Some(&true), "{what}");
                            advised += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(advised > 0, "nothing was advised");
}

#[test]
fn every_wheel_that_a_library_needs_was_run() {
    let tried = tried();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts");
    let options = ScanOptions {
        paths: vec![corpus],
        ..ScanOptions::default()
    };
    let found = scan::scan(&options, &()).expect("threads");
    let mut advised = 0;
    for (artifact, verdicts) in found.artifacts.iter().zip(&found.verdicts) {
        let Some(needed) = scan::needs(artifact, verdicts) else {
            continue;
        };
        for version in named(&needed, "apache-tvm") {
            let mut pairs = tried.iter().filter(|((tvm, _), _)| *tvm == version);
            assert!(pairs.any(|(_, ran)| *ran), "{}: {needed}", artifact.path);
            advised += 1;
        }
    }
    assert!(advised > 20, "{advised}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn messages_are_in_the_libraries_that_print_them() {
    for (release, ffi) in crate::wheels::wheels() {
        for (platform, prefix, suffix) in [
            ("linux-x86_64", "lib", ".so"),
            ("linux-aarch64", "lib", ".so"),
            ("macos-arm64", "lib", ".dylib"),
            ("windows-x64", "", ".dll"),
        ] {
            let mut files = vec![
                format!("tvm-{release}-{platform}/tvm/lib/{prefix}tvm_runtime{suffix}"),
                format!("tvm-{release}-{platform}/tvm/lib/{prefix}tvm_runtime_extra{suffix}"),
                format!("tvm-ffi-{ffi}-{platform}/tvm_ffi/lib/{prefix}tvm_ffi{suffix}"),
            ];
            if platform == "linux-x86_64" {
                files.push(format!(
                    "tvm-{release}-{platform}/tvm/lib/libtvm_runtime_cuda.so"
                ));
            }
            let bytes: Vec<Vec<u8>> = files
                .iter()
                .map(|file| fs::read(crate::parts::unpacked(file)).expect("the part can be read"))
                .collect();
            let holds = |text: &str| {
                let mut files = bytes.iter();
                files.any(|bytes| memchr::memmem::find(bytes, text.as_bytes()).is_some())
            };
            let of = messages::all()
                .iter()
                .filter(|message| message.is_of(release));
            let is_here = |message: &&messages::Message| {
                message.place == "library"
                    || (message.place == "cuda" && platform == "linux-x86_64")
            };
            for message in of.filter(is_here) {
                for literal in message.literals() {
                    for piece in pieces(literal) {
                        assert!(
                            holds(piece),
                            "{release} {platform} {}: `{piece}`",
                            message.key
                        );
                    }
                }
            }
        }
    }
}

/// The parts of a text that a program puts together itself: names of errors, and what
/// a failed check adds, are printed around the text that is in the library.
fn pieces(literal: &str) -> Vec<&str> {
    let literal = literal.strip_prefix("InternalError: ").unwrap_or(literal);
    let literal = literal.strip_prefix("Check failed: ").unwrap_or(literal);
    let sections = [" header section.", " version section."];
    if let Some(section) = sections.iter().find(|section| literal.ends_with(**section)) {
        return vec![&literal[..literal.len() - section.len()], " section."];
    }
    // A prefix of names, which other code has as a text of its own.
    let literal = literal
        .strip_suffix(" ffi.Module.load_from_bytes.")
        .unwrap_or(literal);
    literal
        .split(['(', ')', '`', '{', '}'])
        .map(str::trim)
        .filter(|piece| piece.len() > 3)
        .flat_map(|piece| piece.split(". "))
        .collect()
}
