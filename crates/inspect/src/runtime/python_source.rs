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
    // The last identifier, and whether only spaces and `(` came after it.
    let mut called = false;
    while let Some(first) = rest.chars().next() {
        if first == '#' {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if matches!(first, '"' | '\'') {
            let (text, after) = string(rest, first);
            let ends = after.trim_start();
            if called && (ends.starts_with(',') || ends.starts_with(')')) {
                names.push(text);
            }
            called = false;
            rest = after;
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            let opened = after.trim_start_matches([' ', '\t']).strip_prefix('(');
            called = REGISTER.contains(&word) && opened.is_some();
            // The prefix of a string (`f"..."`) is a word too: what it holds is computed.
            rest = opened.filter(|_| called).unwrap_or(after);
        } else {
            called &= first.is_whitespace();
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    names
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text of the string literal that `rest` begins with, and what follows it.
fn string(rest: &str, quote: char) -> (&str, &str) {
    let triple: String = [quote; 3].iter().collect();
    let end: &str = match rest.starts_with(&triple) {
        true => &triple,
        false => triple.get(..1).unwrap_or_default(),
    };
    let body = rest.get(end.len()..).unwrap_or_default();
    let mut at = 0;
    while let Some(left) = body.get(at..) {
        if left.starts_with(end) {
            let after = left.get(end.len()..).unwrap_or_default();
            return (body.get(..at).unwrap_or_default(), after);
        }
        let mut letters = left.chars();
        let Some(letter) = letters.next() else { break };
        // A line end closes what was not closed: damaged source, not more of the text.
        if letter == '\n' && end.len() == 1 {
            return ("", left);
        }
        let escaped = match letter {
            '\\' => letters.next().map_or(0, char::len_utf8),
            _ => 0,
        };
        at = at.saturating_add(letter.len_utf8()).saturating_add(escaped);
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
"#;
        assert_eq!(registered(source), ["relax.run.unique", "a.b", "c.d"]);
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
print("register_func(", "text")
x = "\"register_func('escaped')"
register_func("not closed
register_func("é.after")
"##;
        assert_eq!(registered(source), ["é.after"]);
        assert_eq!(registered("register_func(\"cut"), [""; 0]);
    }
}
