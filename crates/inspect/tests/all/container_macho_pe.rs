//! Mach-O and PE facts against LIEF and llvm-nm, on the real libraries.

use crate::parts;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use artcheck_inspect::container::{self, Binary, FileType, Parsed, Platform, Signature, identify};
use artcheck_inspect::rules;
use artcheck_inspect::scan::{ScanOptions, scan_bytes};
use serde_json::Value;

const MACHO: [&str; 6] = [
    "tvm-0.25-macos-arm64/tvm/lib/libtvm_runtime.dylib",
    "tvm-0.27-macos-arm64/tvm/lib/libtvm_runtime.dylib",
    "tvm-0.27-macos-arm64/tvm/lib/libtvm_runtime_extra.dylib",
    "tvm-0.27-macos-arm64/tvm/lib/libtvm_runtime_metal.dylib",
    "tvm-ffi-0.1.12-macos-arm64/tvm_ffi/lib/libtvm_ffi.dylib",
    "tvm-ffi-0.1.15.post2-macos-arm64/tvm_ffi/core.cpython-311-darwin.so",
];

const PE: [&str; 5] = [
    "tvm-0.25-windows-x64/tvm/lib/tvm_runtime.dll",
    "tvm-0.27-windows-x64/tvm/lib/tvm_runtime.dll",
    "tvm-0.27-windows-x64/tvm/lib/tvm_runtime_cuda.dll",
    "tvm-ffi-0.1.15.post2-windows-x64/tvm_ffi/lib/tvm_ffi.dll",
    "tvm-ffi-0.1.15.post2-windows-x64/tvm_ffi/core.cp311-win_amd64.pyd",
];

/// What is left of a DLL says what it was, however early it ends; Windows refuses it as
/// it refuses any damaged one (`tests/systems`).
#[test]
fn a_cut_image_is_a_damaged_image() {
    let path = "../../corpus/artifacts/tvm-0.27/extcall-cpu-windows-x64.dll";
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    let bytes = std::fs::read(path).expect("the corpus");
    for length in (2..600).chain([bytes.len() - 1]) {
        let cut = &bytes[..length];
        assert_eq!(identify(cut), FileType::Pe, "{length}");
        assert!(container::parse(cut).is_err(), "{length}");
    }
    let text = b"MZ: notes that are longer than a header, and no image at all, as every word says";
    assert_eq!(identify(text), FileType::Unknown);
}

fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} is needed by this test: {error}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {complaint}");
    String::from_utf8(output.stdout).expect("UTF-8 output")
}

/// What LIEF says of the files.
fn lief(files: &[&str]) -> Vec<(PathBuf, Value)> {
    let paths: Vec<PathBuf> = files.iter().map(|file| parts::unpacked(file)).collect();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/lief_facts.py");
    let python = parts::root().join("venv/tools/bin/python");
    let answer = output(Command::new(python).arg(script).args(&paths));
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    paths
        .into_iter()
        .map(|path| {
            let facts = answer[path.to_str().expect("UTF-8 path")].clone();
            assert!(facts.is_object(), "{}", path.display());
            (path, facts)
        })
        .collect()
}

fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().expect("a list");
    list.iter()
        .map(|item| item.as_str().expect("a string").to_owned())
        .collect()
}

fn needed(binary: &Binary, optional: bool) -> Vec<String> {
    let of_kind = binary.needed.iter().filter(|n| n.optional == optional);
    of_kind.map(|needed| needed.name.clone()).collect()
}

/// Every region is one of the sections LIEF lists, and none of the kinds that
/// may hold a blob or strings is missing.
fn check_regions(parsed: &Parsed<'_>, facts: &Value, wanted: &[&str], file: &str) {
    let sections: Vec<(String, u64, u64, u64)> = facts["sections"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|section| {
            let number = |index: usize| section[index].as_u64().expect("a number");
            let name = section[0].as_str().expect("a name").to_owned();
            (name, number(1), number(2), number(3))
        })
        .collect();
    for region in &parsed.regions {
        let range = region.file_ranges[0];
        let key = (
            region.name.clone(),
            region.address,
            range.file_offset,
            range.length,
        );
        assert!(sections.contains(&key), "{file}: {key:?}");
        assert_eq!(region.data.len() as u64, range.length);
    }
    for name in wanted {
        assert!(
            parsed.regions.iter().any(|region| region.name == *name),
            "{file}: {name}"
        );
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn mach_o_facts_equal_those_of_lief() {
    for (path, facts) in lief(&MACHO) {
        let bytes = std::fs::read(&path).expect("readable");
        let parsed = container::parse(&bytes).expect("a Mach-O file");
        let [parsed] = parsed.as_slice() else {
            panic!("one slice")
        };
        let binary = &parsed.binary;
        let file = path.display().to_string();
        assert_eq!(
            binary.identity.as_deref(),
            facts["identity"].as_str(),
            "{file}"
        );
        assert_eq!(needed(binary, false), strings(&facts["needed"]), "{file}");
        assert_eq!(binary.search_paths, strings(&facts["rpaths"]), "{file}");
        assert_eq!(facts["platform"], "MACOS", "{file}");
        assert_eq!(binary.platform, Platform::MacOs, "{file}");
        assert_eq!(binary.min_os.as_deref(), facts["minos"].as_str(), "{file}");
        assert_eq!(facts["signature"], "ad-hoc", "{file}");
        assert_eq!(binary.signature, Signature::AdHoc, "{file}");

        let expected: BTreeSet<(String, String)> = facts["undefined"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|pair| {
                let [name, library] = strings(pair).try_into().expect("a pair");
                (name, library)
            })
            .filter(|(name, _)| container::undefined_concerns_tvm(name.as_bytes()))
            .collect();
        let undefined: BTreeSet<(String, String)> = binary
            .undefined
            .iter()
            .map(|s| (s.name.clone(), s.library.clone().unwrap_or_default()))
            .collect();
        assert!(
            !undefined.is_empty() || file.contains("libtvm_ffi"),
            "{file}"
        );
        assert_eq!(undefined, expected, "{file}");
        check_regions(
            parsed,
            &facts,
            &["__TEXT,__cstring", "__TEXT,__const"],
            &file,
        );
    }
}

fn nm(file: &str, which: &str) -> BTreeSet<String> {
    let mut command = Command::new("llvm-nm");
    command.args(["--extern-only", which, "--format=just-symbols", file]);
    output(&mut command)
        .lines()
        .map(|line| line.strip_prefix('_').unwrap_or(line).to_owned())
        .collect()
}

/// The compiler library is where the export trie replaces the symbol table.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn mach_o_symbols_equal_those_of_llvm_nm() {
    let compiler = "tvm-0.27-macos-arm64/tvm/lib/libtvm_compiler.dylib";
    for file in MACHO.iter().chain([&compiler]) {
        let path = parts::unpacked(file);
        let bytes = std::fs::read(&path).expect("readable");
        let parsed = container::parse(&bytes).expect("a Mach-O file");
        let path = path.to_str().expect("UTF-8 path");
        let exported = nm(path, "--defined-only");
        let defined: BTreeSet<String> = parsed[0]
            .binary
            .defined
            .iter()
            .map(|symbol| symbol.name.clone())
            .collect();
        let concerning = |name: &&String| container::concerns_tvm(name.as_bytes());
        let expected: BTreeSet<String> = exported.iter().filter(concerning).cloned().collect();
        assert_eq!(defined, expected, "{file}");

        let names: Vec<&str> = exported.iter().map(String::as_str).take(3000).collect();
        let found = container::defines(&bytes, &names).expect("an export trie");
        assert!(found.iter().all(|found| *found), "{file}");
        let absent = ["TVMDeviceAPIGet", "TVMFFIFunctionCal", "", "_ZN3tvm"];
        let found = container::defines(&bytes, &absent).expect("an export trie");
        assert_eq!(found, [false; 4], "{file}");
        let mut visited = BTreeSet::new();
        container::each_export(&bytes, &mut |name| {
            visited.insert(String::from_utf8_lossy(name).into_owned());
            true
        })
        .expect("an export trie");
        assert_eq!(visited, exported, "{file}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn addresses_from_the_trie_and_the_symbol_table_agree() {
    // The compiler goes through the trie; its addresses against llvm-nm's.
    let path = parts::unpacked("tvm-0.27-macos-arm64/tvm/lib/libtvm_compiler.dylib");
    let bytes = std::fs::read(&path).expect("readable");
    let parsed = container::parse(&bytes).expect("a Mach-O file");
    let listing = output(
        Command::new("llvm-nm")
            .args(["--extern-only", "--defined-only"])
            .arg(&path),
    );
    let binary = &parsed[0].binary;
    for symbol in &binary.defined {
        let line = format!("{:016x} ", symbol.address);
        let suffix = format!(" _{}", symbol.name);
        assert!(
            listing
                .lines()
                .any(|l| l.starts_with(&line) && l.ends_with(&suffix)),
            "{}",
            symbol.name
        );
        assert!(symbol.region.is_some(), "{}", symbol.name);
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn pe_facts_equal_those_of_lief() {
    for (path, facts) in lief(&PE) {
        let bytes = std::fs::read(&path).expect("readable");
        let parsed = container::parse(&bytes).expect("a PE file");
        let [parsed] = parsed.as_slice() else {
            panic!("one image")
        };
        let binary = &parsed.binary;
        let file = path.display().to_string();
        assert_eq!(
            binary.identity.as_deref(),
            facts["identity"].as_str(),
            "{file}"
        );
        assert_eq!(needed(binary, false), strings(&facts["needed"]), "{file}");
        assert_eq!(needed(binary, true), strings(&facts["delayed"]), "{file}");

        let imports = facts["imports"].as_object().expect("a map");
        let expected: BTreeSet<(String, String)> = imports
            .iter()
            .flat_map(|(library, names)| {
                let names = strings(names).into_iter();
                names.map(|name| (library.clone(), name))
            })
            .filter(|(_, name)| container::undefined_concerns_tvm(name.as_bytes()))
            .collect();
        let undefined: BTreeSet<(String, String)> = binary
            .undefined
            .iter()
            .map(|s| (s.library.clone().expect("a DLL"), s.name.clone()))
            .collect();
        assert_eq!(undefined, expected, "{file}");

        let exports: Vec<(String, u64)> = facts["exports"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|pair| {
                let name = pair[0].as_str().expect("a name").to_owned();
                (name, pair[1].as_u64().expect("an address"))
            })
            .collect();
        let concerning: BTreeSet<(String, u64)> = exports
            .iter()
            .filter(|(name, _)| container::concerns_tvm(name.as_bytes()))
            .cloned()
            .collect();
        let defined: BTreeSet<(String, u64)> = binary
            .defined
            .iter()
            .map(|symbol| (symbol.name.clone(), symbol.address))
            .collect();
        assert_eq!(defined, concerning, "{file}");

        let names: Vec<&str> = exports.iter().map(|(name, _)| name.as_str()).collect();
        let found = container::defines(&bytes, &names).expect("exports");
        assert!(found.iter().all(|found| *found), "{file}");
        let absent = ["", "TVMFFIFunctionCal", "zzzz", "TVMDeviceAPIGet"];
        let found = container::defines(&bytes, &absent).expect("exports");
        assert_eq!(found, [false; 4], "{file}");
        check_regions(parsed, &facts, &[".text", ".rdata", ".data"], &file);
    }
}

/// A signed client with one byte of code changed: whose file it is decides whether
/// its pages are hashed.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn pages_of_a_client_are_hashed_unless_it_comes_with_a_runtime() {
    let path = "tvm-ffi-0.1.15.post2-macos-arm64/tvm_ffi/lib/libtvm_ffi_testing.dylib";
    let whole = std::fs::read(parts::unpacked(path)).expect("the part can be read");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let is_broken = |name: &str, bytes: &[u8]| {
        let scan = scan_bytes(name, bytes, &ScanOptions::default());
        scan.findings
            .iter()
            .any(|finding| finding.rule == rules::SIGNATURE)
    };
    assert!(is_broken("app/libclient.dylib", &changed));
    assert!(!is_broken("app/libclient.dylib", &whole));
    assert!(!is_broken("tvm_ffi/lib/libtvm_ffi_testing.dylib", &changed));
}
