//! The whole run: which rows, how many at once, pre-check, shims, results.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use artcheck_metal_sim::{Order, Report};

use crate::device::DeviceName;
use crate::matrix::row::Row;
use crate::matrix::{MatrixError, file};
use crate::parts::{RuntimeFiles, lacks_part};
use crate::report::{
    Class, Facts, Failure, Figures, MatrixReport, Outcome, PrecheckFinding, RowReport, SCHEMA,
    Shim, Stage,
};
use crate::simulate::{self, Simulator};

use super::hooks::{Precheck, Progress, ShimProvider};
use super::process::{self, ChildCommand, Ended};
use super::protocol::{ChildResult, Done, Event};

/// What to run and how.
pub struct MatrixOptions<'a> {
    /// The matrix file.
    pub matrix: PathBuf,
    /// Rows whose name or model contains one of these; all if empty.
    pub only: Vec<String>,
    /// Rows of this kind of device (`cuda`) or device (`cuda:1`).
    pub device: Option<String>,
    /// A share of the rows: several machines run one matrix.
    pub share: Option<Share<'a>>,
    /// Rows at once; figures are only comparable with 1.
    pub jobs: usize,
    /// Replaces each row's number of runs.
    pub repeat: Option<u32>,
    /// Replaces each row's time limit.
    pub time_limit: Option<Duration>,
    /// Counts rows that did not run as failures.
    pub require_all: bool,
    /// How to start a child process.
    pub child: ChildCommand,
    /// Looks at files before they are loaded.
    pub precheck: Option<&'a dyn Precheck>,
    /// Repairs rows that fail.
    pub shims: Option<&'a dyn ShimProvider>,
    /// Guard mode on the simulated device, whatever the rows say.
    pub guard: bool,
    /// Replaces the order of threads on the simulated device.
    pub order: Option<Order>,
}

impl MatrixOptions<'_> {
    /// All rows of a matrix, one after the other, as they are written.
    pub fn new(matrix: impl Into<PathBuf>, child: ChildCommand) -> Self {
        Self {
            matrix: matrix.into(),
            only: Vec::new(),
            device: None,
            share: None,
            jobs: 1,
            repeat: None,
            time_limit: None,
            require_all: false,
            child,
            precheck: None,
            shims: None,
            guard: false,
            order: None,
        }
    }
}

/// Some of the rows, told by their names.
#[derive(Clone, Copy)]
pub struct Share<'a> {
    /// `K/N`.
    pub label: &'a str,
    /// Whether the row of that name belongs to it.
    pub holds: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Runs a matrix. Rows that filters leave out are not in the report.
pub fn run_matrix(
    options: &MatrixOptions<'_>,
    progress: &mut dyn Progress,
) -> Result<MatrixReport, MatrixError> {
    let mut rows: Vec<(usize, Row)> = file::read(&options.matrix)?
        .into_iter()
        .enumerate()
        .collect();
    if simulates(options) {
        rows.iter_mut().for_each(|(_, row)| simulate(row));
    }
    rows.retain(|(_, row)| wanted(options, row));
    for (_, row) in &mut rows {
        row.repeat = options.repeat.unwrap_or(row.repeat).max(1);
        row.time_limit = options.time_limit.unwrap_or(row.time_limit);
        row.simulation.guard |= options.guard;
        row.simulation.order = options.order.unwrap_or(row.simulation.order);
    }
    let simulator = Simulator::default();
    progress.begin(rows.len());
    let mut reports: Vec<Option<RowReport>> = vec![None; rows.len()];
    let queue: Mutex<VecDeque<_>> = Mutex::new(rows.iter().zip(&mut reports).collect());
    let shared = Mutex::new(progress);
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.clamp(1, rows.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let next = lock(&queue).pop_front();
                    let Some(((place, row), slot)) = next else {
                        break;
                    };
                    let mut report = RowRun::new(options, row, &shared, &simulator).run();
                    report.place = *place;
                    lock(&shared).row(&report);
                    *slot = Some(report);
                }
            });
        }
    });
    drop(queue);
    Ok(MatrixReport {
        schema: SCHEMA.to_owned(),
        matrix: options.matrix.clone(),
        shard: options.share.map(|share| share.label.to_owned()),
        require_all: options.require_all,
        rows: reports.into_iter().flatten().collect(),
    })
}

/// True if the simulated device was asked for by name.
fn simulates(options: &MatrixOptions<'_>) -> bool {
    let device = options.device.as_ref().and_then(|name| name.parse().ok());
    device.is_some_and(DeviceName::is_simulated)
}

/// A row for Metal becomes one for the simulated device, and gets the time that a
/// CPU takes for what its limit expects of a GPU.
fn simulate(row: &mut Row) {
    if !row.device.is_simulated()
        && let Some(simulated) = row.device.simulated()
    {
        row.device = simulated;
        row.time_limit = row.time_limit.saturating_mul(SIMULATED_TIME);
    }
}

/// How many times longer a row for Metal may take when it is simulated.
const SIMULATED_TIME: u32 = 10;

fn wanted(options: &MatrixOptions<'_>, row: &Row) -> bool {
    let named = |part: &String| row.name.contains(part) || row.model.contains(part);
    let on_device =
        |device: &String| *device == row.device.kind() || *device == row.device.to_string();
    let shared = options.share.is_none_or(|share| (share.holds)(&row.name));
    shared
        && (options.only.is_empty() || options.only.iter().any(named))
        && options.device.as_ref().is_none_or(on_device)
}

/// A panic elsewhere must not hide the other rows.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One row on its way to its report.
struct RowRun<'a, 'p> {
    options: &'a MatrixOptions<'a>,
    row: &'a Row,
    progress: &'a Mutex<&'p mut dyn Progress>,
    simulator: &'a Simulator,
    findings: Vec<PrecheckFinding>,
    shim: Option<Shim>,
    facts: Facts,
    kernels: Option<Report>,
    stage: Option<Stage>,
    runs: u32,
    seconds: f64,
}

impl<'a, 'p> RowRun<'a, 'p> {
    fn new(
        options: &'a MatrixOptions<'a>,
        row: &'a Row,
        progress: &'a Mutex<&'p mut dyn Progress>,
        simulator: &'a Simulator,
    ) -> RowRun<'a, 'p> {
        RowRun {
            options,
            row,
            progress,
            simulator,
            findings: Vec::new(),
            shim: None,
            facts: Facts::default(),
            kernels: None,
            stage: None,
            runs: 0,
            seconds: 0.0,
        }
    }

    fn run(mut self) -> RowReport {
        if let Some(reason) = cannot_run(self.row) {
            return self.report(Outcome::NotRun { reason }, Done::default());
        }
        self.stage = Some(Stage::LoadSet);
        let first = match self.precheck() {
            Some(failure) => ChildResult::Failed(failure),
            None => self.attempts(self.row),
        };
        let result = match first {
            ChildResult::Failed(failure) => self.repaired(failure),
            other => other,
        };
        match result {
            ChildResult::NotRun { reason } => {
                self.report(Outcome::NotRun { reason }, Done::default())
            }
            ChildResult::Failed(failure) => {
                self.report(Outcome::Failed { failure }, Done::default())
            }
            ChildResult::Done(done) => {
                let outcome = judge(&done);
                self.report(outcome, done)
            }
        }
    }

    /// What the pre-check finds; a failure if it stops the row.
    fn precheck(&mut self) -> Option<Failure> {
        let precheck = self.options.precheck?;
        match precheck.check(self.row) {
            Ok(findings) => self.findings = findings,
            Err(message) => self.findings = vec![undecided(message)],
        }
        let blocking: Vec<String> = self
            .findings
            .iter()
            .filter(|f| f.blocking)
            .map(|f| format!("{}: {}", f.code, f.message))
            .collect();
        (!blocking.is_empty())
            .then(|| Failure::new(Class::Precheck, Stage::LoadSet, blocking.join("\n")))
    }

    /// The row again with a shim, if there is one; else the failure stays.
    fn repaired(&mut self, failure: Failure) -> ChildResult {
        let Some(provider) = self.options.shims else {
            return ChildResult::Failed(failure);
        };
        let shim = match provider.shim(self.row, &failure, &self.findings) {
            Ok(Some(shim)) => shim,
            Ok(None) => return ChildResult::Failed(failure),
            Err(message) => {
                let mut failure = failure;
                failure.message.push_str(&format!("\nno shim: {message}"));
                return ChildResult::Failed(failure);
            }
        };
        let mut row = self.row.clone();
        row.shims.extend(shim.libraries.iter().cloned());
        if let Some(library) = &shim.replaces_library {
            row.library.clone_from(library);
        }
        self.shim = Some(shim);
        self.attempts(&row)
    }

    /// As many runs as the row wants; the first that does not pass ends them.
    fn attempts(&mut self, row: &Row) -> ChildResult {
        let mut figures = Vec::new();
        let mut last = None;
        for _ in 0..row.repeat {
            let ended = self.once(row);
            match ended.result {
                ChildResult::Done(done) if done.checks.iter().all(|c| c.passed) => {
                    figures.push(done.figures);
                    last = Some(done);
                }
                other => return other,
            }
        }
        match last {
            Some(mut done) => {
                done.figures = median(&figures);
                ChildResult::Done(done)
            }
            None => ChildResult::NotRun {
                reason: "no repetition was asked for".to_owned(),
            },
        }
    }

    fn once(&mut self, row: &Row) -> Ended {
        let progress = self.progress;
        let mut tell = |event: &Event| match event {
            Event::Stage { stage } => lock(progress).stage(&row.name, *stage),
            Event::Weights { done, total } => lock(progress).weights(&row.name, *done, *total),
            Event::Facts(_) | Event::Result(_) => {}
        };
        let child = &self.options.child;
        let ended = if row.device.is_simulated() {
            let prepared = match self.simulator.prepare(row) {
                Ok(prepared) => prepared,
                Err(reason) => return Ended::not_run(reason),
            };
            let ended = process::run(child, &prepared.row, &prepared.environment, &mut tell);
            self.kernels = prepared.report();
            ended
        } else {
            process::run(child, row, &[], &mut tell)
        };
        self.runs = self.runs.saturating_add(1);
        self.seconds += ended.wall.as_secs_f64();
        self.stage = Some(match &ended.result {
            ChildResult::Failed(failure) => failure.stage,
            ChildResult::Done(_) => Stage::Compare,
            ChildResult::NotRun { .. } => Stage::Dlopen,
        });
        self.facts.clone_from(&ended.facts);
        ended
    }

    fn report(self, outcome: Outcome, done: Done) -> RowReport {
        RowReport {
            name: self.row.name.clone(),
            place: 0,
            model: self.row.model.clone(),
            device: self.row.device.to_string(),
            simulated: self.row.device.is_simulated(),
            runtime: self.row.runtime.name.clone(),
            library: self.row.library.clone(),
            outcome,
            stage: self.stage,
            facts: self.facts,
            precheck: self.findings,
            shim: self.shim,
            checks: done.checks,
            answers: done.answers,
            figures: done.figures,
            kernels: self.kernels,
            runs: self.runs,
            seconds: self.seconds,
        }
    }
}

/// Why a row cannot run on this machine, as far as its files show.
fn cannot_run(row: &Row) -> Option<String> {
    let missing: Vec<String> = row
        .files()
        .iter()
        .filter(|(_, path)| !path.exists())
        .map(|(what, path)| match unset(&path.to_string_lossy()) {
            Some(name) => format!("{name} is not set; {what} {}", path.display()),
            None => format!("no {what} {}", path.display()),
        })
        .collect();
    if !missing.is_empty() {
        let get = row.get.as_ref();
        let hint = get.map_or(String::new(), |get| format!("; to get it: {get}"));
        return Some(format!("{}{hint}", missing.join(", ")));
    }
    if let Some(reason) = simulate::cannot_run(row) {
        return Some(reason);
    }
    if row.device.part().is_none() || row.runtime.paths.iter().any(|p| p.is_file()) {
        return None;
    }
    // A runtime without the device's part is no failure of the row.
    let files = RuntimeFiles::find(&row.runtime.paths).ok()?;
    files.device_part(row.device).err()?;
    Some(lacks_part(row.device))
}

fn judge(done: &Done) -> Outcome {
    let wrong: Vec<&str> = done
        .checks
        .iter()
        .filter(|c| !c.passed)
        .map(|c| c.name.as_str())
        .collect();
    if wrong.is_empty() {
        return Outcome::Passed;
    }
    let message = format!("wrong answers: {}", wrong.join(", "));
    Outcome::Failed {
        failure: Failure::new(Class::Mismatch, Stage::Compare, message),
    }
}

fn undecided(message: String) -> PrecheckFinding {
    PrecheckFinding {
        code: "undecided".to_owned(),
        message,
        blocking: false,
    }
}

/// The median of each figure.
fn median(figures: &[Figures]) -> Figures {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    };
    let of = |get: fn(&Figures) -> Option<f64>| middle(figures.iter().filter_map(get).collect());
    Figures {
        prompt_tokens: figures.first().map_or(0, |f| f.prompt_tokens),
        first_token_seconds: of(|f| f.first_token_seconds),
        tokens_per_second: of(|f| f.tokens_per_second),
        host_seconds_per_step: of(|f| f.host_seconds_per_step),
        peak_memory: figures.iter().filter_map(|f| f.peak_memory).max(),
    }
}

/// The variable of a path that was left as it is written, because it is not set.
fn unset(path: &str) -> Option<&str> {
    let (_, after) = path.split_once("${")?;
    after.split_once('}').map(|(name, _)| name)
}
