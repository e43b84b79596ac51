//! Blobs in archives, universal files, data segments; signatures.

use super::*;
use crate::common;

/// One member in an archive.
mod packed {
    use super::*;

    pub fn tar_gz(member: &[u8]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in [
            ("._lib0.o", &[0, 5, 0x16, 7, 0, 2, 0, 0][..]),
            ("lib0.o", member),
        ] {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, name, content)
                .expect("a member");
        }
        let tar = tar.into_inner().expect("an archive");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&tar).expect("memory");
        gzip.finish().expect("memory")
    }

    pub fn ar(member: &[u8]) -> Vec<u8> {
        let mut out = b"!<arch>\n".to_vec();
        for (name, content) in [("readme.txt/", &b"odd"[..]), ("lib0.o/", member)] {
            out.extend(
                format!(
                    "{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n",
                    0,
                    0,
                    0,
                    644,
                    content.len()
                )
                .bytes(),
            );
            out.extend(content);
            out.resize(out.len().next_multiple_of(2), b'\n');
        }
        out
    }
}

#[test]
fn members_of_archives_change_where_they_lie() {
    let object = bytes("tvm-0.26/dense-cpu-x86_64.so");
    let ar = packed::ar(&object);
    let plan = retag::plan(&ar, &to(Tag::Tir)).expect("a plan");
    let new = carried_out(&ar, &plan);
    assert_eq!(new.len(), ar.len());
    assert_eq!(plan.libraries[0].member, "lib0.o");

    let packed = packed::tar_gz(&object);
    let plan = retag::plan(&packed, &to(Tag::Tir)).expect("a plan");
    let new = carried_out(&packed, &plan);
    let unpack = |bytes: &[u8]| {
        let mut out = Vec::new();
        flate2::read::GzDecoder::new(bytes)
            .read_to_end(&mut out)
            .expect("gzip");
        out
    };
    assert_eq!(unpack(&new).len(), unpack(&packed).len());
    let inner = retag::plan(&object, &to(Tag::Tir))
        .expect("a plan")
        .apply_to(&object)
        .expect("fits");
    assert!(
        unpack(&new)
            .windows(inner.len())
            .any(|window| window == inner),
        "the member is the retagged object"
    );
    assert!(plan.notes.iter().any(|note| note.contains("packed again")));
}

#[test]
fn both_slices_of_a_universal_file_change_and_are_signed_again() {
    let thin = bytes("tvm-0.26/dense-metal-macos-arm64.dylib");
    let fat = universal(
        &[&thin, &bytes("tvm-0.26/hybrid-metal-macos-arm64.dylib")],
        false,
    );
    let plan = retag::plan(&fat, &to(Tag::Tir)).expect("a plan");
    let new = carried_out(&fat, &plan);
    assert_eq!(plan.libraries.len(), 2);
    let slice = &new[0x4000..0x4000 + thin.len()];
    let alone = retag::plan(&thin, &to(Tag::Tir))
        .expect("a plan")
        .apply_to(&thin)
        .expect("fits");
    assert_eq!(slice, alone, "a slice is what the thin file becomes");
}

#[test]
fn page_hashes_are_renewed_alone() {
    let name = "tvm-0.26/dense-metal-macos-arm64.dylib";
    let old = bytes(name);
    let plan = sign::plan(&old, "", Resign::Keep).expect("a signed file");
    assert!(plan.is_empty(), "the linker's hashes match");
    let at = library(&old).file_offset as usize + 3000;
    let mut broken = old.clone();
    broken[at] ^= 1;
    let plan = sign::plan(&broken, "", Resign::Keep).expect("a signed file");
    assert_eq!(plan.edits.len(), 1, "one page, one hash");
    let renewed = plan.apply_to(&broken).expect("fits");
    assert!(
        sign::plan(&renewed, "", Resign::Keep)
            .expect("signed")
            .is_empty()
    );
}

#[test]
fn a_team_signature_is_replaced_only_when_asked() {
    let old = as_if_signed_by_a_team(&bytes("tvm-0.26/dense-metal-macos-arm64.dylib"));
    let error = retag::plan(&old, &to(Tag::Tir)).expect_err("a team's signature");
    assert!(error.to_string().contains("team ABCDE12345"), "{error}");
    let options = RetagOptions {
        resign: Resign::AdHoc,
        ..to(Tag::Tir)
    };
    let plan = retag::plan(&old, &options).expect("asked for");
    let new = carried_out(&old, &plan);
    assert!(
        plan.notes
            .iter()
            .any(|note| note.contains("team ABCDE12345") && note.contains("lost")),
        "{:?}",
        plan.notes
    );
    let parsed = container::parse(&new).expect("a binary");
    assert_eq!(parsed[0].binary.signature, container::Signature::AdHoc);
}

/// The ad-hoc directory without its flag, with a team. Larger pages take fewer
/// hashes, which makes room for the team's name.
fn as_if_signed_by_a_team(bytes: &[u8]) -> Vec<u8> {
    const TEAM: &[u8] = b"ABCDE12345\0";
    let parsed = container::parse(bytes).expect("a binary");
    assert_eq!(parsed[0].binary.signature, container::Signature::AdHoc);
    let start = bytes
        .windows(4)
        .rposition(|window| window == [0xfa, 0xde, 0x0c, 0xc0])
        .expect("a signature");
    let mut out = bytes.to_vec();
    let directory = start + word(bytes, start + 16);
    let hashes = word(bytes, directory + 16);
    let put = |out: &mut Vec<u8>, at: usize, value: usize| {
        out[at..at + 4].copy_from_slice(&(value as u32).to_be_bytes())
    };
    let flags = word(bytes, directory + 12);
    let limit = word(bytes, directory + 32);
    put(&mut out, directory + 12, flags & !2);
    put(&mut out, directory + 16, hashes + TEAM.len());
    put(&mut out, directory + 24, 0);
    put(&mut out, directory + 28, limit.div_ceil(1 << 15));
    put(&mut out, directory + 48, hashes);
    out[directory + 39] = 15;
    let at = directory + hashes;
    out[at..at + TEAM.len()].copy_from_slice(TEAM);
    out
}

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

/// Data segments cut at runs of zeros, as wasm-opt does it.
#[test]
fn a_blob_in_many_data_segments_moves_in_memory() {
    let source = library(&bytes("tvm-0.26/dense-cpu-x86_64.so"));
    let file = bytes("tvm-0.26/dense-cpu-x86_64.so");
    let length = source.blob.expect("a blob").length as usize;
    let blob = &file[source.file_offset as usize..source.file_offset as usize + length];
    for (before, after) in [
        (&b"before\0"[..], &b"behind the blob"[..]),
        (b"", b""),
        (b"x", &[0; 64]),
    ] {
        let old = wasm(&[before, blob, after].concat());
        let there = retag::plan(&old, &to(Tag::Tir)).expect("a plan");
        let tir = carried_out(&old, &there);
        assert_eq!(tir.len(), old.len());
        let memory = &container::parse(&tir).expect("wasm")[0].regions;
        let at = |address: usize, length: usize| -> Vec<u8> {
            let region = memory.iter().find(|region| {
                (region.address..region.address + region.data.len() as u64)
                    .contains(&(address as u64))
            });
            let region = region.expect("memory there");
            let start = address - region.address as usize;
            region.data[start..start + length].to_vec()
        };
        assert_eq!(at(1024, before.len().max(1))[..before.len()], *before);
        if after.first() == Some(&b'b') {
            assert_eq!(
                at(1024 + before.len() + length, after.len()),
                after,
                "what follows stays where it was"
            );
        }
        let options = RetagOptions {
            rooms: there.room,
            ..to(Tag::Tirx)
        };
        let back = retag::plan(&tir, &options).expect("a plan");
        assert_eq!(carried_out(&tir, &back), old);
        let without = retag::plan(&tir, &to(Tag::Tirx)).expect("a plan without the receipt");
        let grown = carried_out(&tir, &without);
        // The empty scopes are zeros that the module does not store.
        assert!(
            without.libraries[0]
                .changes
                .iter()
                .any(|change| matches!(change, Change::ContextString { cut: 1, .. }))
        );
        assert_eq!(
            library(&grown).blob.expect("a blob").layout,
            BlobLayout::TreeFirst
        );
    }
}

fn wasm(memory: &[u8]) -> Vec<u8> {
    const BASE: usize = 1024;
    /// Shorter runs of zeros stay inside a segment.
    const RUN: usize = 9;
    let mut segments: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut at = 0;
    while at < memory.len() {
        let zeros = memory[at..].iter().take_while(|byte| **byte == 0).count();
        if zeros >= RUN || (zeros > 0 && segments.is_empty()) {
            at += zeros;
            segments.push((BASE + at, Vec::new()));
            continue;
        }
        if segments.is_empty() {
            segments.push((BASE, Vec::new()));
        }
        let end = (at + zeros.max(1)).min(memory.len());
        segments.last_mut().expect("one").1.extend(&memory[at..end]);
        at = end;
    }
    segments.retain(|(_, data)| !data.is_empty());
    assert!(segments.len() > 50, "{}", segments.len());
    let mut section = leb(segments.len());
    for (address, data) in &segments {
        section.extend([0, 0x41]);
        section.extend(signed_leb(*address));
        section.push(0x0b);
        section.extend(leb(data.len()));
        section.extend(data);
    }
    let mut out = b"\0asm\x01\0\0\0".to_vec();
    out.extend([5, 3, 1, 0, 16]); // one memory of 16 pages
    out.push(11);
    out.extend(leb(section.len()));
    out.extend(section);
    out
}

fn leb(mut value: usize) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let more = value >= 0x80;
        out.push((value & 0x7f) as u8 | if more { 0x80 } else { 0 });
        value >>= 7;
        if !more {
            return out;
        }
    }
}

fn signed_leb(value: usize) -> Vec<u8> {
    let mut out = leb(value);
    if let Some(last) = out.last_mut().filter(|last| **last & 0x40 != 0) {
        *last |= 0x80;
        out.push(0);
    }
    out
}

/// Every kind of file the corpus has, with a change that each of them can take.
#[test]
fn every_container_takes_a_change() {
    let runtime = release("tvm-0.22");
    for name in [
        "tvm-0.27/embedding-cpu-x86_64.so",
        "tvm-0.27/embedding-cpu-aarch64.so",
        "tvm-0.26/embedding-cuda-x86_64.so",
        "tvm-0.27/extcall-cpu-macos-arm64.dylib",
        "tvm-0.27/embedding-metal-macos-arm64.dylib",
        "tvm-0.27/extcall-cpu-windows-x64.dll",
        "tvm-0.27/embedding-cpu-windows-x64.dll",
        "tvm-0.27/extcall-cpu-ios.tar",
        "tvm-0.27/embedding-metal-ios.tar",
        "tvm-0.27/embedding-webgpu.wasm",
        "synthetic/extcall-0.25-ios.a",
        "synthetic/extcall-0.25-ios-appledouble.tar",
        "synthetic/extcall-0.27-universal.dylib",
        "synthetic/extcall-0.27-devc.o",
    ] {
        let old = bytes(name);
        let plan = convert::plan(&old, &runtime, &partial())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!plan.libraries.is_empty(), "{name}");
        for library in &plan.libraries {
            assert!(
                library.changes.contains(&Change::HeaderV1 { module: 0 }),
                "{name}: {}",
                plan.describe()
            );
        }
        let new = carried_out(&old, &plan);
        let compressed = old.starts_with(&[0x1f, 0x8b]);
        assert!(compressed || new.len() == old.len(), "{name}");
        let again = convert::plan(&new, &runtime, &partial()).expect("a plan");
        assert!(again.is_empty(), "{name}: {}", again.describe());
        // A metal payload of that age is longer; a quoted text pays for it.
        let shorter = plan
            .libraries
            .iter()
            .flat_map(|library| &library.changes)
            .any(|change| matches!(change, Change::ContextString { .. }));
        assert_eq!(shorter, name.contains("-metal-"), "{name}");
        if !compressed && !shorter && !name.ends_with(".a") && !name.ends_with(".tar") {
            assert!(listing(&old) == listing(&new), "{name}");
        }
    }
}

/// The eight zeros that a V1 header drops are not stored here, and the last
/// segment of the blob holds what follows it too: eight zeros would have to be
/// stored behind the blob, and there are no bytes for them.
#[test]
fn a_segment_without_room_is_refused() {
    let old = bytes("synthetic/embedding-0.25-webgpu-split.wasm");
    let error = convert::plan(&old, &release("tvm-0.22"), &partial()).expect_err("no room");
    assert!(
        error
            .to_string()
            .contains("needs bytes that the module does not store"),
        "{error}"
    );
}

/// An object and a DLL for Windows around the same blob, by the pinned zig.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn objects_and_dlls_made_from_a_blob_change_too() {
    let file = bytes("tvm-0.26/dense-cpu-x86_64.so");
    let source = library(&file);
    let start = source.file_offset as usize;
    let blob = &file[start..start + source.blob.expect("a blob").length as usize];
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("blob.bin"), blob).expect("a file");
    for (target, section, symbol, out, flags) in [
        (
            "x86_64-linux-gnu",
            ".section .rodata",
            "__tvm_ffi__library_bin",
            "elf.o",
            &["-c"][..],
        ),
        (
            "x86_64-windows-gnu",
            ".section .rdata,\"dr\"",
            "__tvm_ffi__library_bin",
            "coff.obj",
            &["-c"],
        ),
        (
            "aarch64-macos",
            ".section __TEXT,__const",
            "___tvm_ffi__library_bin",
            "macho.o",
            &["-c"],
        ),
        (
            "aarch64-macos",
            ".section __TEXT,__const",
            "___tvm_ffi__library_bin",
            "macho.dylib",
            &["-shared"],
        ),
    ] {
        let text =
            format!("{section}\n.globl {symbol}\n{symbol}:\n.incbin \"blob.bin\"\n.byte 7,7,7\n");
        let assembly = folder.path().join("blob.s");
        std::fs::write(&assembly, text).expect("a file");
        let mut zig = std::process::Command::new(common::part("venv/tools/bin/python"));
        zig.args(["-m", "ziglang", "cc", "-target", target])
            .args(flags)
            .args(["blob.s", "-o", out]);
        common::succeed(zig.current_dir(folder.path()));
        let old = std::fs::read(folder.path().join(out)).expect("the result");
        let plan =
            retag::plan(&old, &to(Tag::Tir)).unwrap_or_else(|error| panic!("{out}: {error}"));
        let tir = carried_out(&old, &plan);
        let end = library(&tir).file_offset as usize + blob.len();
        assert_eq!(
            tir[end - 1..end + 3],
            [0, 7, 7, 7],
            "{out}: what follows stays where it was"
        );
        let back = retag::plan(&tir, &to(Tag::Tirx)).expect("a plan");
        assert!(listing(&carried_out(&tir, &back)) == listing(&old), "{out}");
    }
}
