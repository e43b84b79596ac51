//! Why a row failed: a class for machines, a message for people.

use serde::{Deserialize, Serialize};

use crate::error::{Error, WeightsError};

use super::stage::Stage;

/// Kinds of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The pre-check found what will fail.
    Precheck,
    /// A shared library did not load.
    Load,
    /// The runtime or the model lacks a function.
    MissingFunction,
    /// The runtime raised an error.
    Runtime,
    /// `_metadata` or the row do not fit the model.
    Model,
    /// The weights lack a file.
    MissingShard,
    /// A weight file is not what its index says.
    CorruptShard,
    /// A parameter has another shape or type than the model wants.
    WrongShape,
    /// Weights that cannot be used for another reason.
    Weights,
    /// The tokenizer failed.
    Tokenizer,
    /// The answers are wrong.
    Mismatch,
    /// The process was killed by a signal.
    Signal,
    /// The process aborted itself.
    Abort,
    /// The time limit passed.
    TimeOut,
    /// Memory ran out.
    OutOfMemory,
    /// The process ended without a result.
    Exit,
}

/// Why a row failed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// The kind.
    pub class: Class,
    /// The stage it failed at.
    pub stage: Stage,
    /// What happened, in one line or a few.
    pub message: String,
    /// The runtime's backtrace, if it gave one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub backtrace: String,
    /// The last lines that the child wrote.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_words: Vec<String>,
}

impl Failure {
    /// A failure without backtrace and last words.
    pub fn new(class: Class, stage: Stage, message: impl Into<String>) -> Failure {
        Failure {
            class,
            stage,
            message: message.into(),
            backtrace: String::new(),
            last_words: Vec::new(),
        }
    }

    /// What an error inside the child means.
    pub fn of(error: &Error, stage: Stage) -> Failure {
        let message = error.to_string();
        let class = if tells_of_memory(&message) {
            Class::OutOfMemory
        } else {
            class_of(error)
        };
        let message = match class {
            Class::OutOfMemory => format!("out of memory: {message}"),
            _ => message,
        };
        let mut failure = Failure::new(class, stage, message);
        if let Error::Runtime(runtime) = error {
            failure.backtrace.clone_from(&runtime.backtrace);
        }
        failure
    }
}

fn class_of(error: &Error) -> Class {
    match error {
        Error::MissingPart { .. } | Error::Open { .. } | Error::MissingSymbol { .. } => Class::Load,
        Error::MissingGlobal { .. } | Error::MissingFunction { .. } => Class::MissingFunction,
        Error::Runtime(runtime) if runtime.message.contains("Cannot find ffi::Function") => {
            Class::MissingFunction
        }
        Error::Runtime(_) | Error::Returned { .. } | Error::TooManyArguments { .. } => {
            Class::Runtime
        }
        Error::Tensor { .. } | Error::Metadata { .. } | Error::Unsupported(_) => Class::Model,
        Error::Weights(weights) => match weights {
            WeightsError::MissingShard { .. } => Class::MissingShard,
            WeightsError::ShardSize { .. }
            | WeightsError::ShardChecksum { .. }
            | WeightsError::BadRecord { .. } => Class::CorruptShard,
            WeightsError::WrongShape { .. } => Class::WrongShape,
            _ => Class::Weights,
        },
        Error::Tokenizer(_) => Class::Tokenizer,
        Error::Answer(_) => Class::Mismatch,
        Error::Io { .. } | Error::Malformed { .. } => Class::Model,
    }
}

/// Words with which C++, Rust, CUDA and the kernel say that memory ran out.
const MEMORY_WORDS: [&str; 7] = [
    "std::bad_alloc",
    "bad_alloc",
    "out of memory",
    "cannot allocate memory",
    "memory allocation of",
    "cudaerrormemoryallocation",
    "insufficient memory",
];

/// True if a text says that memory ran out.
pub(crate) fn tells_of_memory(text: &str) -> bool {
    let lower = text.to_lowercase();
    MEMORY_WORDS.iter().any(|words| lower.contains(words))
}
