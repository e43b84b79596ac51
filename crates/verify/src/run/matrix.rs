//! The whole run: which rows, and how many at once.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use artcheck_metal_sim::Order;

use crate::device::DeviceName;
use crate::matrix::row::Row;
use crate::matrix::{MatrixError, file};
use crate::report::{MatrixReport, RowReport, SCHEMA};
use crate::simulate::Simulator;

use super::hooks::{Precheck, Progress, ShimProvider, Tools};
use super::process::ChildCommand;
use super::row_run::{RowRun, lock};

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
    let tools = Tools {
        child: &options.child,
        precheck: options.precheck,
        shims: options.shims,
    };
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
                    let run = RowRun::new(&tools, (*place, row), &shared, &simulator);
                    let report = run.run();
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
