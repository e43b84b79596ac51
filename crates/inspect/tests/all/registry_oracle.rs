//! TVM itself as the oracle: the names a running registry lists, and what the
//! dynamic linker says of a broken pair, against what is read statically.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use artcheck_inspect::container;
use artcheck_inspect::runtime::binary::Registered;
use artcheck_inspect::runtime::{Fact, RuntimeProfile, binary, release};
use artcheck_inspect::runtime::{PartKind, classify};

/// Loads libtvm_ffi, then the named libraries of the tvm package, and prints
/// the registry's names.
const LIST: &str = "
import ctypes, os, sys
import tvm_ffi
site = os.path.dirname(os.path.dirname(tvm_ffi.__file__))
for name in sys.argv[1:]:
    ctypes.CDLL(os.path.join(site, 'tvm', 'lib', name), ctypes.RTLD_GLOBAL)
for name in tvm_ffi.registry.list_global_func_names():
    print(name)
";

const LIBRARIES: [&str; 2] = ["libtvm_runtime.so", "libtvm_runtime_extra.so"];

fn python(venv: &str, script: &str, arguments: &[&str]) -> std::process::Output {
    let program = crate::parts::root()
        .join("venv")
        .join(venv)
        .join("bin/python");
    Command::new(&program)
        .arg("-c")
        .arg(script)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| {
            panic!("{}: {error}: run python3 tools/parts.py", program.display())
        })
}

/// What the libraries of an environment accept and offer, by static reading.
fn read(venv: &str) -> RuntimeProfile {
    let site = crate::parts::site_packages(venv);
    let mut files: Vec<PathBuf> = vec![site.join("tvm_ffi/lib/libtvm_ffi.so")];
    files.extend(LIBRARIES.iter().map(|name| site.join("tvm/lib").join(name)));
    read_files(venv, &files)
}

fn read_files(what: &str, files: &[PathBuf]) -> RuntimeProfile {
    let mut parts = Vec::new();
    for file in files {
        let bytes = fs::read(file).expect("the library can be read");
        let parsed = container::parse(&bytes).expect("a library").remove(0);
        let name = file.to_string_lossy();
        let kind = classify(&parsed.binary, &name).expect("a runtime part");
        parts.push((
            kind.clone(),
            binary::read(&name, &kind, &parsed, &[], Registered::Followed),
        ));
    }
    let parts: Vec<_> = parts
        .iter()
        .map(|(kind, profile)| (PartKind::clone(kind), profile))
        .collect();
    binary::merge(what, &parts)
}

fn names(fact: &Fact<BTreeSet<String>>) -> BTreeSet<String> {
    fact.value.clone().expect("the fact is read")
}

/// The listed names without those that libtvm_ffi_testing registers, which the
/// Python package loads.
fn without_tests(names: &str) -> BTreeSet<String> {
    names
        .lines()
        .filter(|name| !name.starts_with("testing."))
        .map(str::to_owned)
        .collect()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_names_that_are_registered_are_those_read() {
    for (release, _) in crate::wheels::wheels() {
        let venv = &format!("tvm-{release}");
        let output = python(venv, LIST, &LIBRARIES);
        assert!(
            output.status.success(),
            "{venv}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let listed = without_tests(&String::from_utf8_lossy(&output.stdout));
        assert!(listed.len() > 200, "{venv}: {} names", listed.len());
        reads_exactly(venv, &read(venv), &listed);
    }
}

fn reads_exactly(what: &str, profile: &RuntimeProfile, listed: &BTreeSet<String>) {
    // Loaders are registered functions; the bare prefix is none.
    let loaders: BTreeSet<String> = listed
        .iter()
        .filter_map(|name| name.strip_prefix("ffi.Module.load_from_bytes."))
        .map(str::to_owned)
        .collect();
    assert_eq!(names(&profile.module_loaders), loaders, "{what}");
    assert_eq!(names(&profile.functions), *listed, "{what}");
    assert!(profile.possible_functions.is_empty(), "{what}");
    assert!(profile.lists_every_function(), "{what}");
}

/// The wheels for AArch64, whose registry is listed in an emulator (tools/aarch64-needs).
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_names_that_aarch64_libraries_register_are_those_read() {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/all/registry.c");
    let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("registry-aarch64");
    let status = Command::new("aarch64-linux-gnu-gcc")
        .args(["-Wall", "-Werror", "-o"])
        .args([&program, &source])
        .arg("-ldl")
        .status()
        .expect("run tools/aarch64-needs");
    assert!(status.success());
    for (release, ffi) in crate::wheels::wheels() {
        let ffi = format!("tvm-ffi-{ffi}-linux-aarch64/tvm_ffi/lib/libtvm_ffi.so");
        let mut files = vec![crate::parts::unpacked(&ffi)];
        for name in LIBRARIES {
            files.push(crate::parts::unpacked(&format!(
                "tvm-{release}-linux-aarch64/tvm/lib/{name}"
            )));
        }
        let folders: Vec<String> = files
            .iter()
            .filter_map(|file| Some(file.parent()?.display().to_string()))
            .collect();
        let output = Command::new("qemu-aarch64")
            .args(["-L", "/usr/aarch64-linux-gnu", "-E"])
            .arg(format!("LD_LIBRARY_PATH={}", folders.join(":")))
            .arg(&program)
            .args(&files)
            .output()
            .expect("run tools/aarch64-needs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{release}: {errors}");
        let listed = without_tests(&String::from_utf8_lossy(&output.stdout));
        assert!(listed.len() > 200, "{release}: {} names", listed.len());
        reads_exactly(release, &read_files(release, &files), &listed);
    }
}

/// Loads a library with every slot ever known, as a model library has them,
/// and prints those that are not null afterwards.
const FILL: &str = "
import ctypes, os, sys
import tvm_ffi
site = os.path.dirname(os.path.dirname(tvm_ffi.__file__))
ctypes.CDLL(os.path.join(site, 'tvm', 'lib', 'libtvm_runtime.so'), ctypes.RTLD_GLOBAL)
module = tvm_ffi.load_module(sys.argv[1])
library = ctypes.CDLL(sys.argv[1])
for name in sys.argv[2:]:
    if ctypes.c_void_p.in_dll(library, name).value:
        print(name)
";

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_slots_that_a_runtime_fills_are_those_read() {
    let mut known: BTreeSet<String> = release::releases()
        .iter()
        .flat_map(|release| names(&release.context_slots))
        .collect();
    assert!(known.len() > 8, "{known:?}");
    known.insert("__TVMFFINobodyFillsThis".to_owned());
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (source, library) = (folder.join("slots.c"), folder.join("slots.so"));
    let lines: Vec<String> = known
        .iter()
        .map(|name| format!("void *{name} = 0;"))
        .collect();
    fs::write(&source, lines.join("\n")).expect("a new file");
    let status = Command::new("gcc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .expect("gcc is needed by this test");
    assert!(status.success());
    for (release, _) in crate::wheels::wheels() {
        let venv = &format!("tvm-{release}");
        let mut arguments = vec![library.to_str().expect("a plain path")];
        arguments.extend(known.iter().map(String::as_str));
        let output = python(venv, FILL, &arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{venv}: {said}");
        let filled: BTreeSet<String> = String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect();
        assert_eq!(names(&read(venv).context_slots), filled, "{venv}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_dynamic_linker_names_the_symbol_of_the_broken_pair() {
    let output = python("tvm-0.25-newest-ffi", LIST, &LIBRARIES[..1]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("_ZN3tvm3ffi4json9StringifyERKNS0_3AnyENS0_8OptionalIivEE"),
        "{said}"
    );
}
