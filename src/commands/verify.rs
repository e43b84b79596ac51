//! `artcheck verify MATRIX`: end-to-end inference, row by row.

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use anyhow::Context;
use artcheck_verify::report::{RowReport, human, json, junit, markdown};
use artcheck_verify::run::stage::Stage;
use artcheck_verify::simulate::Order;
use artcheck_verify::{ChildCommand, MatrixOptions, Progress, run_matrix};

use super::Terminal;
use super::verify_hooks::{Rules, Shims};
use crate::args::{ShimChoice, ThreadOrder, VerifyArgs, VerifyFormat};
use crate::exit::Status;

/// Runs the matrix and reports.
pub fn run(args: &VerifyArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let precheck = Rules;
    let shims = Shims::new()?;
    let options = MatrixOptions {
        matrix: args.matrix.clone(),
        only: args.only.clone(),
        device: args.device.clone(),
        jobs: args.jobs,
        repeat: args.repeat,
        time_limit: args.time_limit.map(Duration::from_secs),
        require_all: args.require_all,
        child: ChildCommand {
            program: std::env::current_exe().context("the path of this program")?,
            arguments: vec![OsString::from("verify-row")],
        },
        precheck: (!args.no_precheck).then_some(&precheck as _),
        shims: (args.shim == ShimChoice::Auto).then_some(&shims as _),
        guard: args.guard,
        order: args.order.map(|order| match order {
            ThreadOrder::Forward => Order::Forward,
            ThreadOrder::Reverse => Order::Reverse,
        }),
    };
    let mut progress = Lines {
        wanted: terminal.progress,
    };
    let report = run_matrix(&options, &mut progress)?;
    if (args.guard || args.order.is_some()) && !report.rows.iter().any(|row| row.simulated) {
        eprintln!("--guard and --order are for rows on metal-sim; none was chosen");
    }
    let text = match args.format {
        VerifyFormat::Human => human::render(&report),
        VerifyFormat::Json => json::render(&report)?,
        VerifyFormat::Junit => junit::render(&report)?,
        VerifyFormat::Markdown => markdown::render(&report),
    };
    match &args.output {
        Some(path) => std::fs::write(path, text).with_context(|| format!("{}", path.display()))?,
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
    }
    let summary = report.summary();
    Ok(
        if summary.failed > 0 || (summary.not_run > 0 && args.require_all) {
            Status::Findings
        } else if summary.passed == 0 {
            Status::Nothing
        } else {
            Status::Clean
        },
    )
}

/// One line per row that ends, on a terminal's standard error.
struct Lines {
    wanted: bool,
}

impl Progress for Lines {
    fn stage(&mut self, row: &str, stage: Stage) {
        if self.wanted {
            eprint!("\r\u{1b}[K{row}: {stage}");
        }
    }

    fn weights(&mut self, row: &str, done: usize, total: usize) {
        if self.wanted {
            eprint!("\r\u{1b}[K{row}: weights {done}/{total}");
        }
    }

    fn row(&mut self, report: &RowReport) {
        if self.wanted {
            eprintln!("\r\u{1b}[K{}: {}", report.name, report.outcome.word());
        }
    }
}
