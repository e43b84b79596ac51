//! Everything that can go wrong inside a row, before and while a model runs.

mod weights;

use std::error::Error as StdError;
use std::path::PathBuf;

use thiserror::Error;

pub use weights::WeightsError;

/// Shorthand of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error that the runtime raised, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{function}`: {kind}: {message}")]
pub struct RuntimeError {
    /// The function that was called.
    pub function: String,
    /// The error kind, such as `InternalError`.
    pub kind: String,
    /// The message.
    pub message: String,
    /// The backtrace, most recent call first; may be empty.
    pub backtrace: String,
}

/// What stopped a row.
#[derive(Debug, Error)]
pub enum Error {
    /// A runtime part is not where it was looked for.
    #[error("no {what} below {}{instead}: give a directory, a wheel or a virtual environment that holds it, or the folder of one unpacked wheel of apache-tvm and one of apache-tvm-ffi", paths.join(", "))]
    MissingPart {
        /// File name of the part.
        what: String,
        /// Where it was looked for.
        paths: Vec<String>,
        /// What is there of another system; begins with a semicolon.
        instead: String,
    },
    /// A shared library did not load.
    #[error("{}: does not load: {detail}", path.display())]
    Open {
        /// The library.
        path: PathBuf,
        /// The linker's words.
        detail: String,
    },
    /// libtvm_ffi lacks a C function.
    #[error("libtvm_ffi does not export `{symbol}`: {detail}; tvm-ffi 0.1.0 or newer is needed")]
    MissingSymbol {
        /// The C name.
        symbol: String,
        /// The linker's words.
        detail: String,
    },
    /// The runtime lacks a registered function.
    #[error("the runtime registers no function `{name}`; needed to {purpose}")]
    MissingGlobal {
        /// The registered name.
        name: String,
        /// What it is for.
        purpose: &'static str,
    },
    /// The model library lacks a function.
    #[error("the model library has no function `{name}`; needed to {purpose}")]
    MissingFunction {
        /// The VM function.
        name: String,
        /// What it is for.
        purpose: &'static str,
    },
    /// The runtime raised an error.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A call returned another type than its callers rely on.
    #[error("`{function}` returned {found}, expected {expected}")]
    Returned {
        /// The function that was called.
        function: String,
        /// The expected kind of value.
        expected: &'static str,
        /// The kind it returned.
        found: String,
    },
    /// More arguments than a call can carry.
    #[error("`{function}`: too many arguments")]
    TooManyArguments {
        /// The function.
        function: String,
    },
    /// A tensor whose header or length makes no sense.
    #[error("tensor: {detail}")]
    Tensor {
        /// What does not fit.
        detail: String,
    },
    /// `_metadata` cannot be used.
    #[error("`_metadata`: {detail}")]
    Metadata {
        /// What is wrong with it.
        detail: String,
    },
    /// The row asks for something the model cannot do.
    #[error("{0}")]
    Unsupported(String),
    /// What the model answered is no answer, whatever is expected.
    #[error("{0}")]
    Answer(String),
    /// Weights that do not fit or cannot be read.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The tokenizer failed.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {detail}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
}

impl Error {
    /// Of an answer in which some are NaN or infinite.
    pub(crate) fn not_numbers(what: &str, values: &[f32]) -> Error {
        let bad = values.iter().filter(|value| !value.is_finite()).count();
        let all = values.len();
        Error::Answer(format!(
            "{what} are not numbers: {bad} of {all} are NaN or infinite"
        ))
    }

    /// For use with `map_err` on reads of `path`.
    pub(crate) fn io(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Error + use<> {
        let path = path.to_owned();
        |source| Error::Io { path, source }
    }
}

/// An error and its causes in one line. Some libraries keep the useful half,
/// such as the dynamic linker's words, in the cause.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}
