//! Which names a Python module may have: text only, and on the safe side. A module that has
//! the word anywhere may define it.

use std::collections::HashSet;

use super::folder::{Folder, Module};
use super::is_of_name;
use super::text;
use crate::limits::MAX_PYTHON_SOURCE;
use crate::source::beginning::first_bytes;

/// What makes names that no text shows.
const MAKERS: [&str; 7] = [
    "globals()[",
    "globals().update",
    "globals().setdefault",
    "setattr(",
    "sys.modules[",
    "vars()",
    "locals()",
];

/// The names that a module may have.
#[derive(Debug)]
pub(crate) enum Names {
    /// Any.
    Any,
    /// Words of its source.
    Words(HashSet<String>),
}

impl Names {
    /// Of the module of this dotted name.
    pub(crate) fn of(module: &str, source: &str) -> Self {
        // What is run from a text may define anything.
        if source.contains("exec(") {
            return Self::Any;
        }
        let code = text::code(source);
        let makes_any = takes_all(&code)
            || answers_for_names(&code)
            || gives_itself_away(module, &code)
            || MAKERS.iter().any(|maker| code.contains(maker));
        if makes_any {
            return Self::Any;
        }
        let words = code.split(|c| !is_of_name(c));
        Self::Words(words.map(str::to_owned).collect())
    }

    /// Of a module of a folder; `None` where it has no Python source there, or one that is
    /// too long to be read.
    pub(crate) fn in_folder(folder: &Folder, module: &str) -> Option<Self> {
        let Some(Module::Source(file, _)) = folder.module(module) else {
            return None;
        };
        let bytes = first_bytes(&file, MAX_PYTHON_SOURCE)?;
        let is_whole = (bytes.len() as u64) < MAX_PYTHON_SOURCE;
        is_whole.then(|| Self::of(module, &String::from_utf8_lossy(&bytes)))
    }

    /// Whether the module may have a name.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Words(words) => words.contains(name),
        }
    }
}

fn takes_all(code: &str) -> bool {
    code.lines().any(|line| {
        let line = line.trim_start();
        line.starts_with("from ") && line.contains("import *")
    })
}

/// Whether a module answers for names that it does not define: by a function of its own,
/// which has no `self` as those of classes have.
fn answers_for_names(code: &str) -> bool {
    code.match_indices("__getattr__").any(|(at, word)| {
        let after = code.get(at.saturating_add(word.len())..).unwrap_or("");
        let mut parameters = after.trim_start_matches([' ', '(', '\n']).chars();
        !(after.starts_with('(') && parameters.by_ref().take(4).eq("self".chars()))
    })
}

/// Whether a module tells others its own name, as `init_ffi_api("topi", __name__)` does,
/// which puts names into it.
fn gives_itself_away(module: &str, code: &str) -> bool {
    let is_told = code.match_indices("__name__").any(|(at, word)| {
        let (before, from) = code.split_at_checked(at).unwrap_or((code, ""));
        let after = from.get(word.len()..).unwrap_or("").trim_start();
        !(before.ends_with('.') || before.ends_with("getLogger(") || after.starts_with("=="))
    });
    is_told
        || ['"', '\'']
            .iter()
            .any(|quote| code.contains(&format!("{quote}{module}{quote}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_anywhere_may_be_the_name() {
        let may = |source: &str| Names::of("a.b", source).may_have("Enum");
        for source in [
            "class Enum(Object): ...",
            "from .x import *",
            "def __getattr__(name): ...",
            "__getattr__ = later",
            "globals()[name] = value",
            "setattr(module, name, value)",
            "init_ffi_api('x', __name__)",
            "init_ffi_api('x', 'a.b')",
            "exec('''Enum = 1''')",
        ] {
            assert!(may(source), "{source}");
        }
        for source in [
            "x = globals().get('y')  # import *",
            "class A:\n    def __getattr__(self, name): ...",
            "class MyEnum: Enums = 1",
            "'''Enum'''",
            "log = logging.getLogger(__name__)\nif __name__ == '__main__': ...",
            "x = f.__name__",
            "",
        ] {
            assert!(!may(source), "{source}");
        }
    }
}
