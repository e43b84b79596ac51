//! What a Python file imports from `tvm_ffi` by name when it is imported itself, and
//! whether a module of tvm-ffi can have such a name.
//!
//! Text only, and on the safe side: statements that are indented may never run, and
//! a module that has the word anywhere may define it.

/// What a file that imports from tvm-ffi holds.
pub const SIGN: &[u8] = b"from tvm_ffi";

/// A name imported from a module of tvm-ffi.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// `tvm_ffi.dataclasses`
    pub module: String,
    /// `Enum`
    pub name: String,
}

/// The names that a file imports from tvm-ffi at its top level.
pub fn imports(source: &str) -> Vec<Import> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some((line, after)) = rest.split_once('\n').or_else(|| last(rest)) {
        rest = after;
        let Some((module, names)) = line
            .strip_prefix("from ")
            .and_then(|line| line.split_once(" import "))
        else {
            continue;
        };
        let module = module.trim();
        if module != "tvm_ffi" && !module.starts_with("tvm_ffi.") {
            continue;
        }
        let names = names.trim_start();
        let listed = match names.strip_prefix('(') {
            Some(first) => match first.split_once(')') {
                Some((names, _)) => names.to_owned(),
                None => {
                    let Some((more, after)) = rest.split_once(')') else {
                        break;
                    };
                    rest = after;
                    format!("{first}\n{more}")
                }
            },
            None => names.to_owned(),
        };
        let lines = listed
            .lines()
            .map(|line| line.split('#').next().unwrap_or(""));
        for name in lines.flat_map(|line| line.split(',')) {
            let name = name.split_whitespace().next().unwrap_or("");
            if is_word(name) {
                found.push(Import {
                    module: module.to_owned(),
                    name: name.to_owned(),
                });
            }
        }
    }
    found
}

fn last(rest: &str) -> Option<(&str, &str)> {
    (!rest.is_empty()).then_some((rest, ""))
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Whether a module answers for names that it does not define: by a function of its own,
/// which has no `self` as those of classes have.
fn makes_names_up(source: &str) -> bool {
    source.match_indices("__getattr__").any(|(at, word)| {
        let after = source.get(at.saturating_add(word.len())..).unwrap_or("");
        let mut parameters = after.trim_start_matches([' ', '(', '\n']).chars();
        !(after.starts_with('(') && parameters.by_ref().take(4).eq("self".chars()))
    })
}

/// Whether a module of this source may have a name.
pub(crate) fn may_define(source: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let takes_all = |line: &str| {
        let line = line.trim_start();
        line.starts_with("from ") && line.contains("import *")
    };
    source.lines().any(takes_all)
        || makes_names_up(source)
        || ["globals()[", "globals().update", "globals().setdefault"]
            .iter()
            .any(|way| source.contains(way))
        || source.match_indices(name).any(|(at, _)| {
            let (before, from) = source.split_at(at);
            let after = from.get(name.len()..).unwrap_or("");
            !before.ends_with(is_part) && !after.starts_with(is_part)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_read_in_every_spelling() {
        let source = "import tvm_ffi\n\
            from tvm_ffi import Object, register_object as register\n\
            from tvm_ffi.dataclasses import (  # two\n    Enum,  # one, of many\n    py_class as c,\n)\n\
            from tvm_ffi.core import (A, B)\n\
            try:\n    from tvm_ffi.later import New\nexcept ImportError:\n    pass\n\
            from tvm_ffix import No\nfrom .tvm_ffi import No\nfrom tvm_ffi.libinfo import \\\n    load";
        let found: Vec<String> = imports(source)
            .into_iter()
            .map(|import| format!("{}:{}", import.module, import.name))
            .collect();
        assert_eq!(
            found,
            [
                "tvm_ffi:Object",
                "tvm_ffi:register_object",
                "tvm_ffi.dataclasses:Enum",
                "tvm_ffi.dataclasses:py_class",
                "tvm_ffi.core:A",
                "tvm_ffi.core:B",
            ]
        );
        assert_eq!(imports("from tvm_ffi import ("), []);
        assert_eq!(imports("from tvm_ffi import *"), []);
    }

    #[test]
    fn a_word_anywhere_may_be_the_name() {
        assert!(may_define("class Enum(Object):", "Enum"));
        assert!(may_define("from .x import *", "Enum"));
        assert!(may_define("def __getattr__(name): ...", "Enum"));
        assert!(may_define("__getattr__ = later", "Enum"));
        assert!(may_define("globals()[name] = value", "Enum"));
        assert!(!may_define("x = globals().get('y')  # import *", "Enum"));
        assert!(!may_define(
            "class A:\n    def __getattr__(self, name): ...",
            "Enum"
        ));
        assert!(!may_define("class MyEnum: Enums = 1", "Enum"));
        assert!(!may_define("", "Enum"));
    }
}
