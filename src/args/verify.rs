//! Arguments of `verify`.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::report::format::Format;

/// `verify`.
#[derive(Debug, clap::Args)]
pub struct VerifyArgs {
    /// The matrix file, or one model library.
    #[arg(value_name = "MATRIX|LIBRARY", required_unless_present = "mission")]
    pub matrix: Option<PathBuf>,

    /// Every model folder in DIR (a library and what mlc-llm's tools wrote), asked a few
    /// questions; ends with a table for a pull request. Rows are for Metal, or `--device`.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["matrix", "prompt", "weights", "tokenizer"])]
    pub mission: Option<PathBuf>,

    /// Of a library: what to ask it. Repeatable.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Vec<String>,

    /// Of a library: the folder of its weights, or `random:SEED`.
    #[arg(long, value_name = "DIR")]
    pub weights: Option<PathBuf>,

    /// Of a library: a tokenizer.json, or `bytes`; that beside the weights if absent.
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,

    /// Of a library or --mission: the folder, wheel or virtual environment to run on;
    /// VIRTUAL_ENV if absent.
    #[arg(long, short, value_name = "PATH")]
    pub runtime: Option<PathBuf>,

    /// Of a library: tokens to generate.
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,

    /// Only rows whose name or model contains TEXT; repeatable.
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,

    /// Only rows on this device, e.g. cpu, cuda, metal, cuda:1. `metal-sim` also takes
    /// rows for metal and runs them simulated on the CPU.
    #[arg(long, value_parser = device)]
    pub device: Option<String>,

    /// Rows at once; figures are comparable only with 1.
    #[arg(long, short, default_value_t = 1)]
    pub jobs: usize,

    /// Runs of each row, instead of what the matrix says.
    #[arg(long, value_name = "N")]
    pub repeat: Option<u32>,

    /// Time limit of each run in seconds, instead of what the matrix says.
    #[arg(long, value_name = "SECONDS")]
    pub time_limit: Option<u64>,

    /// Count rows that could not run as failures.
    #[arg(long)]
    pub require_all: bool,

    /// Run rows although the rules say that they break.
    #[arg(long)]
    pub no_precheck: bool,

    /// On metal-sim: check every access of every kernel; several times slower.
    #[arg(long)]
    pub guard: bool,

    /// On metal-sim: in which order the threads of a simd-group run.
    #[arg(long, value_enum)]
    pub order: Option<ThreadOrder>,

    /// On metal-sim: how kernels round. A Mac's compiler contracts and reorders.
    #[arg(long, value_enum)]
    pub arithmetic: Option<Rounding>,

    /// Repair rows that cannot run, and say with what.
    #[arg(long, value_enum, default_value_t = ShimChoice::None)]
    pub shim: ShimChoice,

    /// Run the K-th of N shares of the rows; `artcheck merge` joins the JSON reports.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<artcheck_inspect::scan::Shard>,

    /// Report format.
    #[arg(long, default_value = "human", value_parser = format())]
    pub format: Format,

    /// Write a report to a file: FILE for the one of --format, FORMAT=FILE for a further one. Repeatable.
    #[arg(long, short, value_name = "[FORMAT=]FILE", value_parser = crate::report::output::parse)]
    pub output: Vec<crate::report::output::Output>,
}

/// The formats that rows have a form in.
fn format() -> impl TypedValueParser<Value = Format> {
    let names = ["human", "json", "junit", "markdown"];
    PossibleValuesParser::new(names).try_map(|name| Format::from_str(&name, true))
}

/// The name of a device, as it was given.
fn device(name: &str) -> Result<String, String> {
    name.parse::<artcheck_verify::DeviceName>()?;
    Ok(name.to_owned())
}

/// `--order`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ThreadOrder {
    /// First to last.
    Forward,
    /// Last to first.
    Reverse,
}

/// `--arithmetic`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Rounding {
    /// Each operation rounds, in the order that is written.
    Strict,
    /// Products and sums may become fused multiply-adds.
    Contracted,
    /// Also another order, and denormals are zero.
    Fast,
}

/// `--shim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShimChoice {
    /// Only the shims that the matrix names.
    None,
    /// Also those that the findings call for.
    Auto,
}
