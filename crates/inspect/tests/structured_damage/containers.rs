//! What is damaged: the corpus, archives made of it, and floods.

use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus/artifacts")
}

fn artifact(name: &str) -> Vec<u8> {
    let path = corpus().join(name);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every artifact of the corpus, and containers that it has none of.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["synthetic", "tvm-0.25", "tvm-0.26", "tvm-0.27"] {
        for entry in fs::read_dir(corpus().join(folder)).expect("the corpus is there") {
            let path = entry.expect("a file of the corpus").path();
            let name = path
                .strip_prefix(corpus())
                .expect("below it")
                .display()
                .to_string();
            if !name.ends_with(".as_text") && !name.ends_with(".json") {
                files.push((name, fs::read(&path).expect("a readable file")));
            }
        }
    }
    assert!(files.len() > 80, "only {} artifacts", files.len());
    files.sort();
    let so = artifact("tvm-0.27/extcall-cpu-x86_64.so");
    let tar = artifact("tvm-0.27/extcall-cpu-ios.tar");
    for (name, bytes) in [
        (
            "made.zip",
            zip_of(&[("lib.so", &so), ("in.tar", &tar)], true),
        ),
        (
            "made.whl",
            zip_of(&[("pkg/lib.so", &so), ("in.tar", &tar)], false),
        ),
        ("made.tar", tar_of(&[("a.so", &so), ("b/in.tar", &tar)])),
        ("made-64.zip", zip64_of(&so)),
        (
            "made-fat64.dylib",
            fat64_of(&artifact("tvm-0.27/extcall-cpu-macos-arm64.dylib")),
        ),
    ] {
        files.push((name.to_owned(), bytes));
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar).expect("written to memory");
    files.push((
        "made.tar.gz".to_owned(),
        gzip.finish().expect("written to memory"),
    ));
    files
}

/// Well-formed files that repeat what costs: names, members, slices, functions.
pub fn floods() -> Vec<(&'static str, Vec<u8>)> {
    let so = artifact("tvm-0.27/extcall-cpu-x86_64.so");
    let dylib = artifact("tvm-0.27/extcall-cpu-macos-arm64.dylib");
    let deep = (0..40).fold(so.clone(), |inner, _| zip_of(&[("in.zip", &inner)], false));
    vec![
        ("functions.bin", functions(200_000)),
        ("shared-name.a", shared_name(20_000, 1 << 20)),
        ("overlapping.zip", overlapping(&so, 20_000)),
        ("climbing.tar", climbing(40_000)),
        ("slices.dylib", slices(&dylib, 60)),
        ("libraries.a", libraries(2_000)),
        ("deep.zip", deep),
    ]
}

fn zip_of(members: &[(&str, &[u8])], packed: bool) -> Vec<u8> {
    let method = if packed {
        zip::CompressionMethod::Deflated
    } else {
        zip::CompressionMethod::Stored
    };
    let options = SimpleFileOptions::default().compression_method(method);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        archive.start_file(*name, options).expect("a member");
        archive.write_all(bytes).expect("written to memory");
    }
    archive.finish().expect("written to memory").into_inner()
}

/// With the fields of zip64, which a small file does not need.
fn zip64_of(bytes: &[u8]) -> Vec<u8> {
    let options = SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .large_file(true);
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("lib.so", options).expect("a member");
    archive.write_all(bytes).expect("written to memory");
    archive.finish().expect("written to memory").into_inner()
}

fn tar_of(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive
            .append_data(&mut header, name, *bytes)
            .expect("written to memory");
    }
    archive.into_inner().expect("written to memory")
}

/// A universal file of one slice with 64-bit offsets.
fn fat64_of(slice: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for word in [0xcafe_babfu32, 1, 0x0100_000c, 0] {
        out.extend(word.to_be_bytes());
    }
    for word in [0x4000u64, slice.len() as u64] {
        out.extend(word.to_be_bytes());
    }
    out.extend([0, 0, 0, 14, 0, 0, 0, 0]);
    out.resize(0x4000, 0);
    out.extend(slice);
    out
}

fn slices(slice: &[u8], count: u32) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(0xcafe_babeu32.to_be_bytes());
    out.extend(count.to_be_bytes());
    let size = u32::try_from(slice.len()).expect("a small file");
    for _ in 0..count {
        for word in [0x0100_000cu32, 0, 0x4000, size, 14] {
            out.extend(word.to_be_bytes());
        }
    }
    out.resize(0x4000, 0);
    out.extend(slice);
    out
}

/// A bare executable whose table asks for functions that no runtime has.
fn functions(count: u64) -> Vec<u8> {
    let mut out = 0xD225_DE2F_4214_151Eu64.to_le_bytes().to_vec();
    out.extend(4u64.to_le_bytes());
    out.extend(b"0.14");
    out.extend(count.to_le_bytes());
    for index in 0..count {
        let name = format!("vm.lost.{index}");
        out.extend(0u32.to_le_bytes());
        out.extend((name.len() as u64).to_le_bytes());
        out.extend(name.as_bytes());
        for word in [0i64, 0, -2, 0, 0] {
            out.extend(word.to_le_bytes());
        }
    }
    // No scopes, constants, offsets or code.
    out.extend([0; 32]);
    out
}

fn ar_member(out: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    out.extend(
        format!(
            "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
            0,
            0,
            0,
            644,
            bytes.len()
        )
        .as_bytes(),
    );
    out.extend(bytes);
    if !bytes.len().is_multiple_of(2) {
        out.push(b'\n');
    }
}

fn ar_of<'a>(members: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    for (name, bytes) in members {
        ar_member(&mut out, &format!("{name}/"), bytes);
    }
    out
}

/// An archive whose members all have one name of `length` bytes.
fn shared_name(count: usize, length: usize) -> Vec<u8> {
    let mut out = b"!<arch>\n".to_vec();
    let mut table = vec![b'a'; length];
    table.extend(b".o/\n");
    ar_member(&mut out, "//", &table);
    for _ in 0..count {
        ar_member(&mut out, "/0", b"");
    }
    out
}

/// A zip whose directory names one member again and again.
fn overlapping(bytes: &[u8], count: u16) -> Vec<u8> {
    let whole = zip_of(&[("lib.so", bytes)], false);
    let at = |magic: &[u8]| whole.windows(4).rposition(|window| window == magic);
    let directory = at(b"PK\x01\x02").expect("a directory");
    let end = at(b"PK\x05\x06").expect("its end");
    let mut out = whole[..directory].to_vec();
    for _ in 0..count {
        out.extend(&whole[directory..end]);
    }
    let size = u32::try_from(out.len() - directory).expect("a small file");
    let mut tail = whole[end..].to_vec();
    tail[8..10].copy_from_slice(&count.to_le_bytes());
    tail[10..12].copy_from_slice(&count.to_le_bytes());
    tail[12..16].copy_from_slice(&size.to_le_bytes());
    out.extend(tail);
    out
}

/// An archive that holds one model library many times.
pub fn libraries(count: usize) -> Vec<u8> {
    let object = artifact("synthetic/extcall-0.27-devc.o");
    ar_of((0..count).map(|_| ("devc.o", &object[..])))
}

/// A tar of empty members whose names climb out of it.
pub fn climbing(count: usize) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for index in 0..count {
        let mut header = tar::Header::new_ustar();
        let name = format!("../{index}.o");
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(0);
        header.set_cksum();
        archive.append(&header, &[][..]).expect("written to memory");
    }
    archive.into_inner().expect("written to memory")
}
