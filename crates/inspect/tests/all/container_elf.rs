//! ELF facts against llvm-nm and readelf, on the real libraries.

use crate::parts;
use std::collections::BTreeSet;
use std::process::Command;

use artcheck_inspect::container::{self, DamageKind};

const LIBRARIES: [&str; 8] = [
    "tvm-0.25-linux-x86_64/tvm/lib/libtvm_runtime.so",
    "tvm-0.26-linux-x86_64/tvm/lib/libtvm_runtime.so",
    "tvm-0.27-linux-x86_64/tvm/lib/libtvm_compiler.so",
    "tvm-0.27-linux-aarch64/tvm/lib/libtvm_runtime_cuda.so",
    "tvm-0.27-linux-aarch64/tvm/lib/libtvm_compiler.so",
    "tvm-ffi-0.1.12-linux-x86_64/tvm_ffi/lib/libtvm_ffi.so",
    "tvm-ffi-0.1.15.post2-linux-aarch64/tvm_ffi/lib/libtvm_ffi.so",
    "tvm-ffi-0.1.15.post2-linux-x86_64/tvm_ffi/core.cpython-311-x86_64-linux-gnu.so",
];

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .output()
        .unwrap_or_else(|error| panic!("{program} is needed by this test: {error}"));
    assert!(output.status.success(), "{program} {args:?} failed");
    String::from_utf8(output.stdout).expect("UTF-8 output")
}

/// Names by `llvm-nm -D`, symbol versions cut off.
fn nm(file: &str, which: &str) -> BTreeSet<String> {
    run("llvm-nm", &["-D", which, "--format=just-symbols", file])
        .lines()
        .map(|line| line.split('@').next().unwrap_or(line).to_owned())
        .collect()
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn undefined_and_defined_symbols_equal_those_of_llvm_nm() {
    for library in LIBRARIES {
        let path = parts::unpacked(library);
        let bytes = std::fs::read(&path).expect("readable");
        let parsed = container::parse(&bytes).expect(library);
        let binary = &parsed[0].binary;
        let path = path.to_str().expect("UTF-8 path");

        let undefined: BTreeSet<String> = binary.undefined.iter().map(|s| s.name.clone()).collect();
        let expected: BTreeSet<String> = nm(path, "--undefined-only")
            .into_iter()
            .filter(|name| container::undefined_concerns_tvm(name.as_bytes()))
            .collect();
        assert_eq!(undefined, expected, "undefined of {library}");

        let defined: BTreeSet<String> = binary.defined.iter().map(|s| s.name.clone()).collect();
        let expected: BTreeSet<String> = nm(path, "--defined-only")
            .into_iter()
            .filter(|name| container::concerns_tvm(name.as_bytes()))
            .collect();
        assert_eq!(defined, expected, "defined of {library}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn exports_are_found_through_the_hash_table() {
    for library in LIBRARIES {
        let path = parts::unpacked(library);
        let bytes = std::fs::read(&path).expect("readable");
        let path = path.to_str().expect("UTF-8 path");
        let exported = nm(path, "--defined-only");
        let missing = nm(path, "--undefined-only");
        let names: Vec<&str> = exported.iter().map(String::as_str).collect();
        let found = container::defines(&bytes, &names).expect(library);
        for (name, found) in names.iter().zip(found) {
            assert!(found, "{library} defines {name}");
        }
        let names: Vec<&str> = missing
            .iter()
            .filter(|name| !exported.contains(*name))
            .map(String::as_str)
            .chain([
                "TVMDeviceAPIGet",
                "",
                "TVMFFIFunctionCal",
                "TVMFFIFunctionCallX",
            ])
            .collect();
        let found = container::defines(&bytes, &names).expect(library);
        for (name, found) in names.iter().zip(found) {
            assert!(!found, "{library} does not define {name}");
        }
        let mut visited = BTreeSet::new();
        container::each_export(&bytes, &mut |name| {
            visited.insert(String::from_utf8_lossy(name).into_owned());
            true
        })
        .expect(library);
        assert_eq!(visited, exported, "exports of {library}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn dynamic_facts_equal_those_of_readelf() {
    for library in LIBRARIES {
        let path = parts::unpacked(library);
        let bytes = std::fs::read(&path).expect("readable");
        let parsed = container::parse(&bytes).expect(library);
        let binary = &parsed[0].binary;
        let listing = run("readelf", &["-dW", path.to_str().expect("UTF-8 path")]);
        let values = |tag: &str| -> Vec<String> {
            listing
                .lines()
                .filter(|line| line.contains(tag))
                .filter_map(|line| line.split('[').nth(1)?.split(']').next())
                .map(str::to_owned)
                .collect()
        };
        let needed: Vec<String> = binary.needed.iter().map(|n| n.name.clone()).collect();
        assert_eq!(needed, values("(NEEDED)"), "needed of {library}");
        let soname = values("(SONAME)");
        assert_eq!(binary.identity.as_ref(), soname.first(), "{library}");
        assert_eq!(binary.search_paths, values("(RUNPATH)"), "{library}");
        assert!(binary.has_constructors, "{library}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn version_needs_equal_those_of_readelf() {
    for library in LIBRARIES {
        let path = parts::unpacked(library);
        let bytes = std::fs::read(&path).expect("readable");
        let parsed = container::parse(&bytes).expect(library);
        let listing = run("readelf", &["-VW", path.to_str().expect("UTF-8 path")]);
        let mut expected = BTreeSet::new();
        let mut library_name = String::new();
        for line in listing.lines() {
            if let Some(rest) = line.split("File: ").nth(1) {
                library_name = rest.split_whitespace().next().expect("a name").to_owned();
            } else if let Some(rest) = line.split("Name: ").nth(1) {
                let version = rest.split_whitespace().next().expect("a version");
                expected.insert((library_name.clone(), version.to_owned()));
            }
        }
        let needs: BTreeSet<(String, String)> = parsed[0]
            .binary
            .version_needs
            .iter()
            .map(|need| (need.library.clone(), need.version.clone()))
            .collect();
        assert!(!needs.is_empty(), "{library}");
        assert_eq!(needs, expected, "{library}");
    }
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn regions_are_the_sections_of_readelf() {
    for library in LIBRARIES {
        let path = parts::unpacked(library);
        let bytes = std::fs::read(&path).expect("readable");
        let parsed = container::parse(&bytes).expect(library);
        let listing = run("readelf", &["-SW", path.to_str().expect("UTF-8 path")]);
        for name in [".rodata", ".data.rel.ro", ".data", ".text"] {
            let line = listing
                .lines()
                .find(|line| line.split_whitespace().any(|word| word == name))
                .unwrap_or_else(|| panic!("{library} has {name}"));
            let mut fields = line
                .split(']')
                .nth(1)
                .expect("a row")
                .split_whitespace()
                .skip(2);
            let mut hex = || u64::from_str_radix(fields.next().expect("a field"), 16).expect("hex");
            let (address, offset, size) = (hex(), hex(), hex());
            let region = parsed[0]
                .regions
                .iter()
                .find(|region| region.name == name)
                .expect(name);
            assert_eq!(region.address, address, "{library} {name}");
            assert_eq!(
                region.file_ranges[0].file_offset, offset,
                "{library} {name}"
            );
            assert_eq!(region.data.len() as u64, size, "{library} {name}");
            let start = usize::try_from(offset).expect("fits");
            assert!(std::ptr::eq(region.data.as_ptr(), bytes[start..].as_ptr()));
            assert_eq!(region.executable, name == ".text");
        }
    }
}

/// What the system's libraries are made of, no rule of ours may hold for damage: those that
/// are installed here, by many linkers, and the compiler's own.
#[cfg(target_os = "linux")]
#[test]
fn libraries_of_this_system_are_sound() {
    let sysroot = run("rustc", &["--print", "sysroot"]);
    let folders = [
        "/usr/lib",
        "/usr/lib64",
        "/usr/lib/x86_64-linux-gnu",
        sysroot.trim(),
    ];
    let mut seen = 0;
    for folder in folders
        .map(|folder| [folder.to_owned(), format!("{folder}/lib")])
        .concat()
    {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.contains(".so") || !entry.path().is_file() {
                continue;
            }
            let bytes = std::fs::read(entry.path()).expect("read");
            let Ok(parsed) = container::parse(&bytes) else {
                continue; // A linker script.
            };
            for one in parsed {
                let tables = one.binary.damage.iter();
                let tables = tables.filter(|damage| matches!(damage.kind, DamageKind::Table(_)));
                assert_eq!(tables.count(), 0, "{name}: {:?}", one.binary.damage);
                seen += 1;
            }
        }
    }
    assert!(seen > 3, "{seen}");
}
