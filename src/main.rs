//! `artcheck`: will this compiled model library load and run on that runtime?

#![forbid(unsafe_code)]
// What only `commands::native` and `report::others` use.
#![cfg_attr(target_family = "wasm", allow(dead_code))]

#[macro_use]
mod streams;

mod args;
mod commands;
mod exit;
mod explain;
mod installed;
mod policy;
#[cfg_attr(target_family = "wasm", path = "progress_left_out.rs")]
mod progress;
mod replace;
mod report;
mod runtimes;
mod told;

use std::process::ExitCode;

use clap::Parser;

/// Scanning makes many small strings on every thread. The allocator of glibc
/// asks the system for every few of them, and threads then wait for each other;
/// `docs/performance.md` has the figures.
#[cfg(not(target_family = "wasm"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The standard library knows no folder for temporary files there.
    #[cfg(target_family = "wasm")]
    {
        let named = std::env::var_os("TMPDIR").unwrap_or_else(|| "/tmp".into());
        let _first = tempfile::env::override_temp_dir(named.as_ref());
    }
    let args = match args::Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let style = commands::error_style();
            let Some(text) = args::refused(&error, style.color) else {
                error.exit();
            };
            tell!("{}", style.page(&text).trim_end());
            return exit::Status::Failed.into();
        }
    };
    match commands::run(args) {
        Ok(status) => status.into(),
        Err(error) => {
            let (begin, status) = match is_limit(&error) {
                true => (UNDECIDED, exit::Status::Unknown),
                false => ("", exit::Status::Failed),
            };
            let text = format!("artcheck: {begin}{}", told::told(&error));
            let text = artcheck_inspect::shown::shown_lines(&text).into_owned();
            tell!("{}", commands::error_style().page(&text).trim_end());
            status.into()
        }
    }
}

/// What is said where a limit was reached, before the limit.
const UNDECIDED: &str = "undecided, because a limit was reached: ";

/// Whether the input may be sound and holds more than is read.
fn is_limit(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| {
        let error = cause.downcast_ref::<artcheck_inspect::DecodeError>();
        error.is_some_and(|error| error.is_limit)
    })
}
