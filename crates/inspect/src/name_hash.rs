//! The hash under which the build script puts a name into a list, and under which it is
//! looked for: FNV-1a of 32 bits. Of a million names that are not in a list of ten thousand
//! two or three are taken for one of it.

/// The hash of a name.
pub(crate) fn of(name: &str) -> u32 {
    let bytes = name.bytes();
    bytes.fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Whether a list of sorted hashes has a name.
#[allow(dead_code, reason = "the build script makes lists alone")]
pub(crate) fn has(list: &[u8], name: &str) -> bool {
    let (hashes, _) = list.as_chunks::<4>();
    let wanted = of(name);
    let hash = |bytes: &[u8; 4]| u32::from_le_bytes(*bytes);
    hashes.binary_search_by_key(&wanted, hash).is_ok()
}
