//! Arguments of `scan` and `matrix`.

use std::path::PathBuf;

use artcheck_inspect::Target;

use super::application::ApplicationArgs;
use super::report::ReportArgs;

/// `scan` and `matrix`.
#[derive(Debug, clap::Args)]
pub struct ScanArgs {
    /// Files, folders, archives, wheels or virtual environments.
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
    /// Use this policy, not the nearest artcheck.toml.
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,

    /// Use no artcheck.toml.
    #[arg(long)]
    pub no_config: bool,

    /// Accept the findings recorded in FILE.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,

    /// Record the findings of this run in the baseline file.
    #[arg(long, requires = "baseline")]
    pub update_baseline: bool,

    /// Check the K-th of N shares of the files.
    ///
    /// `artcheck merge` joins the JSON reports of the shares.
    #[arg(long, value_name = "K/N")]
    pub shard: Option<artcheck_inspect::scan::Shard>,
}

/// Which runtimes and machine to check against.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// Check against this runtime; repeatable.
    ///
    /// A release (`tvm-0.27`), a library, folder, wheel or virtual environment, folders as
    /// PYTHONPATH lists them (`a:b`),
    /// `installed` for the active one, or a profile saved by `artcheck runtime --save`;
    /// for wasm libraries an npm package (`web-llm-0.2.79`, its folder or tarball).
    /// Without it: the runtimes among the paths, else every known release.
    #[arg(long, short, value_name = "RUNTIME")]
    pub runtime: Vec<String>,

    /// FILE is loaded first, as a shim is; repeatable.
    ///
    /// As with LD_PRELOAD or DYLD_INSERT_LIBRARIES: it may provide what others ask for.
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,

    /// Treat the paths as the whole machine, drivers included.
    ///
    /// As a container's root folder is: what is needed and not among them (a driver, the
    /// CUDA runtime) is an error.
    #[arg(long)]
    pub complete: bool,

    /// The machine to run on, such as aarch64-macos.13.
    ///
    /// ARCH-SYSTEM[.VERSION][+GPU...], for example x86_64-linux.2.28, x86_64-linux+sm_90
    /// or wasm32-web+no-f16+storage-buffers=8; `artcheck explain AC401` lists what can be
    /// said of a GPU.
    #[arg(long)]
    pub target: Option<Target>,

    #[command(flatten)]
    pub application: ApplicationArgs,

    /// Also compare the checksums of weights; takes time.
    #[arg(long)]
    pub checksums: bool,

    /// Use N threads, not one per core.
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<usize>,
}
