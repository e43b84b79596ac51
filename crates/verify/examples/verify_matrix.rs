//! Runs a matrix without the command line of the main crate.
//!
//! ```text
//! cargo run --release -p artcheck-verify --example verify_matrix -- MATRIX [ROW...]
//!     --device NAME      only rows on this device
//!     --require-all      rows that do not run count as failures
//!     --repeat N         runs of each row
//!     --json FILE        the report as JSON
//!     --markdown FILE    the report as Markdown
//! ```
//!
//! With `verify-row` as its only argument it is the child process of a row.

use std::path::PathBuf;
use std::process::ExitCode;

use artcheck_verify::report::{human, json, markdown};
use artcheck_verify::run::stage::Stage;
use artcheck_verify::{ChildCommand, MatrixOptions, Progress, child_main, run_matrix};

struct Lines;

impl Progress for Lines {
    fn stage(&mut self, row: &str, stage: Stage) {
        eprintln!("{row}: {stage}");
    }
}

#[derive(Default)]
struct Arguments {
    words: Vec<String>,
    device: Option<String>,
    require_all: bool,
    repeat: Option<u32>,
    json: Option<PathBuf>,
    markdown: Option<PathBuf>,
}

fn main() -> ExitCode {
    if std::env::args().skip(1).eq(["verify-row"]) {
        return ExitCode::from(child_main());
    }
    match parse().and_then(run) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn parse() -> Result<Arguments, String> {
    let mut parsed = Arguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--device" => parsed.device = Some(value()?),
            "--require-all" => parsed.require_all = true,
            "--repeat" => {
                let text = value()?;
                let number = text.parse().map_err(|_| format!("--repeat {text}"))?;
                parsed.repeat = Some(number);
            }
            "--json" => parsed.json = Some(value()?.into()),
            "--markdown" => parsed.markdown = Some(value()?.into()),
            _ => parsed.words.push(word),
        }
    }
    Ok(parsed)
}

fn run(arguments: Arguments) -> Result<bool, String> {
    let mut words = arguments.words.into_iter();
    let usage = "usage: verify_matrix MATRIX [OPTIONS] [ROW...]";
    let options = MatrixOptions {
        matrix: words.next().ok_or(usage)?.into(),
        only: words.collect(),
        device: arguments.device,
        jobs: 1,
        repeat: arguments.repeat,
        time_limit: None,
        require_all: arguments.require_all,
        child: ChildCommand {
            program: std::env::current_exe().map_err(|e| e.to_string())?,
            arguments: vec!["verify-row".into()],
        },
        precheck: None,
        shims: None,
        guard: false,
        order: None,
    };
    let report = run_matrix(&options, &mut Lines).map_err(|e| e.to_string())?;
    print!("{}", human::render(&report));
    write(&arguments.json, || {
        json::render(&report).map_err(|e| e.to_string())
    })?;
    write(&arguments.markdown, || Ok(markdown::render(&report)))?;
    Ok(report.succeeded())
}

fn write(
    path: &Option<PathBuf>,
    text: impl FnOnce() -> Result<String, String>,
) -> Result<(), String> {
    match path {
        Some(path) => std::fs::write(path, text()?).map_err(|e| format!("{}: {e}", path.display())),
        None => Ok(()),
    }
}
