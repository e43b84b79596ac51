//! The terminal, as far as commands need to know of it.

use std::io::IsTerminal;

use crate::args::{Args, ColorChoice};

/// Whether standard output goes into a file. A pipe may end in the log of a
/// build service, which obeys commands that it finds there as a terminal does.
pub fn stdout_is_file() -> bool {
    #[cfg(unix)]
    let stdout = std::os::fd::AsFd::as_fd(&std::io::stdout()).try_clone_to_owned();
    #[cfg(windows)]
    let stdout = std::os::windows::io::AsHandle::as_handle(&std::io::stdout()).try_clone_to_owned();
    stdout.is_ok_and(|stdout| {
        let metadata = std::fs::File::from(stdout).metadata();
        metadata.is_ok_and(|metadata| metadata.is_file())
    })
}

/// What every command needs to know of the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Colour standard output.
    pub color: bool,
    /// Show progress on standard error.
    pub progress: bool,
    /// Only the report.
    pub quiet: bool,
}

impl Terminal {
    /// What the arguments say, and else the terminal itself.
    pub fn of(args: &Args) -> Self {
        Self {
            color: match args.color {
                ColorChoice::Always => true,
                ColorChoice::Never => false,
                ColorChoice::Auto => {
                    std::io::stdout().is_terminal()
                        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
                }
            },
            progress: !args.quiet && std::io::stderr().is_terminal(),
            quiet: args.quiet,
        }
    }
}
