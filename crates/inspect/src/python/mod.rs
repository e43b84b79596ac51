//! What Python files do when they are imported, as far as their text says. Nothing is
//! executed, and what may not run is left out.
//!
//! [`text`] cuts a source into statements, [`steps`] says which of them run, [`closure`]
//! follows them from file to file.

pub(crate) mod calls;
pub(crate) mod closure;
mod condition;
pub mod damage;
pub(crate) mod folder;
pub(crate) mod names;
pub mod pth;
pub mod registered;
pub mod steps;
pub mod text;

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

/// Whether a letter is one of a name.
fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
