//! What reports give to type holds for the file that they are about, and nothing that is
//! written replaces what another wrote.

use std::path::Path;

use crate::support::{artcheck, root, scan, text, venv};

const TIR: &str = "corpus/artifacts/synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so";
const UNIVERSAL: &str = "corpus/artifacts/synthetic/extcall-0.27-universal.dylib";

#[test]
fn every_format_names_the_file_in_what_to_type() {
    for format in ["human", "markdown", "github", "junit", "sarif", "html"] {
        let mut program = artcheck();
        program.args(["scan", TIR, "--runtime", "tvm-0.26", "--format", format]);
        let (report, code) = text(&mut program);
        assert_eq!(code, 1, "{format}: {report}");
        // The rules' pages, which SARIF has first, are of no one file.
        let report = match report.split_once("\"results\"") {
            Some((_, results)) => results.to_owned(),
            None => report,
        };
        let words: Vec<&str> = report.split([' ', '`', '\n']).collect();
        assert!(!words.contains(&"FILE"), "{format}: {report}");
        let name = TIR.rsplit('/').next().expect("a name");
        assert!(report.contains(name), "{format}: {report}");
    }
}

#[test]
fn of_a_universal_file_the_loader_takes_the_slice_for_its_processor() {
    for target in ["aarch64-macos", "x86_64-macos"] {
        let (report, code) = scan([Path::new(UNIVERSAL), "--target".as_ref(), target.as_ref()]);
        let findings = report["findings"].as_array().expect("a list");
        let of_platform: Vec<_> = findings
            .iter()
            .filter(|one| one["rule"] == "AC002")
            .collect();
        assert_eq!(of_platform.len(), 1, "{target}: {findings:#?}");
        assert_eq!(of_platform[0]["severity"], "info", "{target}");
        assert_eq!(code, 0, "{target}: {findings:#?}");
    }
    let (_, code) = scan([
        Path::new(UNIVERSAL),
        "--target".as_ref(),
        "aarch64-linux".as_ref(),
    ]);
    assert_eq!(code, 1, "no slice is for it");
}

#[test]
fn an_absolute_path_outside_is_an_absolute_uri() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.so");
    std::fs::copy(root().join(TIR), &file).expect("copied");
    let mut program = artcheck();
    program.arg("scan").arg(&file);
    program.args(["--runtime", "tvm-0.26", "--format", "sarif"]);
    let (report, _) = text(&mut program);
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let location = &report["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    let place = &location["artifactLocation"];
    let uri = place["uri"].as_str().expect("a URI");
    assert!(uri.starts_with("file:///"), "{uri}");
    assert!(place["uriBaseId"].is_null(), "{place}");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_shim_replaces_no_source_of_another() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = folder.path().join("keep.device_c_api.cc");
    std::fs::write(&own, "// my own notes\n").expect("written");
    let build = || {
        let mut program = artcheck();
        program.args(["patch", "shim", "--part", "device-api", "--runtime"]);
        program.arg(venv("tvm-0.27")).arg("--out");
        program.arg(folder.path().join("keep.so"));
        program.output().expect("artcheck starts")
    };
    let refused = build();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    let kept = std::fs::read_to_string(&own).expect("read");
    assert_eq!(kept, "// my own notes\n");
    // Its own is replaced.
    std::fs::remove_file(&own).expect("removed");
    for _ in 0..2 {
        let built = build();
        assert_eq!(built.status.code(), Some(0), "{built:?}");
    }
}

/// The parts of a runtime in two folders are one runtime, for `fix` too.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_parts_of_a_runtime_may_be_in_two_places() {
    let site = venv("tvm-0.26").join("lib/python3.11/site-packages");
    let mut program = artcheck();
    program.args(["fix", TIR]);
    for part in ["tvm", "tvm_ffi"] {
        program.arg("--runtime").arg(site.join(part));
    }
    let (plan, code) = text(&mut program);
    assert_eq!(code, 1, "{plan}");
    assert!(plan.contains("add --apply"), "{plan}");
    let mut program = artcheck();
    program.args(["fix", TIR, "--runtime", "tvm-0.26", "--runtime", "tvm-0.27"]);
    let (_, code) = text(&mut program);
    assert_eq!(code, 2, "two releases are not one runtime");
}
