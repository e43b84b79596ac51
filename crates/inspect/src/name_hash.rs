//! The hash under which the build script puts a name into a list, and under which it is
//! looked for: the first three bytes of FNV-1a of 32 bits. Of two thousand names that are
//! not in a list of ten thousand one is taken for one of it.

/// The hash of a name.
pub(crate) fn of(name: &str) -> [u8; 3] {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let [first, second, third, _] = hash.to_be_bytes();
    [first, second, third]
}

/// Whether a list of sorted hashes has a name.
#[allow(dead_code, reason = "the build script makes lists alone")]
pub(crate) fn has(list: &[u8], name: &str) -> bool {
    let (hashes, _) = list.as_chunks::<3>();
    hashes.binary_search(&of(name)).is_ok()
}
