//! Archives of one member or few, and what they unpack to.

use std::io::Write;

use artcheck_inspect::limits::{MAX_UNPACK_RATIO, MAX_UNPACKED_BYTES, RATIO_FREE_BYTES};

pub fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, name, bytes).unwrap();
    archive.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// Zeros pack a thousandfold, and are counted where they are unpacked.
pub fn unpacked(library: &[u8], over: bool) -> Vec<u8> {
    let pieces = if over { 32 } else { 31 };
    assert_eq!(pieces * PIECE >= RATIO_FREE_BYTES, over);
    zeros_behind(library, &[], pieces)
}

/// A file so large that its size allows more than all that is unpacked of a file.
pub fn unpacked_at_length(library: &[u8], over: bool) -> Vec<u8> {
    let random = (0..MAX_UNPACKED_BYTES / MAX_UNPACK_RATIO / 8).scan(1u64, |state, _| {
        *state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Some(*state)
    });
    let random: Vec<u8> = random.flat_map(u64::to_le_bytes).collect();
    let pieces = MAX_UNPACKED_BYTES / PIECE;
    let bytes = zeros_behind(library, &random, if over { pieces } else { pieces / 16 });
    assert!(bytes.len() as u64 * MAX_UNPACK_RATIO > MAX_UNPACKED_BYTES);
    bytes
}

/// Zeros that are packed at once.
const PIECE: u64 = 16 << 20;

/// A library in a packed tar, before a text of `noise` and so many pieces of zeros.
fn zeros_behind(library: &[u8], noise: &[u8], pieces: u64) -> Vec<u8> {
    let piece = gzip(&vec![0; PIECE as usize]);
    let mut header = tar::Header::new_ustar();
    header.set_path("notes.txt").unwrap();
    header.set_size(noise.len() as u64 + pieces * PIECE);
    header.set_cksum();
    let first = tar("lib.wasm", library);
    // Up to the zero blocks that end an archive.
    let mut bytes = gzip(&first[..first.len() - 1024]);
    bytes.extend(gzip(header.as_bytes()));
    let mut stored = flate2::write::GzEncoder::new(bytes, flate2::Compression::none());
    stored.write_all(noise).unwrap();
    let mut bytes = stored.finish().unwrap();
    for _ in 0..pieces {
        bytes.extend(&piece);
    }
    bytes
}
