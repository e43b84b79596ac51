//! What Python files do when they are imported, as far as their text says. Nothing is
//! executed, and what may not run is left out.
//!
//! [`text`] cuts a source into statements, [`steps`] says which of them run, [`closure`]
//! follows them from file to file.

mod action;
pub(crate) mod calls;
pub(crate) mod closure;
mod condition;
pub mod damage;
pub(crate) mod final_types;
mod flow;
pub(crate) mod folder;
pub(crate) mod names;
mod prefix;
mod program;
pub mod pth;
mod pth_code;
mod reading;
pub mod registered;
mod stack;
mod step;
pub mod steps;
pub mod text;
pub(crate) mod uses;
mod value;

use std::sync::LazyLock;

use crate::container::Platform;

/// What is known of the Python that imports.
#[derive(Debug, Clone, Copy, Default)]
pub struct Interpreter {
    /// 11 of Python 3.11.
    pub minor: Option<u32>,
    /// Its system.
    pub platform: Option<Platform>,
}

impl Interpreter {
    /// Of a version, `3.11`.
    pub(crate) fn of_version(version: Option<String>) -> Self {
        let minor = version.and_then(|version| version.strip_prefix("3.")?.parse().ok());
        Self {
            minor,
            platform: None,
        }
    }
}

/// The modules that some Python 3 brings, 3.7 to 3.14, but for those whose names begin with
/// `_`: `sys.stdlib_module_names`.
static MODULES: LazyLock<Vec<&str>> = LazyLock::new(|| {
    include_str!("../../data/python_modules.txt")
        .lines()
        .collect()
});
/// What every module of some Python 3 sees: `dir(builtins)`, and what modules have of
/// themselves.
static BUILTINS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    include_str!("../../data/python_builtins.txt")
        .lines()
        .collect()
});
/// Names that other programs put beside them: gettext, profilers, notebooks.
const OF_PROGRAMS: [&str; 4] = ["_", "display", "get_ipython", "profile"];

/// Whether a module may be one that Python brings.
pub(crate) fn is_of_python(module: &str) -> bool {
    module.starts_with('_') || MODULES.binary_search(&module).is_ok()
}

/// Whether a name may be there without being defined.
pub(crate) fn is_builtin(name: &str) -> bool {
    OF_PROGRAMS.contains(&name) || BUILTINS.binary_search(&name).is_ok()
}

/// Whether a letter is one of a name.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_python_brings_is_known() {
        for names in [&MODULES, &BUILTINS] {
            assert!(names.is_sorted() && names.len() > 150);
        }
        assert!(is_of_python("os") && is_of_python("_ctypes") && !is_of_python("numpyy"));
        assert!(is_builtin("print") && is_builtin("__name__") && !is_builtin("prnt"));
    }
}
