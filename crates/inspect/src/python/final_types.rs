//! Classes that a Python refuses to make because their base may be none any more: packages
//! that are older than that Python have such.

use super::Interpreter;
use super::text::statements;

/// Types of `typing` that are no bases, with the minor version of the first Python 3 in which
/// they are none.
const FINAL: [(&str, u32); 3] = [
    ("typing.ParamSpec", 12),
    ("typing.TypeVar", 12),
    ("typing.TypeVarTuple", 12),
];

/// What Python says of a module's source when it makes a class of it that stands in no block,
/// and so is made whenever the module is imported.
pub(crate) fn refused_base(source: &str, python: Interpreter) -> Option<String> {
    let minor = python.minor?;
    let is_final = |base: &str| {
        let mut all = FINAL.iter();
        all.any(|(name, since)| *name == base && minor >= *since)
    };
    let first_base = |head: &str| {
        let (_, bases) = head.strip_prefix("class ")?.split_once('(')?;
        let end = bases.find([',', ')'])?;
        let base = bases.get(..end)?.trim();
        is_final(base).then(|| base.to_owned())
    };
    // Whatever is in several lines, and in texts, is left to the parser.
    source.lines().find_map(first_base)?;
    let (all, _) = statements(source);
    let mut whole = all.iter().filter(|one| one.indent == 0);
    let base = whole.find_map(|one| first_base(&one.text))?;
    Some(format!(
        "TypeError: type '{base}' is not an acceptable base type"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_of_a_final_type_is_refused_since_that_python() {
        let of = |minor, source: &str| {
            let python = Interpreter::of_version(Some(format!("3.{minor}")));
            refused_base(source, python)
        };
        let own =
            "import typing\nclass TypeVar(typing.TypeVar, _Default, _root=True):\n    x = 1\n";
        let says = "TypeError: type 'typing.TypeVar' is not an acceptable base type";
        assert_eq!(of(12, own).as_deref(), Some(says));
        assert_eq!(of(11, own), None);
        for other in [
            "if old:\n    class TypeVar(typing.TypeVar): ...\n",
            "'''\nclass TypeVar(typing.TypeVar): ...\n'''\n",
            "class TypeVar(metaclass=M): ...\n",
            "class TypeVar(typing.Generic): ...\n",
        ] {
            assert_eq!(of(13, other), None, "{other}");
        }
    }
}
