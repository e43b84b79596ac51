//! The one error of the decoders: where, what was expected, what was found.

use std::borrow::Cow;

/// A place in the input that does not decode.
///
/// `at` counts bytes from the start of the structure handed to the decoder
/// (a file, an archive member, a blob, an executable); callers that know the
/// structure's own position add it with [`DecodeError::rebase`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("at byte {at:#x}: expected {expected}, found {found}")]
pub struct DecodeError {
    /// Byte offset of the field that does not fit.
    pub at: u64,
    /// What a valid file has there.
    pub expected: Cow<'static, str>,
    /// What this file has there.
    pub found: String,
    /// Whether the file may be sound: it holds more than is read.
    pub is_limit: bool,
}

impl DecodeError {
    /// An error at byte `at`.
    pub fn new(
        at: u64,
        expected: impl Into<Cow<'static, str>>,
        found: impl std::fmt::Display,
    ) -> Self {
        Self {
            at,
            expected: expected.into(),
            found: found.to_string(),
            is_limit: false,
        }
    }

    /// `size` bytes of something at byte `at`, and `data` ends before they do.
    pub(crate) fn cut(at: u64, what: &str, size: u64, data: &[u8]) -> Self {
        let left = (data.len() as u64).saturating_sub(at);
        let found = format!("{left} up to the end of the file: truncated");
        Self::new(at, format!("{what} of {size} bytes"), found)
    }

    /// The file may be sound; it holds more than the limit that `expected` names.
    pub fn limit(
        at: u64,
        expected: impl Into<Cow<'static, str>>,
        found: impl std::fmt::Display,
    ) -> Self {
        Self {
            is_limit: true,
            ..Self::new(at, expected, found)
        }
    }

    /// Of two attempts at the same bytes, the error that says more: a limit, for
    /// what is behind it was not looked at, or else the one that came further.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        if (other.is_limit, other.at) > (self.is_limit, self.at) {
            other
        } else {
            self
        }
    }

    /// The same error counted from `base` bytes further out.
    #[must_use]
    pub fn rebase(mut self, base: u64) -> Self {
        self.at = self.at.saturating_add(base);
        self
    }
}
