//! Which names a Python module may have: text only, and on the safe side. What may define a
//! name counts, whether it runs or not, and a module that makes names has any.

use std::collections::{BTreeSet, HashSet};

use super::folder::{Folder, Module};
use super::step::{Import, Step, absolute, of_statement};
use super::text::{self, Ending, Statement, without_strings};
use super::{is_of_name, is_of_python};
use crate::limits::MAX_PYTHON_SOURCE;
use crate::source::beginning::first_bytes;

/// What makes names that no text shows.
const MAKERS: [&str; 4] = ["vars()", "locals()", "global_enum", "__path__"];
/// By what a module gets at itself, or has others do it: without them, and without modules
/// that Python does not bring, it sets no names but those that its text binds.
const OWN_WAYS: [&str; 5] = [
    "modules",
    "import_module",
    "__import__",
    "getmodule",
    "_convert",
];
/// How functions begin that take the name of a package and put nothing into it
/// (`tvm_ffi.libinfo.load_lib_ctypes`).
const LOADERS: &str = "load_lib_";
/// Modules of Python's own that are called as others' inner ones are.
const PRIVATE: [&str; 6] = [
    "__future__",
    "_collections_abc",
    "_socket",
    "_thread",
    "_typing",
    "_weakref",
];
/// Modules that one takes whole, one from the other.
const MOST_TAKEN: usize = 256;
/// Words with which a statement may bind each of its names.
const BINDERS: [&str; 5] = ["as", "case", "for", "global", "import"];
/// What every module has.
const OF_EVERY: [&str; 11] = [
    "__annotations__",
    "__builtins__",
    "__cached__",
    "__dict__",
    "__doc__",
    "__file__",
    "__loader__",
    "__name__",
    "__package__",
    "__path__",
    "__spec__",
];

/// The names that a module may have.
#[derive(Debug)]
pub(crate) enum Names {
    /// Any.
    Any,
    /// Those that its source binds outside of functions and classes.
    Bound(HashSet<String>),
}

impl Names {
    /// Of the module of this dotted name.
    pub(crate) fn of(module: &str, source: &str) -> Self {
        let (names, whole) = Self::read(module, source, answers_for_names, |_| false);
        match whole.is_empty() {
            true => names,
            false => Self::Any,
        }
    }

    /// Of a module of a folder; `None` where it has no Python source there, or one that is
    /// too long to be read.
    pub(crate) fn in_folder(folder: &Folder, module: &str) -> Option<Self> {
        Some(Self::of(module, &source(folder, module)?))
    }

    /// The same with what it takes whole from other modules of the folder.
    pub(crate) fn with_taken(folder: &Folder, module: &str) -> Option<Self> {
        let source = source(folder, module)?;
        let own = Self::read(module, &source, answers_for_names, |_| false);
        Some(Self::and_whole(folder, module, own))
    }

    /// What a statement of the module itself finds: no function answers for other names.
    pub(crate) fn inside(folder: &Folder, module: &str, source: &str) -> Self {
        let own = Self::read(module, source, |_| false, |_| false);
        Self::and_whole(folder, module, own)
    }

    /// What a package has before it takes a name from itself: that statement binds what it
    /// finds, and nothing that is not there.
    pub(crate) fn before_own(folder: &Folder, package: &str) -> Option<Self> {
        let of_itself = [
            format!("from {package} import "),
            "from . import ".to_owned(),
        ];
        let is_own = |text: &str| of_itself.iter().any(|start| text.starts_with(start));
        let is_left_out = |text: &str| is_own(text) && !text.contains(" as ");
        let source = source(folder, package)?;
        let own = Self::read(package, &source, answers_for_names, is_left_out);
        Some(Self::and_whole(folder, package, own))
    }

    /// What a source binds, and what it takes whole. Some statements bind nothing.
    fn read(
        module: &str,
        source: &str,
        answers: fn(&str) -> bool,
        is_left_out: impl Fn(&str) -> bool,
    ) -> (Self, Vec<Import>) {
        let (mut statements, ending) = text::statements(source);
        let is_read = !matches!(ending, Ending::Unknown | Ending::Unmatched(..));
        statements.retain(|one| !is_left_out(&one.text));
        let mut plain = statements.iter().map(|one| without_strings(&one.text));
        // What is run from a text may define anything.
        if !is_read || (source.contains("exec(") && plain.any(|one| one.contains("exec("))) {
            return (Self::Any, Vec::new());
        }
        let lines = statements.iter().map(|one| one.text.as_str());
        let code = lines.collect::<Vec<_>>().join("\n");
        let bound = bound(&statements);
        let is_told = gives_itself_away(module, &code) || sets_of_others(&code, &bound);
        let makes_any = answers(&code)
            || writes_globals(&code)
            || (is_told && !is_alone(&statements))
            || MAKERS.iter().any(|maker| code.contains(maker));
        match taken_whole(&code).filter(|_| !makes_any) {
            Some(whole) => (Self::Bound(bound), whole),
            None => (Self::Any, Vec::new()),
        }
    }

    /// Adds the names of the modules that are taken whole, and of those that they take.
    fn and_whole(folder: &Folder, first: &str, own: (Self, Vec<Import>)) -> Self {
        let mut names = HashSet::new();
        let mut known: BTreeSet<String> = BTreeSet::from([first.to_owned()]);
        let mut left = vec![(first.to_owned(), own)];
        while let Some((module, (own, whole))) = left.pop() {
            let Self::Bound(bound) = own else {
                return Self::Any;
            };
            // Names that begin so are taken where the module says that they are.
            let is_all = module == first || bound.contains("__all__");
            let taken = bound.into_iter();
            names.extend(taken.filter(|name| is_all || !name.starts_with('_')));
            let is_package = matches!(folder.module(&module), Some(Module::Source(_, true)));
            for import in whole {
                let from = absolute(&module, is_package, import.level, &import.module);
                let source = from.as_ref().and_then(|from| source(folder, from));
                let (Some(from), Some(source)) = (from, source) else {
                    return Self::Any;
                };
                if known.insert(from.clone()) {
                    let own = Self::read(&from, &source, answers_for_names, |_| false);
                    left.push((from, own));
                }
            }
            if known.len() > MOST_TAKEN {
                return Self::Any;
            }
        }
        Self::Bound(names)
    }

    /// Whether the module may have a name.
    pub(crate) fn may_have(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Bound(bound) => bound.contains(name) || OF_EVERY.contains(&name),
        }
    }
}

fn source(folder: &Folder, module: &str) -> Option<String> {
    let Some(Module::Source(file, _)) = folder.module(module) else {
        return None;
    };
    let bytes = first_bytes(&file, MAX_PYTHON_SOURCE)?;
    let is_whole = (bytes.len() as u64) < MAX_PYTHON_SOURCE;
    is_whole.then(|| String::from_utf8_lossy(&bytes).into_owned())
}

/// The names that statements may bind outside of functions and classes.
fn bound(statements: &[Statement]) -> HashSet<String> {
    let mut found = HashSet::new();
    let mut inside: Option<usize> = None;
    for statement in statements {
        let text = without_strings(&statement.text);
        inside = inside.filter(|around| statement.indent > *around);
        if inside.is_some() {
            // What a function says of a name of its module.
            if words(&text).any(|word| word == "global") {
                found.extend(words(&text).map(str::to_owned));
            }
            continue;
        }
        let head = text.strip_prefix("async ").unwrap_or(&text).trim_start();
        let defined = head
            .strip_prefix("def ")
            .or_else(|| head.strip_prefix("class "));
        if let Some(defined) = defined {
            inside = Some(statement.indent);
            found.extend(words(defined).next().map(str::to_owned));
            continue;
        }
        let takes_all = text.contains(';') || text.contains(":=");
        let binds = takes_all || words(&text).any(|word| BINDERS.contains(&word));
        let binding = match binds {
            true => Some(text.as_str()),
            false => assigned(&text),
        };
        found.extend(words(binding.unwrap_or("")).map(str::to_owned));
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c| !is_of_name(c));
    words.filter(|word| !word.is_empty())
}

/// What stands before the last `=` outside brackets.
fn assigned(text: &str) -> Option<&str> {
    let mut depth = 0usize;
    let mut last = None;
    let mut before = ' ';
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '(' | '[' | '{' => depth = depth.saturating_add(1),
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '=' if letters.next_if(|(_, next)| *next == '=').is_some() => {}
            '=' if depth == 0 && !matches!(before, '<' | '>' | '!') => last = Some(at),
            // `<<=` and `>>=`.
            '=' if depth == 0 && text.get(..at).is_some_and(is_shift) => last = Some(at),
            _ => {}
        }
        before = letter;
    }
    last.and_then(|at| text.get(..at))
}

fn is_shift(before: &str) -> bool {
    before.ends_with("<<") || before.ends_with(">>")
}

/// Whether a module does more with its names than to ask for one.
fn writes_globals(code: &str) -> bool {
    let asks = |after: &str| after.starts_with(".get(") || is_compared(after);
    let mut names = ["globals()", "f_globals"].into_iter();
    names.any(|names| !code.split(names).skip(1).all(asks))
}

/// Whether one of the names is compared with others: `['__name__'] in [...]`.
fn is_compared(after: &str) -> bool {
    let name = after.strip_prefix("['").or(after.strip_prefix("[\""));
    let rest = name.map(|name| name.trim_start_matches(is_of_name));
    let rest = rest.and_then(|rest| rest.get(1..)?.strip_prefix(']'));
    let mut words = ["in [", "in (", "not in ", "== ", "!= "].iter();
    rest.is_some_and(|rest| words.any(|word| rest.trim_start().starts_with(word)))
}

/// Whether a module imports nothing but what Python brings, and does not get at itself.
fn is_alone(statements: &[Statement]) -> bool {
    let is_brought = |name: &str| {
        let top = name.split('.').next().unwrap_or(name).trim();
        match top.starts_with('_') {
            true => PRIVATE.contains(&top),
            false => is_of_python(top),
        }
    };
    statements.iter().all(|statement| {
        let text = without_strings(&statement.text);
        let imports = match (text.strip_prefix("import "), text.strip_prefix("from ")) {
            (Some(names), _) => names.split(',').all(|name| {
                let end = name.find(" as ").unwrap_or(name.len());
                name.get(..end).is_some_and(is_brought)
            }),
            (None, Some(from)) => from.split(' ').next().is_some_and(is_brought),
            (None, None) => true,
        };
        imports && !OWN_WAYS.iter().any(|way| text.contains(way))
    })
}

/// Whether a module sets names of what may be a module: of anything but what a function was
/// given.
fn sets_of_others(code: &str, bound: &HashSet<String>) -> bool {
    // The module of a class that it was given may be itself.
    if code.contains("sys.modules") && code.contains("__module__") {
        return true;
    }
    let mut uses = code.split("setattr(").skip(1);
    uses.any(|after| {
        let (target, _) = after.split_once(',').unwrap_or((after, ""));
        let target = target.trim();
        let is_name = !target.is_empty() && target.chars().all(is_of_name);
        !is_name || bound.contains(target)
    })
}

/// The modules that a module takes whole; `None` where that is not understood.
fn taken_whole(code: &str) -> Option<Vec<Import>> {
    let parts = code.lines().flat_map(|line| line.split([';', ':']));
    let parts = parts.filter(|part| part.contains("import") && part.contains('*'));
    let parts = parts.map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "));
    let parts = parts.map(|part| part.replace("import*", "import *"));
    let mut found = Vec::new();
    for part in parts.filter(|part| part.contains("import *")) {
        match of_statement(&part).pop() {
            Some(Step::Import(import)) if import.names == ["*"] => found.push(import),
            _ => return None,
        }
    }
    Some(found)
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
    let lines = code.lines().filter(|line| !line.contains(LOADERS));
    let named = ['"', '\''].map(|quote| format!("{quote}{module}{quote}"));
    is_told || { lines }.any(|line| named.iter().any(|named| line.contains(named)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `typing_extensions` is one of them.
    #[test]
    fn a_module_with_pythons_alone_sets_what_its_text_says() {
        let text = "'''how eval() and exec() work'''\nimport sys, typing\n\
            def caller():\n    return sys._getframe(1).f_globals.get('__name__')\n\
            def is_abc():\n    if sys._getframe(2).f_globals['__name__'] in ['abc', 'x']:\n        return 1\n\
            class A:\n    def f(self, n, v):\n        setattr(self.origin, n, v)\n        \
            if n != 'a.b':\n            raise TypeError(f'{__name__}.{n}')\n";
        let may = |source: &str| Names::of("a.b", source).may_have("Enum");
        assert!(!may(text));
        for more in [
            "import mine\n",
            "from . import c\n",
            "import os, _mine\n",
            "me = sys.modules[x]\n",
            "from sys import modules\n",
            "me = __import__('a.b')\n",
            "exec('Enum = 1')\n",
            "g = sys._getframe().f_globals\n",
            "sys._getframe().f_globals['Enum'] = 1\n",
        ] {
            assert!(may(&format!("{text}{more}")), "{more}");
        }
    }

    #[test]
    fn what_may_define_a_name_is_seen() {
        let may = |source: &str| Names::of("a.b", source).may_have("Enum");
        for source in [
            "class Enum(Object): ...",
            "from .x import *",
            "from .x import*",
            "if x: from .y import *",
            "import a; from .x import  *",
            "def __getattr__(name): ...",
            "__getattr__ = later",
            "globals()[name] = value",
            "from x import module\nsetattr(module, name, value)",
            "setattr(sys.modules[x], name, value)",
            "def f(c):\n    m = sys.modules[c.__module__]\n    setattr(m, 'a', 1)",
            "from x import init_ffi_api\ninit_ffi_api('x', __name__)",
            "from x import init_ffi_api\ninit_ffi_api('x', 'a.b')",
            "exec('''Enum = 1''')",
            "async def Enum(): ...",
            "if x:\n    class Enum: ...",
            "try:\n    from x import Enum\nexcept E:\n    Enum = None",
            "from x import (A,\n    B as Enum,\n)",
            "import Enum.b",
            "a, (b, Enum) = x",
            "a = Enum = b == c",
            "Enum: int = 1",
            "Enum <<= 1",
            "for Enum in x: ...",
            "with a as Enum: ...",
            "if (Enum := x): ...",
            "if x: Enum = 1",
            "a = 1; Enum = 2",
            "def f():\n    global Enum\n    Enum = 1",
            "g = globals()\nfor n in x: g[n] = 1",
            "import x as me\nsetattr(me, 'Enum', 1)",
            "a = f\"{'('}\"\nclass Enum: ...",
            "match x:\n    case Enum: ...",
        ] {
            assert!(may(source), "{source}");
        }
        for source in [
            "x = globals().get('y')  # import *",
            "class A:\n    def __getattr__(self, name): ...",
            "class MyEnum: Enums = 1",
            "'''Enum'''",
            "__all__ = ['Enum']\nx = \"Enum = 1\"",
            "def f(a=1) -> Enum:\n    return Enum",
            "@f(a=Enum)\nclass A(Enum):\n    Enum = 1\n    def Enum(self): ...",
            "x = Enum(1) == y\nx(Enum=1)\nEnum.update(x)\nif Enum <= 1: ...",
            "def f(cls, name):\n    setattr(cls, name, 1)",
            "log = logging.getLogger(__name__)\nif __name__ == '__main__': ...",
            "x = f.__name__",
            "LIB = load_lib_ctypes('x', 'a.b', 'RTLD_GLOBAL')",
            "",
        ] {
            assert!(!may(source), "{source}");
        }
    }
}
