//! Global functions that Python source registers by a name written in it:
//! `register_global_func("name")` and `register_func("name")`, as decorators or
//! calls, whatever module they are taken from. Nothing is executed: a name that
//! is computed is not seen, and text in comments and strings does not count.

use super::is_of_name;
use super::text::{statements, string};

/// What every source has that registers something.
pub const SIGN: &[u8] = b"register_";

/// The functions that register.
const REGISTER: [&str; 2] = ["register_global_func", "register_func"];

/// The names that `source` registers, in order.
pub fn registered(source: &str) -> Vec<String> {
    let (statements, _) = statements(source);
    let mut names = Vec::new();
    for statement in statements {
        let mut rest = statement.text.as_str();
        while let Some(at) = rest.find(['"', '\'']) {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let quote = from.chars().next().unwrap_or('"');
            let (literal, after, _) = string(from, quote);
            let ends = after.trim_start();
            if opens(before) && (ends.starts_with(',') || ends.starts_with(')')) {
                names.push(literal.trim_matches(quote).to_owned());
            }
            rest = after;
        }
    }
    names
}

/// Whether code ends with the opening of a call that registers, spaces aside. The
/// prefix of a string (`f"..."`) is a word behind it: what that holds is computed.
fn opens(code: &str) -> bool {
    let called = code.trim_end().strip_suffix('(');
    called.map(str::trim_end).is_some_and(|called| {
        let before = REGISTER.iter().find_map(|name| called.strip_suffix(name));
        before.is_some_and(|before| !before.ends_with(is_of_name))
    })
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
register_func ("g.h")
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
