//! The commands that have no use in a page, which is to be small.

mod doctor;
mod init;
mod merge;
mod shell;
mod verify;

use clap::Subcommand;

pub use self::doctor::DoctorArgs;
pub use self::init::InitArgs;
pub use self::merge::MergeArgs;
pub use self::shell::{CompletionsArgs, ManArgs};
pub use self::verify::{Rounding, ShimChoice, ThreadOrder, VerifyArgs};

/// What runs models, looks at the machine, or serves other programs.
#[derive(Debug, Subcommand)]
pub enum NativeCommand {
    /// Run models on a real runtime and compare the answers.
    #[command(
        after_help = "Example: artcheck verify dist/qwen3.so --weights dist/weights --prompt Hello"
    )]
    Verify(Box<VerifyArgs>),
    /// The child process of one row.
    #[command(hide = true)]
    VerifyRow,
    /// Print the JSON Schema of the JSON report.
    #[command(after_help = "Example: artcheck schema > artcheck.schema.json")]
    Schema,
    /// Write a commented artcheck.toml, or a matrix for `verify`.
    #[command(after_help = "Examples: artcheck init\n          artcheck init --verify dist")]
    Init(InitArgs),
    /// Join JSON reports of shards or platforms into one report.
    #[command(after_help = "Example: artcheck merge linux.json mac.json --format markdown")]
    Merge(MergeArgs),
    /// Describe this machine's runtimes and libraries, for an issue.
    #[command(after_help = "Example: artcheck doctor .venv")]
    Doctor(DoctorArgs),
    /// Print completions for a shell.
    #[command(after_help = "Example: artcheck completions bash")]
    Completions(CompletionsArgs),
    /// Print the manual pages.
    #[command(after_help = "Example: artcheck man --out man")]
    Man(ManArgs),
}
