//! What a child process tells its parent.
//!
//! One line of JSON per event on standard output, after a marker that no
//! runtime prints. Everything else on standard output and standard error is the
//! runtime's own words; the parent keeps the last of them.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::matrix::expect::Check;
use crate::session::Kind;

use super::failure::Failure;
use super::stage::Stage;

/// Begins a line that holds an event.
pub const MARKER: &str = "\u{1}artcheck\u{1}";

/// One event.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A stage begins.
    Stage {
        /// Which.
        stage: Stage,
        /// Most memory resident until now.
        peak_memory: Option<u64>,
    },
    /// Parameters loaded.
    Weights {
        /// So many are done.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// What was found out.
    Facts(Facts),
    /// The row ended; the last event.
    Result(Box<ChildResult>),
}

/// What the child found out about model and runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The kind of the model, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Packages of the runtime, by their `dist-info` names.
    pub packages: Vec<String>,
    /// What libtvm_ffi says of itself.
    pub ffi_version: Option<String>,
}

/// How the row ended, as the child sees it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum ChildResult {
    /// It ran; the checks say whether the answers are right.
    Done(Done),
    /// It failed.
    Failed(Failure),
    /// It could not run here.
    NotRun {
        /// Why.
        reason: String,
    },
}

/// Answers and figures of a row that ran.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// The comparisons.
    pub checks: Vec<Check>,
    /// The answers.
    pub answers: Vec<Answer>,
    /// The figures.
    pub figures: Figures,
}

/// What came of one prompt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The prompt's text, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The generated tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<i32>,
    /// The generated text, where there is a tokenizer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// Figures of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Tokens read.
    pub prompt_tokens: usize,
    /// Seconds until the first token (or the embeddings) were known.
    pub first_token_seconds: Option<f64>,
    /// Tokens per second while decoding.
    pub tokens_per_second: Option<f64>,
    /// Seconds of a decode step outside the forward call and the copy of its logits.
    pub host_seconds_per_step: Option<f64>,
    /// Most memory resident in the process, in bytes.
    pub peak_memory: Option<u64>,
}

/// Writes one event. The line break before it ends whatever a runtime wrote
/// without one.
pub fn send(event: &Event) -> io::Result<()> {
    let text = serde_json::to_string(event)?;
    let mut out = io::stdout().lock();
    writeln!(out, "\n{MARKER}{text}")?;
    out.flush()
}

/// The event in a line of output, if it is one.
pub fn parse(line: &str) -> Option<Event> {
    serde_json::from_str(line.strip_prefix(MARKER)?).ok()
}
