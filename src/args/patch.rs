//! Arguments of `patch` and `unpatch`.

use std::path::PathBuf;

use artcheck_patch::inplace::Tag;
use artcheck_patch::shim::{ShimPart, ShimTarget};
use clap::{Subcommand, ValueEnum};

use super::application::ApplicationArgs;
use super::format::PlainFormat;

/// Ways of patching.
#[derive(Debug, Subcommand)]
pub enum PatchCommand {
    /// Patches for TVM's source: accept both tags, add flat C functions for devices.
    #[command(after_help = "Example: artcheck patch source --tvm tvm --out patches")]
    Source(PatchSourceArgs),
    /// Build a library that makes a stock runtime accept an artifact or a client.
    #[command(
        after_help = "Example: artcheck patch shim --runtime .venv --for qwen3.so --out shim.so"
    )]
    Shim(PatchShimArgs),
    /// Change the attention tags of an artifact.
    #[command(after_help = "Example: artcheck patch retag dist/qwen3.so --to tirx --in-place")]
    Retag(PatchRetagArgs),
    /// Make every byte-level change that the runtime needs.
    #[command(
        after_help = "Example: artcheck patch convert dist/qwen3.so --for tvm-0.26 --in-place"
    )]
    Convert(PatchConvertArgs),
    /// Remove the build machine's folders from a library's names and run paths.
    #[command(after_help = "Example: artcheck patch relocate libmodel.so --in-place")]
    Relocate(PatchFileArgs),
    /// Give a Mach-O file an ad-hoc signature, or renew its page hashes.
    #[command(after_help = "Example: artcheck patch sign model.dylib --in-place")]
    Sign(PatchFileArgs),
    /// Store the libraries of an APK at multiples of 16 KiB.
    #[command(after_help = "Example: artcheck patch align app.apk --out aligned.apk")]
    Align(PatchAlignArgs),
    /// Correct the name of a model library in an app configuration.
    #[command(
        after_help = "Example: artcheck patch model-lib mlc-app-config.json --from OLD --to NEW --in-place"
    )]
    ModelLib(PatchModelLibArgs),
}

/// `patch source`.
#[derive(Debug, clap::Args)]
pub struct PatchSourceArgs {
    /// A TVM or relax checkout, or a folder with an installed wheel.
    #[arg(long, value_name = "DIR")]
    pub tvm: PathBuf,

    /// Write the patches here; without it they are printed.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Edit the source tree itself: all files or none.
    #[arg(long)]
    pub apply: bool,
}

/// `patch shim`.
#[derive(Debug, clap::Args)]
pub struct PatchShimArgs {
    /// The runtime: libraries, folder, wheel or environment.
    #[arg(long, short, required = true, num_args = 1.., value_name = "PATH")]
    pub runtime: Vec<PathBuf>,

    /// The artifacts and clients that must run.
    #[arg(long = "for", num_args = 1.., value_name = "PATH")]
    pub wanted_for: Vec<PathBuf>,

    #[command(flatten)]
    pub application: ApplicationArgs,

    /// A part by name, such as device-api or attention-tag.
    ///
    /// The parts: device-api, attention-tag, cache-config, context-slots, metal-payload.
    #[arg(long, value_name = "PART")]
    pub part: Vec<ShimPart>,

    /// The library to write; its source goes beside it.
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,

    /// Build for this system, not the runtime's own.
    ///
    /// x86_64-linux, aarch64-linux or aarch64-macos.
    #[arg(long)]
    pub target: Option<ShimTarget>,
}

/// Where a change in place goes.
#[derive(Debug, clap::Args)]
pub struct InPlace {
    /// Write the result to FILE, which must not exist.
    #[arg(long, short, value_name = "FILE", conflicts_with = "in_place")]
    pub out: Option<PathBuf>,

    /// Change the file itself; `artcheck unpatch` undoes it.
    #[arg(long)]
    pub in_place: bool,

    /// Change this name of a hard-linked file, not the others.
    #[arg(long)]
    pub break_hard_link: bool,
}

/// What `--resign` allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ResignChoice {
    /// Replace a team's signature by an ad-hoc one.
    Adhoc,
}

/// How a binary is changed, and how that is told.
#[derive(Debug, clap::Args)]
pub struct ChangeArgs {
    /// `adhoc`: allow a team's signature to be replaced.
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true)]
    pub resign: Option<ResignChoice>,

    #[command(flatten)]
    pub to_where: InPlace,

    /// human or json.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: PlainFormat,
}

/// `patch retag`.
#[derive(Debug, clap::Args)]
pub struct PatchRetagArgs {
    /// The artifact.
    pub file: PathBuf,

    /// The new tag: tir or tirx.
    #[arg(long)]
    pub to: Tag,

    /// The runtime that must accept the tag.
    #[arg(long, short)]
    pub runtime: Option<String>,

    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `patch convert`.
#[derive(Debug, clap::Args)]
pub struct PatchConvertArgs {
    /// The artifact.
    pub file: PathBuf,

    /// The runtime it must run on.
    #[arg(long = "for", value_name = "RUNTIME")]
    pub runtime: String,

    /// Fix what can be fixed, even if something else cannot.
    #[arg(long)]
    pub partial: bool,

    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `patch relocate` and `patch sign`.
#[derive(Debug, clap::Args)]
pub struct PatchFileArgs {
    /// The library or program.
    pub file: PathBuf,

    #[command(flatten)]
    pub change: ChangeArgs,
}

/// `patch align`.
#[derive(Debug, clap::Args)]
pub struct PatchAlignArgs {
    /// The APK.
    pub file: PathBuf,

    #[command(flatten)]
    pub to_where: InPlace,

    /// human or json.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: PlainFormat,
}

/// `patch model-lib`.
#[derive(Debug, clap::Args)]
pub struct PatchModelLibArgs {
    /// mlc-app-config.json or mlc-package-config.json.
    pub file: PathBuf,

    /// The name to replace.
    #[arg(long, value_name = "NAME")]
    pub from: String,

    /// The new name: the library's prefix without its last underscore.
    #[arg(long, value_name = "NAME")]
    pub to: String,

    #[command(flatten)]
    pub to_where: InPlace,

    /// human or json.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human, hide_possible_values = true, hide_default_value = true)]
    pub format: PlainFormat,
}

/// `unpatch`.
#[derive(Debug, clap::Args)]
pub struct UnpatchArgs {
    /// The patched file, with its receipt beside it.
    pub file: PathBuf,

    /// Change this name of a hard-linked file, not the others.
    #[arg(long)]
    pub break_hard_link: bool,
}
