//! Global functions that Python source registers by a name written in it:
//! `register_global_func("name")` and `register_func("name")`, as decorators or
//! calls, whatever module they are taken from. Nothing is executed, and text in comments
//! does not count. Of a name that is computed, only what it may be is told: any text of
//! the file, or one behind the text that it begins with.

use std::collections::BTreeSet;

use super::is_of_name;
use super::text::{statements, string};

/// What every source has that registers something.
pub const SIGN: &[u8] = b"register_";

/// The functions that register.
const REGISTER: [&str; 2] = ["register_global_func", "register_func"];

/// Texts of a file that are looked at where names are computed, and beginnings of those.
const MOST_TEXTS: usize = 4096;
const MOST_BEGINNINGS: usize = 16;

/// What a source registers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registered {
    /// The names that are written in it, in order.
    pub names: Vec<String>,
    /// What the names that it computes may be.
    pub possible: BTreeSet<String>,
}

/// What `source` registers.
pub fn registered(source: &str) -> Registered {
    let (statements, _) = statements(source);
    let mut found = Registered::default();
    let mut texts: BTreeSet<String> = BTreeSet::new();
    let mut beginnings: BTreeSet<String> = BTreeSet::new();
    for statement in statements {
        let mut rest = statement.text.as_str();
        while let Some(at) = rest.find(['"', '\'']) {
            let (before, from) = rest.split_at_checked(at).unwrap_or((rest, ""));
            let quote = from.chars().next().unwrap_or('"');
            let (literal, after, _) = string(from, quote);
            let literal = literal.trim_matches(quote);
            let ends = after.trim_start();
            let is_given = opened(before);
            if is_given == Some("") && (ends.starts_with(',') || ends.starts_with(')')) {
                found.names.push(literal.to_owned());
            } else if is_given.is_some() && beginnings.len() < MOST_BEGINNINGS {
                let end = literal.find('{').unwrap_or(literal.len());
                beginnings.extend(literal.get(..end).map(str::to_owned));
            }
            // What is given is a word where the next text is of something else.
            if computes(before) {
                beginnings.insert(String::new());
            }
            if texts.len() < MOST_TEXTS && is_name(literal) {
                texts.insert(literal.to_owned());
            }
            rest = after;
        }
        if computes(rest) {
            beginnings.insert(String::new());
        }
    }
    for beginning in beginnings {
        let made = texts.iter().map(|text| format!("{beginning}{text}"));
        found
            .possible
            .extend(made.filter(|name| name.contains('.')));
    }
    found
}

/// Whether a text may be a name, or the end of one.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| is_of_name(c) || c == '.')
}

/// What stands between the opening of a call that registers and the end of the code: the
/// prefix of a string (`f"..."`), or nothing.
fn opened(code: &str) -> Option<&str> {
    let (called, prefix) = code.rsplit_once('(')?;
    let prefix = prefix.trim();
    (registers(called) && prefix.chars().all(|c| c.is_ascii_alphabetic())).then_some(prefix)
}

/// Whether code calls a function that registers with a name that is no text. What follows
/// a text, in the same statement, is not its beginning.
fn computes(code: &str) -> bool {
    code.match_indices('(').any(|(at, _)| {
        let (called, given) = code.split_at_checked(at).unwrap_or((code, ""));
        let given = given.get(1..).unwrap_or("").trim_start();
        let defines = called.trim_start().starts_with("def ");
        let is_word = given.starts_with(|c| is_of_name(c) && !char::is_numeric(c));
        let word = given.split(|c| !is_of_name(c)).next().unwrap_or("");
        let is_prefix = word.len() == given.len() && word.len() < 3;
        is_word && !is_prefix && !defines && registers(called)
    })
}

/// Whether code ends with the name of a function that registers.
fn registers(code: &str) -> bool {
    let code = code.trim_end();
    let before = REGISTER.iter().find_map(|name| code.strip_suffix(name));
    before.is_some_and(|before| !before.ends_with(is_of_name))
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
            registered(source).names,
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
        assert_eq!(registered(source).names, ["é.after"]);
        assert_eq!(registered("register_func(\"cut").names, [""; 0]);
    }

    #[test]
    fn what_a_computed_name_may_be_is_told() {
        let possible = |source: &str| {
            let found = registered(source);
            assert_eq!(found.names, [""; 0], "{source}");
            found.possible.into_iter().collect::<Vec<_>>().join(" ")
        };
        let list = "for n in [\"a.b\", 'c.d', \"e.f\"]:\n    register_func(n, g)\n";
        assert_eq!(possible(list), "a.b c.d e.f");
        let sum = "for n in ('b', 'c', 'd'):\n    @register_func(\"a.\" + n)\n    def f(x): ...\n";
        assert_eq!(possible(sum), "a.a. a.b a.c a.d");
        let format = "for n in ('b', 'c'):\n    register_global_func(f'a.{n}', g)\n";
        assert_eq!(possible(format), "a.b a.c");
        let table = "T = {'a.b': f}\nfor n, f in T.items(): register_func(n, f)\n";
        assert_eq!(possible(table), "a.b");
        for none in ["x = 'a.b'\n", "def register_func(name, f='a.b'): ...\n"] {
            assert_eq!(possible(none), "");
        }
    }
}
