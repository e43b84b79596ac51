//! What is found where a library is asked for a name.

/// What a library has for a name that is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exported {
    /// No such name.
    Nothing,
    /// A symbol of its own.
    Here,
    /// A function of another library: `library.function` or `library.#4`.
    Forwarded(String),
}
