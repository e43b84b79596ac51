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

    /// Ask every model folder in DIR a few questions.
    ///
    /// A model folder holds a library and what mlc-llm's tools wrote. It ends with a table
    /// for a pull request. Rows are for Metal, or `--device`.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["matrix", "prompt", "weights", "tokenizer"])]
    pub mission: Option<PathBuf>,

    /// One library: what to ask it; repeatable.
    #[arg(long, value_name = "TEXT")]
    pub prompt: Vec<String>,

    /// One library: the folder of its weights, or random:1.
    #[arg(long, value_name = "DIR")]
    pub weights: Option<PathBuf>,

    /// One library: a tokenizer.json, or `bytes`.
    ///
    /// Without it, the tokenizer.json beside the weights.
    #[arg(long, value_name = "FILE")]
    pub tokenizer: Option<PathBuf>,

    /// One library or --mission: run on this runtime.
    ///
    /// A folder, wheel or virtual environment; without it, that of VIRTUAL_ENV.
    #[arg(long, short, value_name = "PATH")]
    pub runtime: Option<PathBuf>,

    /// One library or --mission: generate N tokens.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_tokens: Option<u32>,

    /// Only rows whose name or model has TEXT; repeatable.
    #[arg(long, value_name = "TEXT")]
    pub only: Vec<String>,

    /// Only rows on this device: cpu, cuda, metal, ...
    ///
    /// `cuda:1` means exactly that one. `metal-sim` also takes rows for metal and runs
    /// them simulated on the CPU.
    #[arg(long, value_parser = device)]
    pub device: Option<String>,

    /// Run N rows at once; only 1 gives comparable figures.
    #[arg(
        long,
        short,
        value_name = "N",
        default_value_t = 1,
        hide_default_value = true
    )]
    pub jobs: usize,

    /// Run each row N times, whatever the matrix says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub repeat: Option<u32>,

    /// Stop each run after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub time_limit: Option<u64>,

    /// Count rows that could not run as failures.
    #[arg(long)]
    pub require_all: bool,

    /// Also run rows that the rules say will break.
    #[arg(long)]
    pub no_precheck: bool,

    /// metal-sim: check every memory access of kernels.
    ///
    /// Several times slower.
    #[arg(long)]
    pub guard: bool,

    /// metal-sim: run threads forward or in reverse.
    #[arg(long, value_enum, hide_possible_values = true)]
    pub order: Option<ThreadOrder>,

    /// metal-sim: round strict, contracted or fast.
    ///
    /// A Mac's compiler contracts and reorders.
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true)]
    pub arithmetic: Option<Rounding>,

    /// `auto`: fix rows that cannot run, and report how.
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = ShimChoice::None, hide_possible_values = true, hide_default_value = true)]
    pub shim: ShimChoice,

    /// Run the K-th of N shares of the rows.
    ///
    /// `artcheck merge` joins the JSON reports of the shares.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<artcheck_inspect::scan::Shard>,

    /// human, json, junit or markdown.
    #[arg(long, default_value = "human", value_parser = format(), hide_possible_values = true, hide_default_value = true)]
    pub format: Format,

    /// Write a report to FILE, by its suffix; repeatable.
    ///
    /// Other names take the format of --format, or say it: FORMAT=FILE.
    #[arg(long, short, value_name = "FILE", value_parser = crate::report::output::parser())]
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
