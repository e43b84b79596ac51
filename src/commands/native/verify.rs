//! `artcheck verify MATRIX`: end-to-end inference, row by row.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use artcheck_inspect::shown::shown;
use artcheck_inspect::source::Spelled as _;
use artcheck_verify::{
    Arithmetic, ChildCommand, MatrixOptions, MatrixReport, Order, Progress, RowReport, Share,
    Stage, run_matrix,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::verify_hooks::{Rules, Shims};
use super::verify_one::Matrix;
use super::{verify_mission, verify_one};
use crate::args::{Rounding, ShimChoice, ThreadOrder, VerifyArgs};
use crate::commands::terminal::Terminal;
use crate::exit::Status;
use crate::report::format::Format;
use crate::report::verify as report;
use crate::streams::stdout;

/// Runs the matrix and reports.
pub fn run(args: &VerifyArgs, terminal: Terminal) -> anyhow::Result<Status> {
    report::check(args.format, &args.output)?;
    let (matrix, left) = match &args.mission {
        Some(folder) => verify_mission::matrix(args, folder)?,
        None => (verify_one::matrix(args)?, Vec::new()),
    };
    let precheck = Rules;
    let shims = Shims::new()?;
    // The hash that divides files divides names too.
    let share = args.shard.map(|shard| {
        let holds = move |name: &str| shard.holds(Path::new(name));
        (shard.to_string(), holds)
    });
    let options = MatrixOptions {
        matrix: matrix.file.clone(),
        only: args.only.clone(),
        device: args.device.clone().filter(|_| !matrix.is_one),
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
        arithmetic: args.arithmetic.map(|arithmetic| match arithmetic {
            Rounding::Strict => Arithmetic::Strict,
            Rounding::Contracted => Arithmetic::Contracted,
            Rounding::Fast => Arithmetic::Fast,
        }),
    };
    let mut display = Display::new(terminal.progress);
    let result = run_matrix(&options, &mut display);
    display.bar.finish_and_clear();
    let mut result = result.map_err(|error| matrix.error(error))?;
    // What a person named, also where the rows are in a temporary file.
    if let Some(named) = args.mission.as_ref().or(args.matrix.as_ref()) {
        result.matrix.clone_from(named);
    }
    verify_mission::add(&mut result, &left, args, |name| {
        let holds = share.as_ref().is_none_or(|(_, holds)| holds(name));
        holds && (args.only.is_empty() || args.only.iter().any(|part| name.contains(part)))
    });
    if result.rows.is_empty() {
        tell!("artcheck: {}", no_rows(args, &matrix.file)?);
    }
    let simulates = args.guard || args.order.is_some() || args.arithmetic.is_some();
    if simulates && !result.rows.iter().any(|row| row.simulated) {
        tell!("--guard, --order and --arithmetic are for rows on metal-sim; none was chosen");
    }
    show(args, terminal, &matrix, &mut result)
}

/// Shows what came of it, and what to type next.
fn show(
    args: &VerifyArgs,
    terminal: Terminal,
    matrix: &Matrix,
    result: &mut MatrixReport,
) -> anyhow::Result<Status> {
    if matrix.is_one {
        verify_one::expect_nothing(result);
    }
    if matrix.is_one && args.format == Format::Human && args.output.is_empty() {
        let mut out = stdout();
        if verify_one::ran(result, &mut out)? {
            return Ok(Status::Clean);
        }
    }
    report::write(
        result,
        args.format,
        &args.output,
        terminal.quiet,
        terminal.style,
    )?;
    let next = verify_one::next(args, result);
    if let Some(line) = next.filter(|_| matrix.is_one && args.format == Format::Human) {
        writeln!(stdout(), "{line}")?;
    }
    if args.mission.is_some() && args.format == Format::Human {
        writeln!(stdout(), "\n{}", verify_mission::table(result))?;
    }
    Ok(report::status(result))
}

/// Why no row is in the report: the options leave none, or the matrix has none.
fn no_rows(args: &VerifyArgs, matrix: &Path) -> anyhow::Result<String> {
    let file = args.mission.as_deref().unwrap_or(matrix).spelled();
    let is_empty = args.mission.is_none() && artcheck_verify::read(matrix)?.is_empty();
    Ok(match args.shard {
        _ if is_empty => format!("{file} has no rows: add a [[row]]"),
        Some(shard) => format!("{file}: none of its rows is in shard {shard}"),
        None => format!("{file}: none of its rows is chosen by --only and --device"),
    })
}

/// What goes on, on a terminal's standard error: the stage a row is in, a bar
/// while weights are read, one line per row that ended.
struct Display {
    bar: ProgressBar,
}

impl Display {
    fn new(wanted: bool) -> Display {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        if wanted {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        }
        Display { bar }
    }

    fn show(&self, template: &str, message: String) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style);
        }
        self.bar.set_message(message);
    }
}

impl Progress for Display {
    fn stage(&mut self, row: &str, stage: Stage) {
        self.show("{wide_msg}", format!("{row}: {stage}"));
    }

    fn weights(&mut self, row: &str, done: usize, total: usize) {
        self.bar.set_length(total as u64);
        self.bar.set_position(done as u64);
        let template = "{bar:30} {pos}/{len} parameters  {wide_msg}";
        self.show(template, row.to_owned());
    }

    fn answer(&mut self, row: &str, prompt: usize, text: &str) {
        // The end of it: a line has no room for more.
        let end: Vec<char> = text.chars().rev().take(60).collect();
        let end: String = end.into_iter().rev().collect();
        let prompt = prompt.saturating_add(1);
        self.show(
            "{wide_msg}",
            shown(&format!("{row}: answer {prompt}: {end}")).into_owned(),
        );
    }

    fn row(&mut self, row: &RowReport) {
        let outcome = report::outcome(&row.outcome);
        self.bar.println(format!("{}: {outcome}", row.name));
    }
}
