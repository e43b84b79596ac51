//! Metal without a Mac: the libraries of the macOS wheels are read, not run,
//! and must offer everything that a row on Metal needs.
//!
//! What this shows: names and linkage. What it cannot show: that the kernels
//! compute the right numbers on Apple hardware.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use artcheck_verify::needs;
use memchr::memmem;
use object::read::macho::MachOFile64;
use object::{Endianness, NameOrOrdinal, Object};

use crate::common::{part, root, wheels};

/// The four libraries that a row on Metal loads, in order.
fn libraries(tvm: &str, ffi: &str) -> [Vec<u8>; 4] {
    let tvm = part(&format!("unpacked/tvm-{tvm}-macos-arm64/tvm/lib"));
    let ffi = part(&format!("unpacked/tvm-ffi-{ffi}-macos-arm64/tvm_ffi/lib"));
    let read =
        |path: PathBuf| fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    [
        read(ffi.join("libtvm_ffi.dylib")),
        read(tvm.join("libtvm_runtime.dylib")),
        read(tvm.join("libtvm_runtime_extra.dylib")),
        read(tvm.join("libtvm_runtime_metal.dylib")),
    ]
}

fn parsed(bytes: &[u8]) -> MachOFile64<'_, Endianness> {
    MachOFile64::parse(bytes).unwrap()
}

/// Mach-O knows names only.
fn plain(name: NameOrOrdinal<&[u8]>) -> Vec<u8> {
    match name {
        NameOrOrdinal::Name(name) => name.to_vec(),
        NameOrOrdinal::Ordinal(number) => panic!("ordinal {number} in a Mach-O file"),
    }
}

fn exports(bytes: &[u8]) -> BTreeSet<Vec<u8>> {
    let file = parsed(bytes);
    let exports = file.exports().unwrap();
    exports.map(|e| plain(e.unwrap().name())).collect()
}

/// True if a library holds the name as a whole string, as every registered
/// name is held.
fn holds(libraries: &[Vec<u8>], name: &str) -> bool {
    let framed = [b"\0", name.as_bytes(), b"\0"].concat();
    libraries.iter().any(|l| memmem::find(l, &framed).is_some())
}

/// Names in a listing's `@name packed_func;` lines: what the VM looks up in the
/// registry or in the library.
fn called(listing: &str) -> Vec<String> {
    listing
        .lines()
        .filter_map(|line| line.strip_prefix('@')?.strip_suffix(" packed_func;"))
        .filter(|name| name.starts_with("vm.") || name.starts_with("tvm."))
        .map(str::to_owned)
        .collect()
}

/// TVM's own listing of a library: beside it, or where its record points when
/// two libraries have the same.
fn listing(library: &Path) -> String {
    let beside = |suffix: &str| PathBuf::from(format!("{}{suffix}", library.display()));
    let record = fs::read_to_string(beside(".oracle.json")).unwrap();
    let record: serde_json::Value = serde_json::from_str(&record).unwrap();
    let path = match record["as_text"].as_str() {
        Some(other) => root().join("corpus/artifacts").join(other),
        None => beside(".as_text"),
    };
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_c_symbol_is_exported() {
    for (tvm, ffi) in wheels() {
        let exports = exports(&libraries(tvm, ffi)[0]);
        for symbol in needs::c_symbols() {
            // Mach-O puts an underscore before C names.
            let name = format!("_{symbol}").into_bytes();
            assert!(exports.contains(&name), "{tvm}: no {symbol}");
        }
        assert!(!exports.contains(&b"_TVMFFINoSuchFunction"[..]));
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn every_registered_function_is_there() {
    let names = needs::registered("metal".parse().unwrap());
    assert!(names.iter().any(|n| n == "device_api.metal"));
    for (tvm, ffi) in wheels() {
        let libraries = libraries(tvm, ffi);
        for name in &names {
            assert!(holds(&libraries, name), "{tvm}: no {name}");
        }
        assert!(!holds(&libraries, "vm.builtin.no_such_function"));
        let loader = "ffi.Module.load_from_bytes.metal";
        assert!(
            !holds(&libraries[..3], loader),
            "only the part for Metal has it"
        );
    }
}

/// The same list is asked of the Linux libraries, on which rows do run: if it
/// lacked something or named too much, this would be the place to see it.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_list_is_the_one_that_holds_on_linux() {
    for (tvm, ffi) in wheels() {
        let tvm_lib = part(&format!("unpacked/tvm-{tvm}-linux-x86_64/tvm/lib"));
        let ffi_lib = part(&format!("unpacked/tvm-ffi-{ffi}-linux-x86_64/tvm_ffi/lib"));
        let libraries: Vec<Vec<u8>> = [
            ffi_lib.join("libtvm_ffi.so"),
            tvm_lib.join("libtvm_runtime.so"),
            tvm_lib.join("libtvm_runtime_extra.so"),
            tvm_lib.join("libtvm_runtime_cuda.so"),
        ]
        .iter()
        .map(|path| fs::read(path).unwrap())
        .collect();
        for name in needs::registered("cuda".parse().unwrap()) {
            assert!(holds(&libraries, &name), "{tvm}: no {name}");
        }
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_models_call_nothing_that_is_not_there() {
    let mut seen = 0;
    for (tvm, ffi) in wheels() {
        let libraries = libraries(tvm, ffi);
        let folder = root().join(format!("corpus/artifacts/tvm-{tvm}"));
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if !name.ends_with("metal-macos-arm64.dylib") {
                continue;
            }
            let calls = called(&listing(&path));
            assert!(!calls.is_empty(), "{name} calls nothing");
            for call in calls {
                assert!(holds(&libraries, &call), "{tvm}: {name} calls {call}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 4, "only {seen} Metal libraries in the corpus");
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn the_parts_link_against_each_other() {
    for (tvm, ffi) in wheels() {
        let libraries = libraries(tvm, ffi);
        let offered: BTreeSet<Vec<u8>> = libraries.iter().flat_map(|l| exports(l)).collect();
        for library in &libraries {
            let file = parsed(library);
            for import in file.imports().unwrap() {
                let import = import.unwrap();
                let from = String::from_utf8_lossy(import.library()).into_owned();
                if !from.contains("libtvm") {
                    continue;
                }
                // Libraries find each other by these names: beside each other,
                // or because one of this name is open already.
                let relative = ["@rpath/libtvm_", "@loader_path/libtvm_"];
                assert!(
                    relative.iter().any(|r| from.starts_with(r)),
                    "{tvm}: {from}"
                );
                let name = plain(import.name());
                let text = String::from_utf8_lossy(&name);
                assert!(offered.contains(&name), "{tvm}: nobody offers {text}");
            }
        }
    }
}
