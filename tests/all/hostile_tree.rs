//! A whole run over a folder of bad input: the program ends in time, says of
//! each what it is, stays small in memory, and still judges the good file
//! beside them.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use crate::support::child::{CONSTANT_KIB, Folder, GOOD, scan};
use crate::support::root;

#[test]
fn what_is_no_file_is_named_and_passed_over() {
    let folder = Folder::new("no-files");
    folder.good();
    folder.file("empty.so", b"");
    symlink(".", folder.0.join("loop")).expect("a link");
    symlink("b.so", folder.0.join("a.so")).expect("a link");
    symlink("a.so", folder.0.join("b.so")).expect("a link");
    symlink("gone.so", folder.0.join("dangling.so")).expect("a link");
    let fifo = folder.0.join("fifo.so");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo starts").success());
    let device = symlink("/dev/zero", folder.0.join("device.so"));
    device.expect("a link");

    let run = scan(&[&folder.0]);
    for name in [
        "empty.so",
        "loop",
        "a.so",
        "b.so",
        "dangling.so",
        "fifo.so",
        "device.so",
    ] {
        let name = format!("/{name}");
        assert_eq!(run.rules_of(&name), ["AC001"], "{name}");
    }
    run.judges_the_good_file();
    assert_eq!(run.status, 1, "an empty library is an error");
    assert!(run.peak < CONSTANT_KIB, "{} KiB", run.peak);
}

/// Root may read everything, so besides permissions a file that cannot be
/// read for anybody: the memory of a process where nothing is mapped.
#[test]
fn what_cannot_be_read_is_said_to_be_unreadable() {
    let folder = Folder::new("unreadable");
    folder.good();
    let locked = folder.file("locked.so", &[0x7f; 100]);
    let permissions = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(&locked, permissions(0o000)).expect("own file");
    let closed = folder.0.join("closed");
    fs::create_dir(&closed).expect("a new folder");
    fs::set_permissions(&closed, permissions(0o000)).expect("own folder");
    let run = scan(&[&folder.0]);
    let readable = File::open(&locked).is_ok();
    fs::set_permissions(&closed, permissions(0o700)).expect("own folder");
    // Whoever may read it finds no library in it: a finding in either case.
    assert_eq!(run.rules_of("/locked.so"), ["AC001"]);
    assert_eq!(readable, run.rules_of("/closed").is_empty());
    run.judges_the_good_file();

    if cfg!(target_os = "linux") {
        let link = folder.0.join("memory.so");
        symlink("/proc/self/mem", &link).expect("a link");
        let run = scan(&[&folder.0]);
        assert_eq!(run.rules_of("/memory.so"), ["AC001"]);
        assert!(run.text_of("/memory.so").contains("error"));
        run.judges_the_good_file();
    }
}

#[test]
fn a_sparse_file_of_four_gigabytes_costs_nothing() {
    let folder = Folder::new("sparse");
    folder.good();
    let sparse = |name: &str, head: &[u8]| {
        let mut file = File::create(folder.0.join(name)).expect("a new file");
        file.write_all(head).expect("the disk has room");
        file.set_len(4 << 30).expect("a sparse file");
    };
    sparse("zeros.so", b"");
    // Headers that lead into the emptiness.
    let good = fs::read(root().join(GOOD)).expect("the corpus can be read");
    sparse("elf-head.so", &good[..4096]);
    sparse("archive.a", b"!<arch>\n");
    sparse("zip.whl", b"PK\x03\x04");
    sparse("gzip.tar.gz", &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
    let dylib = root().join("corpus/artifacts/tvm-0.27/extcall-cpu-macos-arm64.dylib");
    let dylib = fs::read(dylib).expect("the corpus can be read");
    sparse("macho-head.dylib", &dylib[..4096]);
    sparse("wasm-head.wasm", b"\0asm\x01\0\0\0");
    sparse("vm.bin", &[0x1e, 0x15, 0x14, 0x42, 0x2f, 0xde, 0x25, 0xd2]);

    let run = scan(&[&folder.0]);
    for name in [
        "zeros.so",
        "elf-head.so",
        "archive.a",
        "zip.whl",
        "gzip.tar.gz",
        "macho-head.dylib",
        "wasm-head.wasm",
        "vm.bin",
    ] {
        let name = format!("/{name}");
        // Headers in front of zeros are a library with nothing in it.
        let read = ["/elf-head.so", "/macho-head.dylib"].contains(&name.as_str())
            && run.report["artifacts"].to_string().contains(&name);
        assert!(read || !run.rules_of(&name).is_empty(), "{name}");
    }
    run.judges_the_good_file();
    assert!(run.peak < CONSTANT_KIB, "{} KiB", run.peak);
}
