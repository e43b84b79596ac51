//! The result of one row, and what it is made of.

use std::path::PathBuf;

use artcheck_metal_sim::Report;
use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::stage::Stage;
use crate::matrix::expect::Check;
use crate::session::Kind;

/// The result of one row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RowReport {
    /// Name of the row.
    pub name: String,
    /// Its place in the matrix, from 0.
    pub place: usize,
    /// The model.
    pub model: String,
    /// The device.
    pub device: String,
    /// True if the device was the simulated one, whatever became of the row.
    pub simulated: bool,
    /// The runtime's name in the matrix.
    pub runtime: String,
    /// The model library.
    pub library: PathBuf,
    /// What happened.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The last stage reached; none if the row did not start.
    pub stage: Option<Stage>,
    /// What was found out about model and runtime.
    pub facts: Facts,
    /// What the pre-check said.
    pub precheck: Vec<PrecheckFinding>,
    /// The shim that the row ran with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shim: Option<Shim>,
    /// The comparisons.
    pub checks: Vec<Check>,
    /// The answers.
    pub answers: Vec<Answer>,
    /// The figures; with several runs the median of each.
    pub figures: Figures,
    /// What the simulated device says of its kernels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernels: Option<Report>,
    /// Processes that ran.
    pub runs: u32,
    /// Seconds of all of them.
    pub seconds: f64,
}

impl RowReport {
    /// A row that did not run, of which only this is known.
    pub fn not_run(place: usize, name: String, reason: String) -> RowReport {
        RowReport {
            name,
            place,
            model: String::new(),
            device: String::new(),
            simulated: false,
            runtime: String::new(),
            library: PathBuf::new(),
            outcome: Outcome::NotRun { reason },
            stage: None,
            facts: Facts::default(),
            precheck: Vec::new(),
            shim: None,
            checks: Vec::new(),
            answers: Vec::new(),
            figures: Figures::default(),
            kernels: None,
            runs: 0,
            seconds: 0.0,
        }
    }
}

/// What happened to a row.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It ran and every answer is right.
    Passed,
    /// It did not.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// It could not run here. That is never a pass.
    NotRun {
        /// Why.
        reason: String,
    },
}

/// Something that a pre-check found in a row's load set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrecheckFinding {
    /// Rule code, such as `AC101`.
    pub code: String,
    /// What it says.
    pub message: String,
    /// True if the row cannot pass with it.
    pub blocking: bool,
}

/// A repair of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shim {
    /// Libraries to load after the runtime.
    pub libraries: Vec<PathBuf>,
    /// A repaired copy of the model library, to use in its place.
    pub replaces_library: Option<PathBuf>,
    /// What it is, for the report.
    pub description: String,
}

/// What the child found out about model and runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The kind of the model, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Packages of the runtime, by their `dist-info` names.
    pub packages: Vec<String>,
    /// What the browser calls the GPU of a page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<String>,
    /// True if the runtime is one for macOS, run in the emulator.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emulated: bool,
    /// The libraries that ran in the emulator, as they are, in the order of loading;
    /// the stand-ins for macOS's own are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub emulated_libraries: Vec<PathBuf>,
    /// What libtvm_ffi says of itself.
    pub ffi_version: Option<String>,
}

/// What came of one prompt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// What an embedding model answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub embedding: Vec<f32>,
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
