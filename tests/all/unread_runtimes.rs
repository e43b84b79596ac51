//! A runtime that was named and not read, or not all of it: what is said of it.
#![cfg(unix)]

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use crate::support::make::{corpus, folder, library, put};
use crate::support::{artcheck, rules, scan, text};
use zip::write::SimpleFileOptions;

/// A part of a runtime under a name, half of it where it is cut.
fn part(folder: &Path, name: &str, is_cut: bool) -> PathBuf {
    let source = "int TVMFFITypeGetOrAllocIndex(void) { return 0; }\n\
        int TVMFFIFunctionSetGlobal(void) { return 0; }\n";
    let file = library(folder, name, source, &[]);
    if is_cut {
        let bytes = fs::read(&file).expect("written");
        put(folder, name, &bytes[..bytes.len() / 2]);
    }
    file
}

fn zipped(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive
        .start_file(name, SimpleFileOptions::default())
        .expect("a member");
    archive.write_all(bytes).expect("written to memory");
    archive.finish().expect("written to memory").into_inner()
}

/// What is said of a runtime that was named, by two commands.
fn said(runtime: &Path) -> String {
    let (shown, status) = text(artcheck().arg("runtime").arg(runtime));
    assert_eq!(status, 2, "{shown}");
    let model = corpus("tvm-0.27/extcall-cpu-macos-arm64.dylib");
    let mut scan = artcheck();
    scan.arg("scan").arg(model).arg("--runtime").arg(runtime);
    assert_eq!(text(&mut scan), (shown.clone(), 2));
    shown
}

#[test]
fn what_was_not_read_is_not_said_to_hold_no_runtime() {
    let here = folder();
    let cut = part(here.path(), "libtvm_runtime.so", true);
    let whole = fs::read(part(here.path(), "whole.so", false)).expect("written");
    fs::remove_file(here.path().join("whole.so")).expect("removed");
    for named in [&cut, here.path()] {
        let shown = said(named);
        assert!(shown.contains("not all of it was read"), "{shown}");
        assert!(shown.contains("libtvm_runtime.so: ELF file"), "{shown}");
        assert!(!shown.contains("under any name"), "{shown}");
    }
    let deep = (0..5).fold(whole, |bytes, depth| match depth {
        0 => zipped("libtvm_runtime.so", &bytes),
        _ => zipped("inner.zip", &bytes),
    });
    let deep = put(here.path(), "deep.zip", deep);
    let shown = said(&deep);
    assert!(shown.contains("archives are opened 4 deep"), "{shown}");
    // What was read and holds none is still said so.
    let other = put(here.path(), "other.so", "no library");
    fs::write(&other, fs::read("/bin/sh").expect("a program")).expect("written");
    assert!(said(&other).contains("under any name"));
}

#[test]
fn a_part_that_was_not_read_is_shown_beside_the_others() {
    let here = folder();
    part(here.path(), "libtvm_ffi.so", false);
    part(here.path(), "libtvm_runtime.so", true);
    let (shown, status) = text(artcheck().arg("runtime").arg(here.path()));
    assert_eq!(status, 0, "{shown}");
    let mut lines = shown.lines();
    let line = lines.find(|line| line.trim_start().starts_with("not read"));
    let line = line.unwrap_or_else(|| panic!("{shown}"));
    assert!(line.contains("libtvm_runtime.so: ELF file"), "{line}");
    assert!(line.contains("truncated"), "{line}");
}

#[test]
fn a_script_of_a_package_leads_to_its_folder() {
    let here = folder();
    let package = here.path().join("node_modules/@mlc-ai/web-llm");
    put(&package, "package.json", "{}");
    let script = put(package.join("lib"), "index.js", "export {};\n");
    let shown = said(&script);
    assert!(shown.contains("name the package's folder"), "{shown}");
    assert!(shown.contains(package.to_str().expect("text")), "{shown}");
}

/// pip refuses all of a wheel that holds one file with a wrong checksum.
#[test]
fn a_wheel_with_one_damaged_source_is_unreadable() {
    let here = folder();
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    let sources = ["kernel/__init__.py", "kernel/other.py"];
    for name in sources {
        archive.start_file(name, options).expect("a member");
        let source = format!("\"\"\"{name}\"\"\"\n{}", "import os\nx = 1\n".repeat(20));
        archive.write_all(source.as_bytes()).expect("written");
    }
    let client = library(
        here.path(),
        "_kernel.so",
        "void TVMFFIErrorSetRaisedFromCStr(const char *, const char *);\n\
         void call(void) { TVMFFIErrorSetRaisedFromCStr(\"a\", \"b\"); }\n",
        &[],
    );
    archive
        .start_file("kernel/_kernel.so", options)
        .expect("a member");
    let client_bytes = fs::read(&client).expect("written");
    archive.write_all(&client_bytes).expect("written");
    fs::remove_file(client).expect("removed");
    let mut bytes = archive.finish().expect("written").into_inner();
    let name = "kernel-1.0-cp311-cp311-linux_x86_64.whl";
    let wheel = put(here.path(), name, &bytes);
    let (report, _) = scan([&wheel]);
    assert!(!rules(&report, &["error"]).contains(&"AC001".to_owned()));
    // The checksum that the list at the end states.
    let entry = bytes.windows(4).position(|four| four == b"PK\x01\x02");
    bytes[entry.expect("an entry") + 16] ^= 1;
    put(here.path(), name, &bytes);
    let (report, status) = scan([&wheel]);
    assert_eq!(status, 1, "{report:#}");
    assert_eq!(rules(&report, &["error"]), ["AC001"], "{report:#}");
    let finding = report["findings"].to_string();
    assert!(finding.contains("kernel/__init__.py"), "{finding}");
    assert!(finding.contains("pip refuses the whole wheel"), "{finding}");
}
