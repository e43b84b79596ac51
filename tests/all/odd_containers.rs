//! Forms of containers that other tools write: members of several streams, the oldest tar,
//! sparse members, static libraries for several machines; and names that TVM has no loader for.

use std::io::Write;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::make::{corpus, folder, put};
use crate::support::{artcheck, rules, scan, text};

/// A model library tagged `tir`.
const TIR: &str = "synthetic/dense-ext-0.26-tir-tag-cpu-x86_64.so";

fn tar(folder: &Path, form: &[&str], archive: &str, files: &[&str]) {
    let mut command = Command::new("tar");
    command
        .current_dir(folder)
        .args(form)
        .args(["-cf", archive]);
    let (words, status) = text(command.args(files));
    assert_eq!(status, 0, "{words}");
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn retag(file: &Path) {
    let mut command = artcheck();
    command
        .args(["patch", "retag", "--to", "tirx", "--in-place"])
        .arg(file);
    let (words, status) = text(&mut command);
    assert_eq!(status, 0, "{words}");
}

#[test]
fn a_stream_of_several_parts_keeps_all_of_them() {
    let folder = folder();
    std::fs::copy(corpus(TIR), folder.path().join("a.so")).expect("copied");
    std::fs::copy(
        corpus("tvm-0.27/dense-cpu-x86_64.so"),
        folder.path().join("b.so"),
    )
    .expect("copied");
    tar(folder.path(), &[], "two.tar", &["a.so", "b.so"]);
    let whole = std::fs::read(folder.path().join("two.tar")).expect("read");
    let (first, second) = whole.split_at(whole.len() / 2);
    let file = put(
        &folder,
        "two.tar.gz",
        [packed(first), packed(second)].concat(),
    );
    retag(&file);
    let mut list = Command::new("tar");
    let (names, _) = text(list.arg("-tzf").arg(&file));
    assert_eq!(names.lines().collect::<Vec<_>>(), ["a.so", "b.so"]);
}

#[test]
fn the_oldest_tar_is_changed_and_read_again() {
    let folder = folder();
    std::fs::copy(corpus(TIR), folder.path().join("a.so")).expect("copied");
    tar(folder.path(), &["--format=v7"], "old.tar", &["a.so"]);
    retag(&folder.path().join("old.tar"));
}

#[test]
fn sparse_members_are_read() {
    let folder = folder();
    let mut bytes = std::fs::read(corpus("tvm-0.27/dense-cpu-x86_64.so")).expect("read");
    bytes.resize(bytes.len() + (1 << 20), 0);
    put(&folder, "s.so", &bytes);
    let punched = Command::new("fallocate")
        .args(["-d", "s.so"])
        .current_dir(folder.path())
        .status();
    assert!(punched.expect("fallocate").success());
    tar(
        folder.path(),
        &["--sparse", "--format=posix"],
        "s.tar",
        &["s.so"],
    );
    std::fs::remove_file(folder.path().join("s.so")).expect("removed");
    let (report, status) = scan([folder.path()]);
    assert_eq!(status, 0, "{report}");
    let shown = report["artifacts"].to_string();
    assert!(
        shown.contains("s.tar!s.so") && shown.contains("model-library"),
        "{shown}"
    );
}

/// What `lipo -create` makes of two archives.
#[test]
fn a_static_library_for_several_machines_is_read() {
    let folder = folder();
    let object = std::fs::read(corpus("tvm-0.27/embedding-metal-ios.tar")).expect("read");
    put(&folder, "ios.tar", object);
    let mut unpack = Command::new("tar");
    let (words, status) = text(unpack.current_dir(folder.path()).args(["-xf", "ios.tar"]));
    assert_eq!(status, 0, "{words}");
    std::fs::remove_file(folder.path().join("ios.tar")).expect("removed");
    let names: Vec<String> = std::fs::read_dir(folder.path())
        .expect("listed")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .filter(|name| name.ends_with(".o"))
        .collect();
    let mut ar = Command::new("ar");
    let (words, status) = text(
        ar.current_dir(folder.path())
            .args(["rcs", "thin.a"])
            .args(&names),
    );
    assert_eq!(status, 0, "{words}");
    let thin = std::fs::read(folder.path().join("thin.a")).expect("read");
    names
        .iter()
        .for_each(|name| std::fs::remove_file(folder.path().join(name)).expect("removed"));
    // Two slices: x86-64, arm64.
    let (first, align) = (4096u32, 12u32);
    let size = u32::try_from(thin.len()).expect("small");
    let second = (first + size).next_multiple_of(4096);
    let words = [
        0xcafe_babe,
        2,
        0x0100_0007,
        3,
        first,
        size,
        align,
        0x0100_000c,
        0,
        second,
        size,
        align,
    ];
    let mut fat: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    for at in [first, second] {
        fat.resize(usize::try_from(at).expect("small"), 0);
        fat.extend(&thin);
    }
    let of_thin = scan([folder.path()]);
    std::fs::remove_file(folder.path().join("thin.a")).expect("removed");
    put(&folder, "fat.a", &fat);
    let of_fat = scan([folder.path()]);
    assert_eq!(
        rules(&of_fat.0, &["error"]),
        rules(&of_thin.0, &["error"]),
        "{}",
        of_fat.0
    );
    assert_eq!(of_fat.1, of_thin.1);
    let shown = of_fat.0["artifacts"].to_string();
    assert!(
        shown.contains("fat.a!x86-64!") && shown.contains("fat.a!aarch64!"),
        "{shown}"
    );
}

#[test]
fn a_name_that_tvm_has_no_loader_for_is_told() {
    for (name, is_told) in [
        ("m.so", false),
        ("m.dylib", false),
        ("m", true),
        ("m.so.1", true),
        ("m.SO", true),
        ("m.o", false),
    ] {
        let folder = folder();
        std::fs::copy(
            corpus("tvm-0.27/dense-cpu-x86_64.so"),
            folder.path().join(name),
        )
        .expect("copied");
        let (report, _) = scan([folder.path()]);
        let findings = report["findings"].to_string();
        assert_eq!(
            findings.contains("TVM does not load"),
            is_told,
            "{name}: {findings}"
        );
        let is_linked = findings.contains("`load_module` links a `.o`");
        assert_eq!(is_linked, name == "m.o", "{name}: {findings}");
    }
}

/// One byte of a constant tensor is a difference, and each library of an archive is compared
/// with its own.
#[test]
fn what_differs_in_a_constant_or_in_one_of_two_libraries_is_told() {
    let folder = folder();
    let whole = std::fs::read(corpus("tvm-0.27/dense-cpu-x86_64.so")).expect("read");
    let scanned = artcheck_inspect::scan::artifacts_of(&corpus("tvm-0.27/dense-cpu-x86_64.so"));
    let library = scanned[0].libraries.iter().next().expect("a library");
    let blob = library.blob.as_ref().expect("it decodes");
    let tensor = blob.executables().find_map(|(index, executable)| {
        let mut constants = executable.constants.iter();
        constants.find_map(|constant| match &constant.value {
            artcheck_inspect::vm::ConstantValue::Tensor { data, .. } => {
                Some(blob.modules[index].payload_offset + data.start)
            }
            _ => None,
        })
    });
    let at = usize::try_from(library.file_offset + tensor.expect("a tensor")).expect("small");
    let mut changed = whole.clone();
    changed[at] ^= 1;
    let (one, two) = (
        put(&folder, "one.so", &whole),
        put(&folder, "two.so", &changed),
    );
    let differ = |one: &Path, two: &Path| text(artcheck().arg("diff").args([one, two]));
    let (words, status) = differ(&one, &two);
    assert_eq!(status, 1, "{words}");
    assert!(words.contains("elements of"), "{words}");
    for (name, first) in [("1", "tvm-0.27"), ("2", "tvm-0.26")] {
        let inner = folder.path().join(name);
        std::fs::create_dir(&inner).expect("made");
        let of = |release: &str| corpus(&format!("{release}/dense-cpu-x86_64.so"));
        std::fs::copy(of(first), inner.join("a.so")).expect("copied");
        std::fs::copy(of("tvm-0.27"), inner.join("b.so")).expect("copied");
        tar(&inner, &[], "both.tar", &["a.so", "b.so"]);
    }
    let both = |name: &str| folder.path().join(name).join("both.tar");
    let (words, _) = differ(&both("1"), &both("2"));
    assert!(words.contains("instructions of a.so: "), "{words}");
}

/// The module without the section of this number.
fn without(module: &[u8], section: u8) -> Vec<u8> {
    let mut out = module[..8].to_vec();
    let mut at = 8;
    while at < module.len() {
        let (mut length, mut end, mut shift) = (0usize, at + 1, 0);
        loop {
            let byte = module[end];
            length |= usize::from(byte & 0x7f) << shift;
            (end, shift) = (end + 1, shift + 7);
            if byte < 0x80 {
                break;
            }
        }
        if module[at] != section {
            out.extend(&module[at..end + length]);
        }
        at = end + length;
    }
    out
}

/// Engines take what is left; its functions and names are gone.
#[test]
fn a_wasm_library_without_its_table_or_data_is_told() {
    const ELEMENTS: u8 = 9;
    const DATA: u8 = 11;
    let whole = std::fs::read(corpus("tvm-0.27/embedding-webgpu.wasm")).expect("read");
    assert_eq!(without(&whole, 200), whole);
    for (section, word) in [
        (ELEMENTS, "element section is missing"),
        (DATA, "names and constants are missing"),
    ] {
        let folder = folder();
        let file = put(&folder, "m.wasm", without(&whole, section));
        let (report, status) = scan([&file]);
        let findings = report["findings"].to_string();
        assert!(findings.contains(word), "{findings}");
        assert_eq!(
            (rules(&report, &["error"]), status),
            (vec!["AC001".to_owned()], 1)
        );
    }
}

/// One byte less at the end of ELF's section table is an end, and no wrong header.
#[test]
fn a_library_that_lacks_its_last_byte_is_shorter_than_its_header_says() {
    let whole = std::fs::read(corpus("tvm-0.27/extcall-cpu-x86_64.so")).expect("read");
    for less in [1, 2, 7, 64, 100] {
        let folder = folder();
        let file = put(&folder, "m.so", &whole[..whole.len() - less]);
        let (report, _) = scan([&file]);
        let findings = report["findings"].to_string();
        assert!(
            findings.contains("shorter than its header says"),
            "{less}: {findings}"
        );
    }
}

/// A thin archive names files; where they are is no secret and no danger.
#[test]
fn a_thin_archive_is_told_as_one() {
    let folder = folder();
    std::fs::copy(
        corpus("synthetic/extcall-0.27-devc.o"),
        folder.path().join("m.o"),
    )
    .expect("copied");
    let mut command = Command::new("ar");
    command.current_dir(folder.path()).args(["rcT", "thin.a"]);
    let (words, status) = text(command.arg(folder.path().join("m.o")));
    assert_eq!(status, 0, "{words}");
    let (report, status) = scan([folder.path().join("thin.a")]);
    let findings = report["findings"].to_string();
    assert!(findings.contains("only names this file"), "{findings}");
    assert!(!findings.contains("leaves the folder"), "{findings}");
    assert_eq!(status, 4);
}
