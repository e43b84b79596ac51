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
    /// Patch files for a TVM source tree: accept both tags; flat C functions over DeviceAPI.
    Source(PatchSourceArgs),
    /// A library that mends a stock runtime when it is loaded.
    Shim(PatchShimArgs),
    /// Change the attention tags of an artifact.
    Retag(PatchRetagArgs),
    /// Change all that a runtime needs and that can be made exact in place.
    Convert(PatchConvertArgs),
    /// Take folders of the build machine out of a library's names and run paths.
    Relocate(PatchFileArgs),
    /// Sign a Mach-O file ad hoc, or renew its page hashes.
    Sign(PatchFileArgs),
    /// Store the libraries of an APK at multiples of 16 KiB.
    Align(PatchAlignArgs),
    /// Change the name of a model library in an app or package configuration.
    ModelLib(PatchModelLibArgs),
}

/// `patch source`.
#[derive(Debug, clap::Args)]
pub struct PatchSourceArgs {
    /// A TVM or relax checkout, or a folder with an installed wheel.
    #[arg(long, value_name = "DIR")]
    pub tvm: PathBuf,

    /// Write the patch series here; without it and --apply the patches are printed.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Edit the tree itself: all files or none.
    #[arg(long)]
    pub apply: bool,
}

/// `patch shim`.
#[derive(Debug, clap::Args)]
pub struct PatchShimArgs {
    /// The runtime's libraries, folders, wheel or virtual environment.
    #[arg(long, short, required = true, num_args = 1.., value_name = "PATH")]
    pub runtime: Vec<PathBuf>,

    /// Artifacts and clients that must run: their findings choose the parts.
    #[arg(long = "for", num_args = 1.., value_name = "PATH")]
    pub wanted_for: Vec<PathBuf>,

    #[command(flatten)]
    pub application: ApplicationArgs,

    /// A part by name: device-api, attention-tag, cache-config, context-slots, metal-payload.
    #[arg(long, value_name = "PART")]
    pub part: Vec<ShimPart>,

    /// The library to write; its source goes beside it.
    #[arg(long, short, value_name = "FILE")]
    pub out: PathBuf,

    /// System to build for: x86_64-linux, aarch64-linux or aarch64-macos; the runtime's own if absent.
    #[arg(long)]
    pub target: Option<ShimTarget>,
}

/// Where a change in place goes.
#[derive(Debug, clap::Args)]
pub struct InPlace {
    /// Write the result to FILE, which must not exist.
    #[arg(long, short, value_name = "FILE", conflicts_with = "in_place")]
    pub out: Option<PathBuf>,

    /// Change the file itself; a receipt beside it undoes the change.
    #[arg(long)]
    pub in_place: bool,

    /// Change one name of a hard-linked file; the others keep the old bytes.
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
    /// Replace a team's code signature; without it such a file is refused.
    #[arg(long, value_enum)]
    pub resign: Option<ResignChoice>,

    #[command(flatten)]
    pub to_where: InPlace,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `patch retag`.
#[derive(Debug, clap::Args)]
pub struct PatchRetagArgs {
    /// The artifact.
    pub file: PathBuf,

    /// The tag afterwards: tir or tirx.
    #[arg(long)]
    pub to: Tag,

    /// The runtime it is for: it must accept the tag.
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

    /// Change what can be made right although something else cannot.
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

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `patch model-lib`.
#[derive(Debug, clap::Args)]
pub struct PatchModelLibArgs {
    /// mlc-app-config.json or mlc-package-config.json.
    pub file: PathBuf,

    /// The name that is there.
    #[arg(long, value_name = "NAME")]
    pub from: String,

    /// The name afterwards: the prefix of a system library, without the underscore behind it.
    #[arg(long, value_name = "NAME")]
    pub to: String,

    #[command(flatten)]
    pub to_where: InPlace,

    /// Report format.
    #[arg(long, value_enum, default_value_t = PlainFormat::Human)]
    pub format: PlainFormat,
}

/// `unpatch`.
#[derive(Debug, clap::Args)]
pub struct UnpatchArgs {
    /// The patched file; its receipt lies beside it.
    pub file: PathBuf,

    /// Change one name of a hard-linked file; the others keep their bytes.
    #[arg(long)]
    pub break_hard_link: bool,
}
