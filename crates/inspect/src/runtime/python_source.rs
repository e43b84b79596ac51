//! Global functions that Python source registers by a name written in it:
//! `register_global_func("name")` and `register_func("name")`, as decorators or
//! calls, whatever module they are taken from. Nothing is executed: a name that
//! is computed is not seen, and text in comments and strings does not count.

/// What every source has that registers something.
pub const SIGN: &[u8] = b"register_";

/// The functions that register.
const REGISTER: [&str; 2] = ["register_global_func", "register_func"];

/// The names that `source` registers, in order.
pub fn registered(source: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = source;
    // Whether only spaces and comments came after the opening of a call that registers.
    let mut called = false;
    while let Some(at) = memchr::memchr3(b'#', b'"', b'\'', rest.as_bytes()) {
        let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
        called = if before.trim_start().is_empty() {
            called
        } else {
            opens(before)
        };
        rest = match from.as_bytes().first() {
            Some(b'#') => memchr::memchr(b'\n', from.as_bytes())
                .and_then(|end| from.get(end..))
                .unwrap_or_default(),
            Some(quote) => {
                let (text, after) = string(from, *quote);
                let ends = after.trim_start();
                if called && (ends.starts_with(',') || ends.starts_with(')')) {
                    names.push(text);
                }
                called = false;
                after
            }
            None => break,
        };
    }
    names
}

/// Whether code ends with the opening of a call that registers, spaces aside. The
/// prefix of a string (`f"..."`) is a word behind it: what that holds is computed.
fn opens(code: &str) -> bool {
    let called = code.trim_end().strip_suffix('(');
    let called = called.map(|called| called.trim_end_matches([' ', '\t']));
    called.is_some_and(|called| {
        let before = REGISTER.iter().find_map(|name| called.strip_suffix(name));
        before.is_some_and(|before| !before.ends_with(is_word))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text of the string literal that `rest` begins with, and what follows it.
fn string(rest: &str, quote: u8) -> (&str, &str) {
    let triple = [quote; 3];
    let end: &[u8] = match rest.as_bytes().starts_with(&triple) {
        true => &triple,
        false => triple.get(..1).unwrap_or_default(),
    };
    let is_line = end.len() == 1;
    let body = rest.get(end.len()..).unwrap_or_default();
    let mut at = 0usize;
    while let Some(left) = body.as_bytes().get(at..) {
        // A line end closes what was not closed: damaged source, not more of the text.
        let found = match is_line {
            true => memchr::memchr3(b'\\', quote, b'\n', left),
            false => memchr::memchr2(b'\\', quote, left),
        };
        let Some(found) = found else { break };
        at = at.saturating_add(found);
        let left = body.get(at..).unwrap_or_default();
        if left.as_bytes().starts_with(end) {
            let after = left.get(end.len()..).unwrap_or_default();
            return (body.get(..at).unwrap_or_default(), after);
        }
        let mut letters = left.chars();
        at = at.saturating_add(match letters.next() {
            Some('\n') => return ("", left),
            Some('\\') => letters
                .next()
                .map_or(1, |escaped| escaped.len_utf8().saturating_add(1)),
            _ => 1,
        });
    }
    ("", "")
}

#[cfg(test)]
mod tests {
    use super::registered;

    #[test]
    fn names_are_read_from_decorators_and_calls() {
        let source = r#"
@tvm.register_global_func("relax.run.unique")
def unique(data): ...

@tvm_ffi.register_global_func(
    'a.b', override=True)
def other(): ...
tvm._ffi.register_func("c.d", lambda x: x)
register_func(  # as "named"
    "e.f")
register_func ("""g.h""")
"i"register_func("j.k")
"#;
        assert_eq!(
            registered(source),
            ["relax.run.unique", "a.b", "c.d", "e.f", "g.h", "j.k"]
        );
    }

    #[test]
    fn what_is_computed_or_only_told_is_not_read() {
        let source = r##"
# register_func("in.a.comment")
"""register_func("in.a.docstring")"""
register_func("a." + name)
register_func(f"a.{name}")
register_func(name, "second")
unregister_func("another")
def register_func(name, f="default"): ...
register_func(("in two"))
register_func
("on another line")
éregister_func("of another name")
print("register_func(", "text")
x = "\"register_func('escaped')"
register_func("not closed
register_func("é.after")
"##;
        assert_eq!(registered(source), ["é.after"]);
        assert_eq!(registered("register_func(\"cut"), [""; 0]);
    }
}
