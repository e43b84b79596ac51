//! Names from untrusted string tables, read within a budget.
//!
//! A symbol table may point a million entries at the same long string. What is
//! looked at and what is kept are therefore both bounded by the size of the
//! input, so that reading stays linear and memory stays below the file's size
//! plus a constant.

use super::names::{begins_like_tvm, may_hold_prefixed};
use crate::error::DecodeError;
use crate::limits::{MAX_KEPT_NAMES, MAX_KEPT_SYMBOLS, MAX_NAME};

/// A string table and what may still be read from it.
pub(super) struct Names<'data> {
    table: &'data [u8],
    /// Offset of the table in the input, for error messages.
    at: u64,
    scan_left: u64,
    keep_left: u64,
    /// Whether more names may be kept than [`MAX_KEPT_NAMES`] allows, by the file's size.
    is_large: bool,
    names_left: u64,
    /// Whether a name may concern TVM without beginning like it, once asked.
    prefixed: Option<bool>,
}

impl<'data> Names<'data> {
    /// Names of `table`, which lies at byte `at` of an input of `size` bytes.
    pub(super) fn new(table: &'data [u8], at: u64, size: usize) -> Self {
        // Real tables are read once; suffix sharing makes it a little more.
        let scan_left = (table.len() as u64)
            .saturating_mul(16)
            .saturating_add(1 << 20);
        let in_file = (size as u64).saturating_add(64 << 10);
        let keep_left = in_file.min(MAX_KEPT_NAMES);
        Self {
            table,
            at,
            scan_left,
            keep_left,
            is_large: in_file > MAX_KEPT_NAMES,
            names_left: MAX_KEPT_SYMBOLS,
            prefixed: None,
        }
    }

    /// What stands at `offset`, from the first byte of a name on.
    pub(super) fn start(&self, offset: u64) -> &'data [u8] {
        usize::try_from(offset)
            .ok()
            .and_then(|offset| self.table.get(offset..))
            .unwrap_or_default()
    }

    /// Whether the name that begins with `start` may concern TVM. Told by its
    /// first bytes in nearly every table; never wrong where it says no.
    pub(super) fn may_concern_tvm(&mut self, start: &[u8]) -> bool {
        begins_like_tvm(start)
            || *self
                .prefixed
                .get_or_insert_with(|| may_hold_prefixed(self.table))
    }

    /// The bytes up to the next NUL at `offset`; `None` when the offset lies
    /// outside, no NUL follows, or the name is longer than any real one.
    pub(super) fn get(&mut self, offset: u64) -> Result<Option<&'data [u8]>, DecodeError> {
        let Some(rest) = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.table.get(offset..))
        else {
            return Ok(None);
        };
        let window = rest.get(..MAX_NAME).unwrap_or(rest);
        let end = memchr::memchr(0, window);
        let looked_at = end.unwrap_or(window.len()) as u64;
        self.scan_left = self.spend(self.scan_left, looked_at, "read")?;
        Ok(end.and_then(|end| window.get(..end)))
    }

    /// An owned copy of a name that is kept.
    pub(super) fn keep(&mut self, name: &[u8]) -> Result<String, DecodeError> {
        let kept = self.spend(self.keep_left, name.len() as u64, "kept");
        self.keep_left = kept.map_err(|error| match self.is_large {
            true => {
                let expected = format!("at most {MAX_KEPT_NAMES} bytes of names that concern TVM");
                DecodeError::limit(self.at, expected, "more")
            }
            false => error,
        })?;
        self.names_left = self.names_left.checked_sub(1).ok_or_else(|| {
            let expected = format!("at most {MAX_KEPT_SYMBOLS} names that concern TVM");
            DecodeError::limit(self.at, expected, "more")
        })?;
        // Nearly every name is ASCII, which is checked faster than it is mended.
        Ok(match std::str::from_utf8(name) {
            Ok(name) => name.to_owned(),
            Err(_) => String::from_utf8_lossy(name).into_owned(),
        })
    }

    fn spend(&self, left: u64, cost: u64, what: &str) -> Result<u64, DecodeError> {
        left.checked_sub(cost).ok_or_else(|| {
            DecodeError::new(
                self.at,
                "symbol names that share at most a small part of the string table",
                format!("more name bytes {what} than the table holds"),
            )
        })
    }
}
