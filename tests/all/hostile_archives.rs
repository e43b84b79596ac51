//! Archives that lie: names that climb out, bombs of every kind, sizes that
//! are not true. They are reported, nothing is unpacked to disk, and memory
//! stays bounded.
#![cfg(unix)]

use std::fs;
use std::io::{Cursor, Read, Write};
use std::path::Path;

use crate::support::child::{CONSTANT_KIB, Folder, GOOD, Run, scan};
use crate::support::{self, root};
use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

/// Memory a member may take while it is looked into, in KiB.
const MEMBER_KIB: u64 = 32 << 10;

fn good() -> Vec<u8> {
    fs::read(root().join(GOOD)).expect("the corpus can be read")
}

/// A tar of members under names that no careful writer would give.
fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        archive.append(&header, *bytes).expect("written to memory");
    }
    archive.into_inner().expect("written to memory")
}

/// A zip of members, deflated.
fn zip(members: &[(String, &[u8])]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_level(Some(6));
    for (name, bytes) in members {
        archive.start_file(name, options).expect("a member");
        archive.write_all(bytes).expect("written to memory");
    }
    archive.finish().expect("written to memory").into_inner()
}

fn gzip(size: u64) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    std::io::copy(&mut std::io::repeat(0).take(size), &mut encoder).expect("written to memory");
    encoder.finish().expect("written to memory")
}

fn stays_small(run: &Run, file: &Path) {
    let size = fs::metadata(file).expect("just written").len() >> 10;
    let allowed = CONSTANT_KIB + 2 * MEMBER_KIB + 2 * size;
    assert!(run.peak < allowed, "{} KiB of {allowed}", run.peak);
}

#[test]
fn names_that_climb_out_are_read_but_reported() {
    let folder = Folder::new("climbing");
    folder.good();
    let names = ["/etc/absolute.o", "../../climbing.o", "C:\\drive.o"];
    let bytes = good();
    let members: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &bytes[..])).collect();
    folder.file("names.tar", &tar(&members));
    let beside = folder.0.parent().expect("a folder").join("climbing.o");
    let run = scan(&[&folder.0]);
    for name in names {
        let member = format!("names.tar!{name}");
        assert!(run.rules_of(&member).contains(&"AC001"), "{member}");
        assert!(run.text_of(&member).contains("do not unpack"), "{member}");
    }
    assert!(!beside.exists() && !Path::new("/etc/absolute.o").exists());
    run.judges_the_good_file();
}

#[test]
fn bombs_are_defused() {
    let folder = Folder::new("bombs");
    folder.good();
    let zeros = vec![0u8; 7 << 20];
    let many: Vec<(String, &[u8])> = (0..140)
        .map(|index| (format!("lib{index}.so"), &zeros[..]))
        .collect();
    let many = folder.file("many.whl", &zip(&many));
    let deep = (0..12).fold(good(), |inner, level| {
        zip(&[(format!("level{level}.zip"), &inner)])
    });
    let deep = folder.file("deep.zip", &deep);
    let stream = folder.file("stream.tar.gz", &gzip(2 << 30));
    let one = folder.file("one.so.gz", &gzip(200 << 20));
    for (file, word) in [
        (&many, "unpacks to more than"),
        (&deep, "deep"),
        (&stream, ""),
        (&one, ""),
    ] {
        let name = file.file_name().expect("a name").to_string_lossy();
        let run = scan(&[&folder.0.join("good.so"), file]);
        let said: String = run.report["findings"].to_string();
        assert!(
            said.contains(&*name) && said.contains(word),
            "{name}: {said}"
        );
        run.judges_the_good_file();
        stays_small(&run, file);
    }
}

/// A wheel whose one member claims to be small and is not, and one that
/// claims four gigabytes and is small.
#[test]
fn sizes_that_lie_are_found_out() {
    let folder = Folder::new("liars");
    folder.good();
    let bytes = good();
    let honest = zip(&[("lib.so".to_owned(), &bytes[..])]);
    let size = u32::try_from(bytes.len()).expect("small").to_le_bytes();
    for (name, claim) in [("small.whl", 16u32), ("large.whl", u32::MAX - 1)] {
        let mut lie = honest.clone();
        let mut places = Vec::new();
        for at in 0..lie.len() - 4 {
            if lie[at..at + 4] == size {
                places.push(at);
            }
        }
        assert!(!places.is_empty(), "the size stands in the headers");
        for at in places {
            lie[at..at + 4].copy_from_slice(&claim.to_le_bytes());
        }
        let file = folder.file(name, &lie);
        let run = scan(&[&folder.0.join("good.so"), &file]);
        let member = format!("{name}!lib.so");
        let read = run.report["artifacts"].to_string().contains(&member);
        assert!(read || !run.rules_of(&member).is_empty(), "{name}");
        run.judges_the_good_file();
        stays_small(&run, &file);
    }
}

/// One library after another, all of one name: each is judged alone, and what
/// is too much is left out and said.
#[test]
fn a_flood_of_libraries_is_cut_and_said() {
    let folder = Folder::new("flood");
    folder.good();
    let object = root().join("corpus/artifacts/synthetic/extcall-0.27-devc.o");
    let object = fs::read(object).expect("the corpus can be read");
    let mut archive = b"!<arch>\n".to_vec();
    for _ in 0..2_000 {
        let size = object.len();
        let head = format!(
            "{:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n",
            "devc.o/", 0, 0, 0, 644
        );
        archive.extend(head.as_bytes());
        archive.extend(&object);
        archive.resize(archive.len().next_multiple_of(2), b'\n');
    }
    let file = folder.file("flood.a", &archive);
    let run = scan(&[&folder.0]);
    run.judges_the_good_file();
    assert!(
        run.text_of("flood.a")
            .contains("what follows is not looked at"),
        "{}",
        run.text_of("flood.a")
    );
    assert_eq!(run.status, 4, "what was left out is not known to be fine");
    assert!(run.peak < 512 << 10, "{} KiB", run.peak);
    let report = support::run(["scan".as_ref(), file.as_os_str()]);
    let text = String::from_utf8_lossy(&report.stdout);
    // A few lines each, not all verdicts of all under every one.
    assert!(text.contains("flood.a!devc.o (2)\n"));
    assert!(
        text.lines().count() < 40_000,
        "{} lines",
        text.lines().count()
    );
}
