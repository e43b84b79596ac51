//! `artcheck verify MATRIX`: end-to-end inference, row by row.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use artcheck_verify::report::RowReport;
use artcheck_verify::run::stage::Stage;
use artcheck_verify::simulate::Order;
use artcheck_verify::{ChildCommand, MatrixOptions, Progress, Share, run_matrix};

use super::Terminal;
use super::verify_hooks::{Rules, Shims};
use crate::args::{ShimChoice, ThreadOrder, VerifyArgs};
use crate::exit::Status;
use crate::report::verify as report;

/// Runs the matrix and reports.
pub fn run(args: &VerifyArgs, terminal: Terminal) -> anyhow::Result<Status> {
    report::check(args.format, &args.output)?;
    let precheck = Rules;
    let shims = Shims::new()?;
    // The hash that divides files divides names too.
    let share = args.shard.map(|shard| {
        let holds = move |name: &str| shard.holds(Path::new(name));
        (shard.to_string(), holds)
    });
    let options = MatrixOptions {
        matrix: args.matrix.clone(),
        only: args.only.clone(),
        device: args.device.clone(),
        share: share.as_ref().map(|(label, holds)| Share { label, holds }),
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
    let result = run_matrix(&options, &mut progress)?;
    if (args.guard || args.order.is_some()) && !result.rows.iter().any(|row| row.simulated) {
        eprintln!("--guard and --order are for rows on metal-sim; none was chosen");
    }
    report::write(&result, args.format, &args.output)?;
    Ok(report::status(&result))
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
