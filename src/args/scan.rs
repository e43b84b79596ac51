//! Arguments of `scan` and `matrix`.

use std::path::PathBuf;

use artcheck_inspect::Target;

use super::application::ApplicationArgs;
use super::report::ReportArgs;

/// `scan` and `matrix`.
#[derive(Debug, clap::Args)]
pub struct ScanArgs {
    /// Files, directories, archives, wheels or virtual environments.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,

    #[command(flatten)]
    pub selection: Selection,

    #[command(flatten)]
    pub report: ReportArgs,

    #[command(flatten)]
    pub policy: PolicyArgs,
}

/// What is accepted, and which share of the files to look at.
#[derive(Debug, Clone, clap::Args)]
pub struct PolicyArgs {
    /// The policy; without it, artcheck.toml above the first PATH.
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,

    /// Look for no artcheck.toml.
    #[arg(long)]
    pub no_config: bool,

    /// Findings recorded in FILE are accepted: only new ones count.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,

    /// Record the findings of this run in the --baseline file.
    #[arg(long, requires = "baseline")]
    pub update_baseline: bool,

    /// Look at the K-th of N shares of the files; `artcheck merge` joins the JSON reports.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<artcheck_inspect::scan::Shard>,
}

/// Which runtimes and machine to check against.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// A runtime: a release (`tvm-0.26`), a library, directory, wheel or virtual
    /// environment, `installed` for the active one, or a profile saved by `artcheck
    /// runtime --save`; for wasm libraries
    /// an npm package (`web-llm-0.2.79`, its folder or tarball). Repeatable.
    /// Without it: the load sets among PATHs, else every known release.
    #[arg(long, short, value_name = "RUNTIME")]
    pub runtime: Vec<String>,

    /// A library that every process loads first, as a shim is (LD_PRELOAD,
    /// DYLD_INSERT_LIBRARIES): it may provide what others ask for. Repeatable.
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,

    /// The paths are the whole machine, as a container's root folder is: what is needed
    /// and not among them (a driver, the CUDA runtime) is an error.
    #[arg(long)]
    pub complete: bool,

    /// The machine it must run on: ARCH-SYSTEM[.VERSION][+GPU...], e.g. x86_64-linux.2.28,
    /// aarch64-macos.13, x86_64-linux+sm_90, wasm32-web+no-f16+storage-buffers=8;
    /// `artcheck explain AC401` lists what can be said of a GPU.
    #[arg(long)]
    pub target: Option<Target>,

    #[command(flatten)]
    pub application: ApplicationArgs,

    /// Also compare the checksums of weight shards, which reads them whole.
    #[arg(long)]
    pub checksums: bool,

    /// Threads; as many as the machine has cores if not given.
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<usize>,
}
