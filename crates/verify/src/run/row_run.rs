//! One row of a matrix on its way to its report: looked at, run, repaired, judged.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::matrix::row::Row;
use crate::parts::{RuntimeFiles, lacks_part};
use crate::report::{Class, Failure, Figures, Outcome, PrecheckFinding, RowReport, Stage};
use crate::simulate::{self, Simulator};
use crate::web;

use super::hooks::{Progress, Tools};
use super::process::{self, Ended};
use super::protocol::{ChildResult, Done, Event};
use super::scratch::Scratch;

/// A row that runs, and what is known of it so far.
pub struct RowRun<'a, 'p> {
    tools: &'a Tools<'a>,
    row: &'a Row,
    progress: &'a Mutex<&'p mut dyn Progress>,
    simulator: &'a Simulator,
    report: RowReport,
}

impl<'a, 'p> RowRun<'a, 'p> {
    /// Nothing is known yet.
    pub fn new(
        tools: &'a Tools<'a>,
        (place, row): (usize, &'a Row),
        progress: &'a Mutex<&'p mut dyn Progress>,
        simulator: &'a Simulator,
    ) -> RowRun<'a, 'p> {
        let report = RowReport {
            model: row.model.clone(),
            device: row.device.to_string(),
            simulated: row.device.is_simulated(),
            runtime: row.runtime.name.clone(),
            library: row.library.clone(),
            ..RowReport::not_run(place, row.name.clone(), String::new())
        };
        RowRun {
            tools,
            row,
            progress,
            simulator,
            report,
        }
    }

    /// Runs it as often as it wants.
    pub fn run(mut self) -> RowReport {
        let result = match cannot_run(self.row) {
            Some(reason) => ChildResult::NotRun { reason },
            None => self.tried(),
        };
        self.report.outcome = match result {
            ChildResult::NotRun { reason } => Outcome::NotRun { reason },
            ChildResult::Failed(failure) => Outcome::Failed { failure },
            ChildResult::Done(done) => {
                let outcome = judge(&done);
                let Done {
                    checks,
                    answers,
                    figures,
                } = done;
                self.report.checks = checks;
                self.report.answers = answers;
                self.report.figures = figures;
                outcome
            }
        };
        self.report
    }

    fn tried(&mut self) -> ChildResult {
        self.report.stage = Some(Stage::LoadSet);
        let first = match self.precheck() {
            Some(failure) => ChildResult::Failed(failure),
            None => self.attempts(self.row),
        };
        match first {
            ChildResult::Failed(failure) => self.repaired(failure),
            other => other,
        }
    }

    /// What the pre-check finds; a failure if it stops the row.
    fn precheck(&mut self) -> Option<Failure> {
        let precheck = self.tools.precheck?;
        match precheck.check(self.row) {
            Ok(findings) => self.report.precheck = findings,
            Err(message) => self.report.precheck = vec![undecided(message)],
        }
        let blocking: Vec<String> = self
            .report
            .precheck
            .iter()
            .filter(|f| f.blocking)
            .map(|f| format!("{}: {}", f.code, f.message))
            .collect();
        (!blocking.is_empty())
            .then(|| Failure::new(Class::Precheck, Stage::LoadSet, blocking.join("\n")))
    }

    /// The row again with a shim, if there is one; else the failure stays.
    fn repaired(&mut self, failure: Failure) -> ChildResult {
        let Some(provider) = self.tools.shims else {
            return ChildResult::Failed(failure);
        };
        let shim = match provider.shim(self.row, &failure, &self.report.precheck) {
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
        self.report.shim = Some(shim);
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
            Event::Answer { prompt, text } => lock(progress).answer(&row.name, *prompt, text),
            Event::Facts(_) | Event::Result(_) => {}
        };
        let child = &self.tools.child;
        let scratch = match Scratch::new() {
            Ok(scratch) => scratch,
            Err(error) => return Ended::not_run(format!("no folder for temporary files: {error}")),
        };
        let mut environment = scratch.environment();
        let ended = if row.device.is_simulated() {
            let prepared = match self.simulator.prepare(row, scratch.path()) {
                Ok(prepared) => prepared,
                Err(reason) => return Ended::not_run(reason),
            };
            environment.extend_from_slice(&prepared.environment);
            let ended = process::run(child, &prepared.row, &environment, &mut tell);
            self.report.kernels = prepared.report();
            ended
        } else {
            process::run(child, row, &environment, &mut tell)
        };
        self.report.runs = self.report.runs.saturating_add(1);
        self.report.seconds += ended.wall.as_secs_f64();
        self.report.stage = Some(match &ended.result {
            ChildResult::Failed(failure) => failure.stage,
            ChildResult::Done(_) => Stage::Compare,
            ChildResult::NotRun { .. } => Stage::Dlopen,
        });
        self.report.facts.clone_from(&ended.facts);
        ended
    }
}

/// Why a row cannot run on this machine, as far as its files show.
fn cannot_run(row: &Row) -> Option<String> {
    if let Some(missing) = missing(row) {
        return Some(missing);
    }
    if let Some(reason) = simulate::cannot_run(row)
        .or_else(|| web::cannot_run(&row.runtime.paths, row.device.is_webgpu()))
    {
        return Some(reason);
    }
    if row.device.part().is_none()
        || row.runtime.other.is_some()
        || row.runtime.paths.iter().any(|p| p.is_file())
    {
        return None;
    }
    // A runtime without the device's part is no failure of the row.
    let files = RuntimeFiles::find(&row.runtime.paths).ok()?;
    files.device_part(row.device).err()?;
    Some(lacks_part(row.device))
}

/// The files that are not there, and how to get them; each variable that is not set.
fn missing(row: &Row) -> Option<String> {
    let (mut said, mut absent) = (BTreeSet::new(), Vec::new());
    for (what, path) in row.files().iter().filter(|(_, path)| !path.exists()) {
        match variable(&path.to_string_lossy()) {
            Some(name) => {
                said.insert(format!("{name} is not set"));
            }
            None => absent.push(format!("no {what} {}", path.display())),
        }
    }
    let mut said: Vec<String> = said.into_iter().collect();
    if !absent.is_empty() {
        said.push(absent.join(", "));
        let get = row.get.iter().map(|get| format!("to get it: {get}"));
        said.extend(get);
    }
    (!said.is_empty()).then(|| said.join("; "))
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
    let message = match (wrong.as_slice(), done.checks.as_slice()) {
        (["expectations"], [only]) => only.detail.clone(),
        _ => format!("wrong answers: {}", wrong.join(", ")),
    };
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

/// A panic elsewhere must not hide the other rows.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The variable of a path that was left as it is written, because it is not set. A file
/// may be called so.
fn variable(path: &str) -> Option<&str> {
    let (_, after) = path.split_once("${")?;
    let (name, _) = after.split_once('}')?;
    std::env::var_os(name).is_none().then_some(name)
}
