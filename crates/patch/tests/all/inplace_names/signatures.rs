//! First signatures. The oracle is zig's linker, which shares nothing with us:
//! a file that it signed, unsigned and signed here, is the same file again.

use crate::common;
use artcheck_patch::inplace::retag::{self, RetagOptions};
use artcheck_patch::inplace::{Tag, sign};

use super::*;
use crate::corpus::{bytes, carried_out, universal, with};

const SIGNED: [&str; 8] = [
    "tvm-0.25/embedding-metal-macos-arm64.dylib",
    "tvm-0.25/extcall-cpu-macos-arm64.dylib",
    "tvm-0.26/dense-metal-macos-arm64.dylib",
    "tvm-0.26/embedding-metal-macos-arm64.dylib",
    "tvm-0.26/hybrid-metal-macos-arm64.dylib",
    "tvm-0.27/dense-metal-macos-arm64.dylib",
    "tvm-0.27/embedding-metal-macos-arm64.dylib",
    "tvm-0.27/extcall-cpu-macos-arm64.dylib",
];

fn word(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")) as usize
}

/// Kind and place of the load commands.
fn commands(image: &[u8]) -> Vec<(usize, usize)> {
    let mut at = 32;
    let mut commands = Vec::new();
    for _ in 0..word(image, 16) {
        commands.push((word(image, at), at));
        at += word(image, at + 4);
    }
    commands
}

/// The image without its signature, which is the last command and the last bytes.
pub(super) fn unsigned(image: &[u8]) -> Vec<u8> {
    let commands = commands(image);
    let (kind, last) = *commands.last().expect("a command");
    assert_eq!(kind, 0x1d, "the signature's command comes last");
    let (start, size) = (word(image, last + 8), word(image, last + 12));
    assert_eq!(start + size, image.len());
    let mut out = with(&image[..start], last..last + 16, &[0; 16]);
    let less = |out: &mut Vec<u8>, at: usize, by: usize| {
        let value = (word(out, at) - by) as u32;
        out[at..at + 4].copy_from_slice(&value.to_le_bytes());
    };
    less(&mut out, 16, 1);
    less(&mut out, 20, 16);
    let linkedit = commands
        .iter()
        .find(|(_, at)| image[at + 8..].starts_with(b"__LINKEDIT\0"));
    less(&mut out, linkedit.expect("a segment").1 + 48, size);
    out
}

fn plan(bytes: &[u8]) -> EditPlan {
    sign::plan(bytes, "model.dylib", Resign::Keep).expect("a plan")
}

#[test]
fn a_first_signature_is_the_linkers_own_to_the_byte() {
    for name in SIGNED {
        let signed = bytes(name);
        let bare = unsigned(&signed);
        let plan = plan(&bare);
        let mut change = named(Named::Signature, "unsigned", "ad-hoc");
        assert_eq!(plan.names, [change.clone()], "{name}");
        let new = carried_out(&bare, &plan);
        assert!(new == signed, "{name}");
        // A second reader that is told something else disagrees.
        change.to = "identity".to_owned();
        let mut other = plan.clone();
        other.names = vec![change];
        assert!(inplace::recheck::check(&bare, &new, &other).is_err());
    }
}

/// zig signs nothing for Intel, so LIEF judges.
#[test]
#[cfg_attr(not(feature = "real-parts"), ignore = "real-parts")]
fn an_intel_library_is_signed_in_small_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    write_sources(folder.path());
    let flags = ["-shared", "dep.c", "-o", "libdep.dylib"];
    zig_cc(folder.path(), "x86_64-macos", &flags);
    let file = folder.path().join("libdep.dylib");
    let bare = std::fs::read(&file).expect("the library");
    there_and_back(&file, &plan(&bare));
    let mut python = Command::new(common::part("venv/tools/bin/python"));
    let script = common::fixture("python/macho_check.py");
    let seen = common::succeed(python.arg(script).arg(&file));
    assert!(seen.contains("\"bad_pages\": 0"), "{seen}");
    let pages = format!("\"signed_pages\": {}", bare.len().div_ceil(4096));
    assert!(seen.contains(&pages), "{pages}: {seen}");
}

#[test]
fn slices_are_signed_where_they_lie_in_both_kinds_of_universal_file() {
    let thin = [bytes(SIGNED[2]), bytes(SIGNED[4])];
    let bare = thin.clone().map(|image| unsigned(&image));
    for wide in [false, true] {
        let signed = universal(&[&thin[0], &thin[1]], wide);
        let old = universal(&[&bare[0], &bare[1]], wide);
        let plan = plan(&old);
        assert_eq!(plan.names.len(), 2);
        let new = carried_out(&old, &plan);
        assert!(new == signed, "64-bit table: {wide}");
        // The retagged slices are those of the thin files.
        let options = retag_to_tir();
        let tir = carried_out(&new, &retag::plan(&new, &options).expect("a plan"));
        for (slice, thin) in inspect_slices(&tir).iter().zip(&thin) {
            let alone = carried_out(thin, &retag::plan(thin, &options).expect("a plan"));
            assert!(*slice == alone.as_slice());
        }
    }
}

fn retag_to_tir() -> RetagOptions<'static> {
    RetagOptions::to(Tag::Tir)
}

/// What artcheck's own reader takes for the slices of a file.
fn inspect_slices(file: &[u8]) -> Vec<&[u8]> {
    let parsed = artcheck_inspect::container::parse(file).expect("a universal file");
    let starts = parsed.iter().map(|parsed| parsed.slice_offset as usize);
    starts
        .map(|start| {
            let end = commands(&file[start..])
                .iter()
                .find(|(kind, _)| *kind == 0x1d)
                .map(|(_, at)| word(&file[start..], at + 8) + word(&file[start..], at + 12));
            &file[start..start + end.expect("a signature")]
        })
        .collect()
}

#[test]
fn an_image_that_no_signature_fits_is_refused() {
    let bare = unsigned(&bytes(SIGNED[1]));
    let refused = |bytes: &[u8]| {
        sign::plan(bytes, "x", Resign::Keep)
            .expect_err("refused")
            .to_string()
    };
    let behind = [bare.as_slice(), b"more"].concat();
    assert!(refused(&behind).contains("does not end with __LINKEDIT"));
    // The first section moved up to the commands.
    let end = 32 + word(&bare, 20);
    let taken = with(&bare, end..end + 1, &[1]);
    assert!(refused(&taken).contains("load commands needs 16 more bytes"));
    // A slice whose neighbour begins directly behind it.
    let mut tight = universal(&[&bare, &bare], false);
    let size = bare.len().next_multiple_of(0x4000) as u32;
    tight[20..24].copy_from_slice(&size.to_be_bytes());
    assert!(sign::plan(&tight, "x", Resign::Keep).is_err());
    for archive in [
        "tvm-0.27/extcall-cpu-ios.tar",
        "synthetic/extcall-0.25-ios.a",
    ] {
        assert!(refused(&bytes(archive)).contains("objects in an archive are not signed"));
    }
    assert!(refused(b"text").contains("this is an unknown file; `patch sign` is for Mach-O files"));
}

#[test]
fn cut_and_changed_images_never_panic() {
    let bare = unsigned(&bytes(SIGNED[1]));
    for end in (0..2048).chain((2048..bare.len()).step_by(997)) {
        let _ = sign::plan(&bare[..end], "x", Resign::Keep);
        let _ = inplace::relocate::plan(&bare[..end], None, Resign::Keep);
    }
    for at in 0..32 + word(&bare, 20) {
        let byte = [0, 0x7f, 0xff][at % 3];
        let changed = with(&bare, at..at + 1, &[byte]);
        if let Ok(plan) = sign::plan(&changed, "x", Resign::Keep) {
            assert!(plan.apply_to(&changed).is_some());
        }
        let _ = inplace::relocate::plan(&changed, None, Resign::Keep);
    }
}
