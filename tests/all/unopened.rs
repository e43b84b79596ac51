//! What is packed in a way that is not read is never called sound, broken or nothing at
//! all; and what has nothing to do with TVM does not make a scan undecided.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;
use std::process::Command;

use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

use crate::support::make::{corpus, folder, put};
use crate::support::{rules, run, scan, venv};

const XZ: &[u8] = b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46";
const KINDS: [&[u8]; 8] = [
    XZ,
    b"BZh91AY&SY\x4e\xec\xe8\x36",
    b"\x28\xb5\x2f\xfd\x04\x58\x59\0",
    b"7z\xbc\xaf\x27\x1c\0\x04",
    b"\xed\xab\xee\xdb\x03\0",
    b"MSCF\0\0\0\0\x2c\0",
    b"Rar!\x1a\x07\x01\0",
    b"\x04\x22\x4d\x18\x64\x40\xa7",
];

const ON: [&str; 2] = ["--runtime", "tvm-0.27"];

fn good() -> Vec<u8> {
    fs::read(corpus("tvm-0.27/extcall-cpu-x86_64.so")).expect("the corpus can be read")
}

fn status(path: &Path) -> i32 {
    scan([path.as_os_str(), ON[0].as_ref(), ON[1].as_ref()]).1
}

/// The findings on artifacts whose path ends so, as text.
fn said(path: &Path, name: &str) -> String {
    let (report, _) = scan([path.as_os_str(), ON[0].as_ref(), ON[1].as_ref()]);
    let findings = report["findings"].as_array().expect("findings").iter();
    let ends = |text: &serde_json::Value| text.as_str().is_some_and(|text| text.ends_with(name));
    findings
        .filter(|finding| ends(&finding["artifact"]))
        .map(ToString::to_string)
        .collect()
}

/// A Debian package: an `ar` archive of packed archives.
fn deb() -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, body) in [
        ("debian-binary", &b"2.0\n"[..]),
        ("control.tar.xz", XZ),
        ("data.tar.xz", XZ),
    ] {
        bytes.extend(
            format!(
                "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                0,
                0,
                0,
                100_644,
                body.len()
            )
            .bytes(),
        );
        bytes.extend(body);
    }
    bytes
}

/// A zip archive of one library, stored.
fn stored(name: &str, library: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    archive.start_file(name, options).expect("a member");
    archive.write_all(library).expect("written to memory");
    archive.finish().expect("written to memory").into_inner()
}

#[test]
fn what_is_named_is_undecided() {
    let at = folder();
    for (number, bytes) in KINDS.iter().enumerate() {
        let file = put(&at, &format!("{number}.bin"), bytes);
        assert_eq!(status(&file), 4, "{number}");
        assert!(said(&file, ".bin").contains("undecided: "), "{number}");
    }
    let package = put(&at, "p.deb", deb());
    assert_eq!(status(&package), 4);
    assert!(said(&package, "data.tar.xz").contains("xz file"));
    assert_eq!(said(&package, "control.tar.xz"), "");
    let mut image = vec![7; 8192];
    image.extend(b"koly\0\0\0\x04");
    image.resize(8192 + 512, 0);
    assert_eq!(status(&put(&at, "app.dmg", image)), 4);
}

#[test]
fn a_folder_is_undecided_where_it_may_matter_alone() {
    let beside = |name: &str, bytes: &[u8]| {
        let at = folder();
        put(&at, "good.so", good());
        put(&at, name, bytes);
        status(at.path())
    };
    for name in ["x.tar.xz", "model.so.xz", "weights.bin.7z", "mlc.zst"] {
        assert_eq!(beside(name, XZ), 4, "{name}");
    }
    assert_eq!(beside("p.deb", &deb()), 4);
    assert_eq!(beside("log.txt.xz", XZ), 0);
    // Elsewhere in the tree only a name speaks.
    let elsewhere = |name: &str, bytes: &[u8]| {
        let at = folder();
        put(&at, "good.so", good());
        fs::create_dir(at.path().join("share")).expect("a folder");
        put(at.path().join("share"), name, bytes);
        status(at.path())
    };
    assert_eq!(elsewhere("linux.tar.xz", XZ), 0);
    assert_eq!(elsewhere("p.deb", &deb()), 0);
    assert_eq!(elsewhere("libmodel.so.xz", XZ), 4);
}

/// A loader goes by the content: nothing packed loads, whatever it is called.
#[test]
fn what_is_packed_under_a_library_s_name_does_not_load() {
    let zip = stored("good.so", &good());
    for (name, bytes) in [("model.so", &zip[..]), ("model.so", XZ), ("m.wasm", &zip)] {
        let at = folder();
        let file = put(&at, name, bytes);
        let what = if bytes == XZ {
            "xz file"
        } else {
            "zip archive"
        };
        for path in [file.as_path(), at.path()] {
            assert_eq!(status(path), 1, "{}", path.display());
            let said = said(path, name);
            assert!(said.contains("no loader opens it"), "{said}");
            assert!(said.contains(what), "{said}");
        }
    }
    // One that holds nothing of TVM's is somebody else's.
    let at = folder();
    put(&at, "good.so", good());
    put(&at, "other.so", stored("readme.txt", b"text"));
    assert_eq!(status(at.path()), 0);
}

#[test]
fn every_format_says_it() {
    let at = folder();
    put(&at, "good.so", good());
    put(&at, "x.tar.xz", XZ);
    for format in [
        "human", "json", "sarif", "junit", "github", "gitlab", "markdown", "html",
    ] {
        let path = at.path().as_os_str();
        let arguments = ["scan".as_ref(), path, ON[0].as_ref(), ON[1].as_ref()];
        let output = run(arguments
            .into_iter()
            .chain(["--format".as_ref(), format.as_ref()]));
        assert_eq!(output.status.code(), Some(4), "{format}");
        let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
        // There what could not be decided is not listed.
        let says = text.contains("undecided: ") || format == "gitlab";
        assert!(says, "{format}: {text}");
    }
}

#[test]
fn zip_members_packed_in_other_ways_are_undecided() {
    let at = folder();
    let sound = stored("m.so", &good());
    for (method, word) in [
        (9, "Deflate64"),
        (12, "bzip2"),
        (14, "LZMA"),
        (93, "Zstandard"),
        (95, "xz"),
        (97, "not read"),
    ] {
        let mut bytes = sound.clone();
        let central = bytes
            .windows(4)
            .rposition(|four| four == b"PK\x01\x02")
            .expect("a directory");
        bytes[8] = method;
        bytes[central + 10] = method;
        let file = put(&at, "m.zip", bytes);
        assert_eq!(status(&file), 4, "{method}");
        let said = said(&file, "m.so");
        assert!(
            said.contains(word) && !said.contains("corrupt"),
            "{method}: {said}"
        );
    }
    let mut locked = sound;
    let central = locked
        .windows(4)
        .rposition(|four| four == b"PK\x01\x02")
        .expect("a directory");
    locked[6] |= 1;
    locked[central + 8] |= 1;
    let file = put(&at, "m.zip", locked);
    assert_eq!(status(&file), 4);
    assert!(said(&file, "m.so").contains("encrypted"));
}

#[test]
fn a_stored_member_has_the_checksum_that_is_stated() {
    let at = folder();
    let library = good();
    let sound = stored("m.so", &library);
    assert_eq!(status(&put(&at, "m.zip", &sound)), 0);
    let start = sound
        .windows(4)
        .position(|four| four == b"\x7fELF")
        .expect("the library");
    for place in [library.len() / 2, library.len() - 1] {
        let mut bytes = sound.clone();
        bytes[start + place] ^= 1;
        let file = put(&at, "m.zip", bytes);
        assert_eq!(status(&file), 1, "{place}");
        assert!(said(&file, "m.so").contains("checksum"), "{place}");
    }
    // What is read no further is not added up.
    let text = stored("weights.bin", &[9; 5000]);
    let mut bytes = text.clone();
    let inside = bytes.len() / 2;
    bytes[inside] ^= 1;
    let (other, wrong) = (put(&at, "t.zip", text), put(&at, "w.zip", bytes));
    assert_eq!(status(&other), status(&wrong));
}

#[test]
fn linker_scripts_are_no_libraries_and_no_riddles() {
    let top = folder();
    let script = "/* GNU ld script\n   a comment */\nOUTPUT_FORMAT(elf64-x86-64)\nGROUP ( /lib/libc.so.6 )\n";
    let alone = put(top.path(), "alone/libc.so", script);
    assert_eq!(status(&alone), 3);
    assert!(said(&alone, "libc.so").contains("a linker script"));
    put(
        top.path(),
        "both/libncurses.so",
        "INPUT(libncurses.so.6 -ltinfo)\n",
    );
    put(top.path(), "both/model.so", good());
    assert_eq!(status(&top.path().join("both")), 0);
    // What begins otherwise may be anything.
    let other = put(top.path(), "other/libc.so", "INPUTS of the model\n");
    assert_eq!(status(&other), 4);
}

/// TVM picks its loader by the suffix: what AC002 says of one is what each release does.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn a_suffix_without_a_loader_is_refused_by_the_runtime() {
    const LOAD: &str = "import sys, tvm, tvm_ffi\n\
        for path in sys.argv[1:]:\n\
        \x20   try: print(len(tvm_ffi.load_module(path).imports))\n\
        \x20   except RuntimeError: print('refused')\n";
    let names = [
        "m.so", "m.dylib", "m.dll", "m.dso", "m.bin", "m.so.1", "m.SO", "m.wasm", "m.tar", "m",
    ];
    let at = folder();
    let files: Vec<_> = names.iter().map(|name| put(&at, name, good())).collect();
    for release in ["tvm-0.25", "tvm-0.26", "tvm-0.27"] {
        let mut python = Command::new(venv(release).join("bin/python"));
        let output = python.args(["-c", LOAD]).args(&files).output();
        let output = output.expect("Python starts");
        let loads = String::from_utf8(output.stdout).expect("text");
        assert_eq!(loads.lines().count(), names.len(), "{release}");
        for (file, loads) in files.iter().zip(loads.lines()) {
            let on = [file.as_os_str(), ON[0].as_ref(), release.as_ref()];
            let broken = rules(&scan(on).0, &["error"]);
            let is_refused = broken.iter().any(|code| code == "AC002");
            assert_eq!(
                is_refused,
                loads == "refused",
                "{} on {release}",
                file.display()
            );
        }
    }
}

/// Systems have links that lead nowhere, parts of downloads, and code for other linkers.
#[test]
#[cfg(unix)]
fn what_nothing_shows_to_be_tvm_s_is_passed_over() {
    use std::os::unix::fs::symlink;
    let at = folder();
    symlink("/dev/null", at.path().join("a.service")).expect("a link");
    symlink("nowhere.conf", at.path().join("b.conf")).expect("a link");
    let zip = stored("good.so", &good());
    put(&at, "x.part", &zip[..100]);
    let cut = fs::read(corpus("tvm-0.27/extcall-cpu-x86_64.so")).expect("the corpus");
    put(&at, "c.debug", &cut[..200]);
    let member = |body: &[u8]| {
        let mut bytes = b"!<arch>\n".to_vec();
        bytes.extend(format!("{:<48}{:<10}`\n", "a.o/", body.len()).bytes());
        bytes.extend(body);
        bytes
    };
    put(
        &at,
        "libGL.a",
        member(b"BC\xc0\xde0123456789abcdef01234567"),
    );
    assert_eq!(status(at.path()), 3, "{}", said(at.path(), ""));
    for (name, bytes) in [
        ("x.whl", &zip[..100]),
        ("c.so", &cut[..200]),
        ("tvm.part", &zip[..100]),
        ("model.debug", &cut[..200]),
    ] {
        let at = folder();
        let file = put(&at, name, bytes);
        assert_eq!(status(at.path()), 1, "{name}");
        assert_eq!(status(&file), 1, "{name}");
    }
    let own = folder();
    put(
        &own,
        "libm.a",
        member(b"BC\xc0\xde0123456789__tvm_ffi_main0"),
    );
    assert_eq!(status(own.path()), 4);
    for name in ["a.so", "liba.so.1", "libtvm_runtime"] {
        let at = folder();
        symlink("nowhere", at.path().join(name)).expect("a link");
        assert_eq!(status(at.path()), 4, "{name}");
    }
}

/// What unpacks itself, and what is no file.
#[test]
fn what_was_asked_about_is_looked_at_or_not_decided() {
    let folder = folder();
    let mut script = b"#!/bin/sh\ntail -n +3 $0 | tar xz; exit\n\n\x1f\x8b\x08\0\0\0\0\0".to_vec();
    script.extend([0; 64]);
    assert_eq!(status(&put(&folder, "inst.run", script)), 4);
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    assert_eq!(status(&pipe), 4);
}

/// A zip archive with a symbolic link in it, and behind a program that unpacks it.
#[test]
fn zip_archives_with_links_and_behind_programs() {
    let folder = folder();
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default();
    zip.start_file("model-1.so", options).expect("begun");
    zip.write_all(&good()).expect("written");
    zip.add_symlink("libmodel.so", "model-1.so", options)
        .expect("a link");
    let zip = zip.finish().expect("a zip archive").into_inner();
    let (report, status) = scan([put(&folder, "a.zip", &zip)]);
    assert_eq!(rules(&report, &["error", "warning"]), [""; 0], "{report}");
    assert_eq!(status, 0);
    let program = fs::read(corpus("synthetic/extcall-0.27-devc.o")).expect("an ELF file");
    let behind = put(&folder, "setup.bin", [program, zip].concat());
    let (report, _) = scan([&behind]);
    assert!(report.to_string().contains("setup.bin!model-1.so"));
}

/// A library in a wheel for another machine is loaded on none that the wheel is installed on.
#[test]
fn wheels_are_for_the_machines_of_their_tags() {
    let folder = folder();
    let wheel = |tag: &str| {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        zip.start_file("demo/lib/model.so", SimpleFileOptions::default())
            .expect("begun");
        zip.write_all(&good()).expect("written");
        let bytes = zip.finish().expect("a zip archive").into_inner();
        let name = format!("demo-1.0-py3-none-{tag}.whl");
        let (report, _) = scan([put(&folder, &name, bytes)]);
        rules(&report, &["error", "warning"])
    };
    assert_eq!(wheel("manylinux_2_28_x86_64"), [""; 0]);
    assert_eq!(wheel("any"), [""; 0]);
    for other in ["manylinux_2_28_aarch64", "macosx_11_0_arm64", "win_amd64"] {
        assert_eq!(wheel(other), ["AC002"], "{other}");
    }
}
