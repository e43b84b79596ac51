//! A library tried once, in a child process: loaded, its VM made, functions called.

use std::path::PathBuf;
use std::time::Duration;

use crate::device::DeviceName;
use crate::matrix::expect::Check;
use crate::matrix::row::{Row, RuntimeSpec, Simulation};
use crate::report::Failure;
use crate::session::calls::Call;
use crate::session::{Entry, Schedule};
use crate::weights::Source;

use super::process::{self, ChildCommand};
use super::protocol::ChildResult;
use super::scratch::Scratch;

/// Longest time that it may take.
const TIME_LIMIT: Duration = Duration::from_secs(120);

/// What to try.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The library.
    pub library: PathBuf,
    /// Files of the runtime.
    pub runtime: Vec<PathBuf>,
    /// Libraries loaded after the runtime.
    pub shims: Vec<PathBuf>,
    /// The calls, in order; at least one.
    pub calls: Vec<Call>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub enum Proof {
    /// The library loaded; one check for each call.
    Ran(Vec<Check>),
    /// It did not get as far.
    Failed(Failure),
    /// It could not be tried here.
    NotRun(String),
}

/// Tries it on the CPU.
pub fn prove(child: &ChildCommand, trial: Trial) -> Proof {
    let name = trial.library.display().to_string();
    let row = Row {
        model: name.clone(),
        name,
        kind: None,
        library: trial.library,
        weights: Source::Random(0),
        tokenizer: None,
        get: None,
        device: DeviceName::CPU,
        runtime: RuntimeSpec {
            name: String::from("given"),
            paths: trial.runtime,
            preload: Vec::new(),
            other: None,
        },
        simulation: Simulation::default(),
        shims: trial.shims,
        entry: Entry::default(),
        schedule: Schedule::default(),
        prefill_chunk: None,
        max_tokens: 0,
        dims: std::collections::BTreeMap::new(),
        sampling: None,
        follow_reference: false,
        stop: None,
        folder: None,
        think: None,
        warmup: 0,
        repeat: 1,
        time_limit: TIME_LIMIT,
        memory_limit: None,
        prompts: Vec::new(),
        similarity: Vec::new(),
        calls: trial.calls,
    };
    let scratch = match Scratch::new() {
        Ok(scratch) => scratch,
        Err(error) => return Proof::NotRun(format!("no folder for temporary files: {error}")),
    };
    match process::run(child, &row, &scratch.environment(), &mut |_| ()).result {
        ChildResult::Done(done) => Proof::Ran(done.checks),
        ChildResult::Failed(failure) => Proof::Failed(failure),
        ChildResult::NotRun { reason } => Proof::NotRun(reason),
    }
}
