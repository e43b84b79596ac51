//! The corpus's arm64 macOS libraries, byte for byte what a Mac loads, on this
//! machine: parsed as LIEF parses them, run with their host code emulated.

#[path = "common/chain.rs"]
mod chain;
mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use artcheck_metal_sim::macho::{HostLibrary, Image, MachOError};
use common::{Run, artifact, environment, parts, plugin, scratch};
use serde::Deserialize;

/// The C door of `examples/macho_host.rs`, which tests/run builds.
fn door() -> String {
    let tests = std::env::current_exe().expect("this test has a path");
    let folder = tests.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let door = folder.join("examples/libmacho_host.so");
    assert!(
        door.is_file(),
        "{} is absent: tests/run builds it (cargo build --profile test --example macho_host)",
        door.display()
    );
    door.display().to_string()
}

fn agrees(library: &str, model: &str, runtimes: &[&str]) {
    let library = artifact(library);
    for runtime in runtimes {
        let more = vec!["--macho-host".to_owned(), door()];
        let run = Run {
            more,
            ..Run::new(runtime, &library, model, "float32")
        };
        run.agrees();
    }
}

const BOTH: [&str; 2] = ["tvm-0.26", "tvm-0.27"];

#[test]
fn dense() {
    agrees("tvm-0.26/dense-metal-macos-arm64.dylib", "dense", &BOTH);
    agrees(
        "tvm-0.27/dense-metal-macos-arm64.dylib",
        "dense",
        &["tvm-0.27"],
    );
}

#[test]
fn hybrid() {
    agrees("tvm-0.26/hybrid-metal-macos-arm64.dylib", "hybrid", &BOTH);
}

#[test]
fn embedding() {
    agrees(
        "tvm-0.26/embedding-metal-macos-arm64.dylib",
        "embedding",
        &BOTH,
    );
    agrees(
        "tvm-0.27/embedding-metal-macos-arm64.dylib",
        "embedding",
        &["tvm-0.27"],
    );
}

/// Runs Python with `drive` imported, a plug-in loaded and `library` opened.
fn python(library: &str, program: &str) -> String {
    let plugin = plugin("tvm-0.27", false);
    let prelude = "import ctypes, pathlib, sys\n\
        plugin, door, path, tests = sys.argv[1:]\n\
        sys.path.insert(0, tests)\n\
        import drive, numpy, tvm\n\
        ctypes.CDLL(plugin, ctypes.RTLD_GLOBAL)\n\
        root = drive.open_macho(tvm, door, pathlib.Path(path))\n";
    let done = Command::new(environment("tvm-0.27").join("bin/python"))
        .args(["-c", &format!("{prelude}{program}")])
        .arg(&plugin.path)
        .args([door(), artifact(library).display().to_string()])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))
        .envs(plugin.environment.iter().map(|(name, value)| (name, value)))
        .output()
        .expect("python runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// What the emulated host code checks and raises comes back as the runtime's error.
#[test]
fn a_host_codes_error_is_the_runtimes() {
    let program = "try:\n    root.imports[0]['layer_norm'](1, 2)\n\
        except TypeError as error:\n    print(error)\n";
    let text = python("tvm-0.27/embedding-metal-macos-arm64.dylib", program);
    assert!(text.contains("layer_norm"), "{text}");
}

/// Code that runs wild is stopped with its place, and the process lives on.
#[test]
fn a_wild_access_is_an_error() {
    let program = "try:\n    root.imports[0]['softmax'](1, 2)\n\
        except RuntimeError as error:\n    print(error)\n";
    let text = python("tvm-0.26/embedding-metal-macos-arm64.dylib", program);
    assert!(
        text.contains("emulated host code of `___tvm_ffi_softmax+0x0`"),
        "{text}"
    );
    assert!(text.contains("READ_UNMAPPED"), "{text}");
}

/// Host code calls a function that is registered natively, and gets its answer.
#[test]
fn emulated_code_calls_native_code() {
    let program = "from tvm import relax\n\
        vm = relax.VirtualMachine(root, tvm.cpu())\n\
        four = tvm.runtime.tensor(numpy.arange(4, dtype='float32'), tvm.cpu())\n\
        print(vm['add_external'](four).numpy().tolist())\n";
    // The external function is `vm.builtin.copy(1)`.
    let text = python("tvm-0.27/extcall-cpu-macos-arm64.dylib", program);
    assert_eq!(text, "[1.0, 2.0, 3.0, 4.0]\n");
}

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
    let rebases: BTreeSet<u64> = image.rebases.iter().map(|r| r.address).collect();
    assert_eq!(
        rebases,
        want.rebases.into_iter().collect(),
        "{}",
        path.display()
    );
    image
}

#[test]
fn parses_as_lief_does() {
    let image = same_as_lief(&artifact("tvm-0.27/dense-metal-macos-arm64.dylib"));
    assert!(image.symbols.contains_key("___tvm_ffi__library_bin"));
    // The runtime's own libraries: larger, and linked by Apple's linker.
    for name in [
        "tvm/lib/libtvm_runtime.dylib",
        "tvm/lib/libtvm_runtime_metal.dylib",
    ] {
        let image = same_as_lief(&parts().join("unpacked/tvm-0.27-macos-arm64").join(name));
        assert!(
            image.bindings.len() > 100,
            "{name}: {}",
            image.bindings.len()
        );
    }
}

/// The same library with chained fixups: parsed alike, and it runs.
#[test]
fn chained_fixups() {
    let original = artifact("tvm-0.26/dense-metal-macos-arm64.dylib");
    let bytes = std::fs::read(&original).expect("the file is readable");
    let path = scratch().join("dense-chained.dylib");
    std::fs::create_dir_all(scratch()).expect("the scratch folder is writable");
    std::fs::write(&path, chain::chained(&bytes)).expect("the scratch folder is writable");

    let classic = Image::parse(&bytes).expect("it parses");
    let image = same_as_lief(&path);
    assert!(
        image.bindings.iter().all(|b| classic.bindings.contains(b)),
        "{image:?}"
    );
    assert!(
        image.rebases.iter().all(|r| classic.rebases.contains(r)),
        "{image:?}"
    );
    assert!(!image.rebases.is_empty());
    assert_eq!(
        image.rebases.len() + image.bindings.len(),
        classic.bindings.len()
    );

    let more = vec![
        "--macho-host".to_owned(),
        door(),
        "--steps".to_owned(),
        "4".to_owned(),
    ];
    let run = Run {
        more,
        ..Run::new("tvm-0.27", &path, "dense", "float32")
    };
    run.agrees();
}

/// Damaged files are refused, wherever the damage is.
#[test]
fn damaged_files_are_refused() {
    let bytes = std::fs::read(artifact("tvm-0.26/embedding-metal-macos-arm64.dylib"))
        .expect("the file is readable");
    assert!(matches!(
        Image::parse(&[]),
        Err(MachOError::Malformed { .. })
    ));
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
    let runtime = parts().join("unpacked/tvm-0.27-macos-arm64/tvm/lib/libtvm_runtime_metal.dylib");
    assert!(HostLibrary::open(&runtime).is_err(), "not a model library");
}
