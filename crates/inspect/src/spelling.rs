//! Names as text, and back: a name is bytes, which need not be UTF-8 and may hold
//! what a terminal acts on.

use std::fmt;
use std::path::Path;

use crate::shown::acts;

/// Whether control characters may stand in a text as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controls {
    /// They may: the text is for programs.
    Kept,
    /// They are written out: the text is for people.
    Escaped,
}

/// Writes a name as text from which it can be told again: bytes that are no
/// UTF-8 as `\x{ff}`, characters that a terminal acts on as `\u{a}`, and the
/// backslash where it would be taken for the begin of one of these.
pub fn spell(name: &[u8], controls: Controls, out: &mut dyn fmt::Write) -> fmt::Result {
    for chunk in name.utf8_chunks() {
        let text = chunk.valid();
        for (at, character) in text.char_indices() {
            let rest = text.get(at..).unwrap_or_default();
            let escape = match character {
                '\\' => rest.starts_with("\\x{") || rest.starts_with("\\u{"),
                _ => controls == Controls::Escaped && acts(character),
            };
            if escape {
                write!(out, "{}", character.escape_unicode())?;
            } else {
                out.write_char(character)?;
            }
        }
        for byte in chunk.invalid() {
            write!(out, "\\x{{{byte:02x}}}")?;
        }
    }
    Ok(())
}

/// Paths as people read them.
pub trait Spelled {
    /// The path on one line, with nothing that a terminal acts on.
    fn spelled(&self) -> String;
}

impl Spelled for Path {
    fn spelled(&self) -> String {
        let mut text = String::new();
        let _ = spell(
            self.as_os_str().as_encoded_bytes(),
            Controls::Escaped,
            &mut text,
        );
        text
    }
}

/// The bytes of a name that [`spell`] wrote.
pub fn unspell(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        bytes.extend_from_slice(before.as_bytes());
        let escape = from.split_once('}').and_then(|(escape, after)| {
            let (kind, digits) = escape.split_at_checked(3)?;
            let value = u32::from_str_radix(digits, 16).ok()?;
            let mut buffer = [0; 4];
            let escaped = match kind {
                "\\x{" => vec![u8::try_from(value).ok()?],
                "\\u{" => char::from_u32(value)?
                    .encode_utf8(&mut buffer)
                    .as_bytes()
                    .to_vec(),
                _ => return None,
            };
            Some((escaped, after))
        });
        match escape {
            Some((escaped, after)) => {
                bytes.extend_from_slice(&escaped);
                rest = after;
            }
            None => {
                bytes.push(b'\\');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
