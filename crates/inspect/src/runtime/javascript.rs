//! JavaScript as brackets, strings and comments.

use memchr::memmem;

/// Every string in double quotes.
pub(super) fn quoted(text: &[u8]) -> impl Iterator<Item = String> {
    let parts = text.split(|byte| *byte == b'"');
    let strings = parts.skip(1).step_by(2);
    strings.map(|part| String::from_utf8_lossy(part).into_owned())
}

/// How many brackets are open.
#[derive(Clone, Copy, Default)]
pub(super) struct Nesting {
    pub(super) all: usize,
    pub(super) braces: usize,
}

/// Calls `each` at every byte of code, strings and comments passed over, up to the end
/// of the brackets that the text begins with.
pub(super) fn code(text: &[u8], mut each: impl FnMut(Nesting, usize)) {
    let mut nesting = Nesting::default();
    let mut at = 0usize;
    while let Some(byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let skipped = match byte {
            b'"' | b'\'' | b'`' => string_length(rest),
            b'/' if rest.starts_with(b"//") => find(rest, b"\n").unwrap_or(rest.len()),
            b'/' if rest.starts_with(b"/*") => {
                find(rest, b"*/").map_or(rest.len(), |end| end.saturating_add(2))
            }
            _ => 0,
        };
        if skipped > 0 {
            at = at.saturating_add(skipped);
            continue;
        }
        let brace = usize::from(matches!(byte, b'{' | b'}'));
        match byte {
            b'{' | b'(' | b'[' => {
                nesting.all = nesting.all.saturating_add(1);
                nesting.braces = nesting.braces.saturating_add(brace);
            }
            b'}' | b')' | b']' => {
                nesting.all = nesting.all.saturating_sub(1);
                nesting.braces = nesting.braces.saturating_sub(brace);
            }
            _ => {}
        }
        if nesting.all == 0 {
            return;
        }
        each(nesting, at);
        at = at.saturating_add(1);
    }
}

/// Bytes of the string that the text begins with, quotes included.
fn string_length(text: &[u8]) -> usize {
    let Some(quote) = text.first() else { return 0 };
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}

pub(super) fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    memmem::find(text, what)
}
