//! An independent, small writer for tests: the same library with the tag `tir`.

/// A copy of an ELF model library whose tag constant is `tir` instead of `tirx`.
///
/// Takes the one length-prefixed string `tirx` of the executable, drops its last
/// letter, and closes the gap within the blob: what follows moves up one byte,
/// the lengths of executable and blob shrink by one, the file keeps its size.
pub fn with_tag_tir(library: &[u8]) -> Vec<u8> {
    let mut bytes = library.to_vec();
    let constant = only(&bytes, b"\x41\0\0\0\x04\0\0\0\0\0\0\0tirx");
    let kind = only(&bytes, b"\x12\0\0\0\0\0\0\0relax.VMExecutable");
    let payload_length = kind + 26;
    // A tree of two modules: count 3, three words, count 1, one word, kind.
    let blob = kind - 8 * 7;
    let blob_length = u64_at(&bytes, blob);
    let end = blob + 8 + usize::try_from(blob_length).expect("a length");
    assert!(blob < constant && constant < end && end <= bytes.len());
    assert_eq!(
        u64_at(&bytes, blob + 8),
        3,
        "expected a blob of two modules"
    );

    bytes[constant + 4] = 3;
    bytes.copy_within(constant + 16..end, constant + 15);
    bytes[end - 1] = 0;
    for at in [blob, payload_length] {
        let length = u64_at(&bytes, at) - 1;
        bytes[at..at + 8].copy_from_slice(&length.to_le_bytes());
    }
    bytes
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn only(bytes: &[u8], pattern: &[u8]) -> usize {
    let mut found = bytes
        .windows(pattern.len())
        .enumerate()
        .filter(|(_, w)| *w == pattern);
    let (at, _) = found.next().expect("the pattern occurs");
    assert!(found.next().is_none(), "the pattern occurs twice");
    at
}
