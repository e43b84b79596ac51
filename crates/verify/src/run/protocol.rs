//! What a child process tells its parent.
//!
//! One line of JSON per event, after a marker that no runtime prints. Everything else
//! on standard output and standard error is the runtime's own words; the parent keeps
//! the last of them.

use std::io;

use serde::{Deserialize, Serialize};

use crate::matrix::expect::Check;
use crate::report::{Answer, Facts, Failure, Figures, Stage};

use super::wire;

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
    },
    /// Parameters loaded.
    Weights {
        /// So many are done.
        done: usize,
        /// Of so many.
        total: usize,
    },
    /// What a prompt's answer is so far.
    Answer {
        /// The prompt's place in the row.
        prompt: usize,
        /// The text; the tokens' numbers where there is no tokenizer.
        text: String,
    },
    /// What was found out.
    Facts(Facts),
    /// The row ended; the last event.
    Result(Box<ChildResult>),
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

/// Writes one event. The line break before it ends whatever a runtime wrote
/// without one.
pub fn send(event: &Event) -> io::Result<()> {
    let text = serde_json::to_string(event)?;
    wire::say(&format!("\n{MARKER}{text}\n"))
}

/// The event in a line of output, if it is one.
pub fn parse(line: &str) -> Option<Event> {
    serde_json::from_str(line.strip_prefix(MARKER)?).ok()
}
