//! What is said of a file that its own headers do not fit.

use crate::error::DecodeError;

/// Fails unless `size` bytes at `offset` lie in `data`.
pub(super) fn within(
    data: &[u8],
    offset: u64,
    size: u64,
    what: &'static str,
) -> Result<(), DecodeError> {
    let end = offset.checked_add(size);
    if end.is_some_and(|end| end <= data.len() as u64) {
        return Ok(());
    }
    Err(DecodeError::cut(offset, what, size, data))
}

/// An error of the `object` crate with its place.
pub(super) fn bad(at: u64, expected: &'static str, error: object::read::Error) -> DecodeError {
    DecodeError::new(at, expected, error)
}
