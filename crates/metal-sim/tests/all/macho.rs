//! The corpus's arm64 macOS libraries, byte for byte what a Mac loads: parsed as LIEF
//! parses them. `crates/verify/tests/all/emulated.rs` and the workspace's
//! `tests/metal_sim.rs` run them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::common::{artifact, environment, parts, scratch};
use crate::dylib::Dylib;
use artcheck_metal_sim::macho::{HostLibrary, Image, MachOError};
use serde::Deserialize;

/// LIEF's word on one file.
#[derive(Deserialize)]
struct Oracle {
    symbols: Vec<(String, u64)>,
    bindings: Vec<(u64, String)>,
    rebases: Vec<u64>,
}

fn oracle(path: &Path) -> Oracle {
    let program = "import json, sys, lief\n\
        binary = lief.MachO.parse(sys.argv[1]).at(0)\n\
        base = binary.imagebase\n\
        symbols = [(s.name, s.value) for s in binary.symbols if s.raw_type & 0xef == 0x0f]\n\
        bindings = [(b.address, b.symbol.name) for b in binary.bindings if b.has_symbol]\n\
        fixups = [r.address for r in binary.relocations\n\
                  if r.origin != lief.MachO.Relocation.ORIGIN.RELOC_TABLE]\n\
        print(json.dumps(dict(symbols=symbols, bindings=bindings, rebases=fixups)))\n";
    let done = Command::new(environment("tools").join("bin/python"))
        .args(["-c", program])
        .arg(path)
        .output()
        .expect("python runs");
    let text = String::from_utf8_lossy(&done.stdout);
    let line = text.lines().find(|l| l.starts_with('{'));
    let errors = String::from_utf8_lossy(&done.stderr);
    serde_json::from_str(line.unwrap_or_else(|| panic!("no answer: {errors}"))).expect("JSON")
}

fn same_as_lief(path: &Path) -> Image {
    let bytes = std::fs::read(path).expect("the file is readable");
    let image = Image::parse(&bytes).expect("the file parses");
    let want = oracle(path);
    let symbols: BTreeSet<(String, u64)> = image.symbols.clone().into_iter().collect();
    assert_eq!(
        symbols,
        want.symbols.into_iter().collect(),
        "{}",
        path.display()
    );
    let bindings: BTreeSet<(u64, String)> = image
        .fixups
        .bindings
        .iter()
        .map(|b| (b.address, b.symbol.clone()))
        .collect();
    assert_eq!(
        bindings,
        want.bindings.into_iter().collect(),
        "{}",
        path.display()
    );
    let rebases: BTreeSet<u64> = image.fixups.rebases.iter().map(|r| r.address).collect();
    assert_eq!(
        rebases,
        want.rebases.into_iter().collect(),
        "{}",
        path.display()
    );
    image
}

#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn parses_as_lief_does() {
    let image = same_as_lief(&artifact("tvm-0.27/dense-metal-macos-arm64.dylib"));
    assert!(image.symbols.contains_key("___tvm_ffi__library_bin"));
    // The runtime's own libraries: larger, and linked by Apple's linker.
    for name in [
        "tvm/lib/libtvm_runtime.dylib",
        "tvm/lib/libtvm_runtime_metal.dylib",
    ] {
        let image = same_as_lief(&parts::unpacked("tvm-0.27-macos-arm64").join(name));
        assert!(
            image.fixups.bindings.len() > 100,
            "{name}: {}",
            image.fixups.bindings.len()
        );
    }
}

/// The same library with chained fixups is parsed alike. That it runs is shown by
/// `tests/metal_sim.rs` of the workspace.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn chained_fixups() {
    let bytes = std::fs::read(artifact("tvm-0.26/dense-metal-macos-arm64.dylib"))
        .expect("the file is readable");
    let path = scratch().join("dense-chained.dylib");
    std::fs::create_dir_all(scratch()).expect("the scratch folder is writable");
    std::fs::write(&path, Dylib(bytes.clone()).chained().0)
        .expect("the scratch folder is writable");

    let classic = Image::parse(&bytes).expect("it parses");
    let image = same_as_lief(&path);
    assert!(
        image
            .fixups
            .bindings
            .iter()
            .all(|b| classic.fixups.bindings.contains(b)),
        "{image:?}"
    );
    assert!(
        image
            .fixups
            .rebases
            .iter()
            .all(|r| classic.fixups.rebases.contains(r)),
        "{image:?}"
    );
    assert!(!image.fixups.rebases.is_empty());
    assert_eq!(
        image.fixups.rebases.len() + image.fixups.bindings.len(),
        classic.fixups.bindings.len()
    );
}

/// Damaged files are refused, wherever the damage is.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn damaged_files_are_refused() {
    let bytes = std::fs::read(artifact("tvm-0.26/embedding-metal-macos-arm64.dylib"))
        .expect("the file is readable");
    assert!(matches!(Image::parse(&[]), Err(MachOError::Malformed(_))));
    for length in (0..bytes.len()).step_by(997) {
        let cut = bytes.get(..length).expect("inside");
        assert!(
            Image::parse(cut).is_err(),
            "{length} bytes of {}",
            bytes.len()
        );
    }
    // Any single bad byte of the headers either parses or is an error, never a panic.
    for at in 0..2048 {
        let mut bad = bytes.clone();
        bad[at] ^= 0xff;
        let _ = Image::parse(&bad).map(|image| image.describe(0));
    }
    let elf = artifact("tvm-0.26/dense-metal-linux-x86_64.so");
    let error = HostLibrary::open(&elf)
        .err()
        .expect("an ELF file is not Mach-O");
    assert!(error.to_string().contains("thin 64-bit Mach-O"), "{error}");
    let runtime = parts::unpacked("tvm-0.27-macos-arm64/tvm/lib/libtvm_runtime_metal.dylib");
    assert!(HostLibrary::open(&runtime).is_err(), "not a model library");
}

fn in_scratch(name: &str, dylib: &Dylib) -> std::path::PathBuf {
    let path = scratch().join(name);
    std::fs::create_dir_all(scratch()).expect("the scratch folder is writable");
    std::fs::write(&path, &dylib.0).expect("the scratch folder is writable");
    path
}

/// Exports are those of the export trie, as on a Mac, and those of the symbol table only
/// where there is no trie.
#[test]
fn exports_are_those_of_the_trie() {
    let path = artifact("tvm-0.27/extcall-cpu-macos-arm64.dylib");
    let whole = Dylib(std::fs::read(path).expect("the file is readable"));
    let symbols = whole.externals().into_iter().collect();
    let open = |name: &str, dylib: &Dylib| {
        let library = HostLibrary::open(&in_scratch(name, dylib))?;
        library.blob().map(<[u8]>::len)
    };
    let size = open("whole.dylib", &whole).expect("a blob");
    let stripped = whole.clone().stripped();
    assert_eq!(open("stripped.dylib", &stripped).expect("a blob"), size);
    for form in [&stripped, &whole.clone().with_empty_trie()] {
        assert_eq!(Image::parse(&form.0).expect("parses").symbols, symbols);
    }
    let (mut zeros, mut ones) = (whole.clone(), whole.clone());
    zeros.0[whole.trie()].fill(0);
    ones.0[whole.trie()].fill(0xff);
    let lost = open("zeros.dylib", &zeros);
    assert!(matches!(lost, Err(MachOError::NoBlob)), "{lost:?}");
    let refused = open("ones.dylib", &ones);
    assert!(
        matches!(refused, Err(MachOError::Malformed(_))),
        "{refused:?}"
    );

    let kinds: [(&str, &[u8]); 4] = [
        ("_weak", &[4, 0x10]),
        ("_number", &[2, 0x11]),
        ("_here", &[8, 1, 0]),
        ("_there", &[8, 2, b'_', b'x', 0]),
    ];
    let image = Image::parse(&whole.clone().with_exports(&kinds).0).expect("parses");
    assert_eq!(image.symbols, [("_weak".to_owned(), 0x10)].into());
    assert_eq!(image.absolute, [("_number".to_owned(), 0x11)].into());
    let of = |number, name: &str| (number, name.to_owned());
    let expected = [
        ("_here".to_owned(), of(1, "_here")),
        ("_there".to_owned(), of(2, "_x")),
    ];
    assert_eq!(image.reexports, expected.into());
    let chosen = whole.with_exports(&[("_chosen", &[0x10, 0x10, 0x20])]);
    let refused = open("chosen.dylib", &chosen)
        .expect_err("refused")
        .to_string();
    assert!(refused.contains("`_chosen`"), "{refused}");
}
