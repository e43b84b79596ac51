//! The terminal, as far as commands need to know of it.

use std::io::IsTerminal;

use crate::args::{Args, ColorChoice};
use crate::report::style::Style;

/// Whether standard output goes into a file. A pipe may end in the log of a
/// build service, which obeys commands that it finds there as a terminal does.
pub fn stdout_is_file() -> bool {
    #[cfg(not(windows))]
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
    /// How standard output looks.
    pub style: Style,
    /// Show progress on standard error.
    pub progress: bool,
    /// Only the report.
    pub quiet: bool,
}

impl Terminal {
    /// What the arguments say, and else the terminal itself.
    pub fn of(args: &Args) -> Self {
        Self {
            style: Style {
                color: match args.color {
                    ColorChoice::Always => true,
                    ColorChoice::Never => false,
                    ColorChoice::Auto => has_colors(&console::Term::stdout()),
                },
                width: width(&console::Term::stdout()),
            },
            progress: !args.quiet && std::io::stderr().is_terminal(),
            quiet: args.quiet,
        }
    }
}

/// As the terminal is that errors go to.
pub fn error_style() -> Style {
    let terminal = console::Term::stderr();
    Style {
        color: has_colors(&terminal),
        width: width(&terminal),
    }
}

/// Whether it shows colours, unless NO_COLOR is set.
fn has_colors(terminal: &console::Term) -> bool {
    // On Windows this also turns escape sequences on.
    terminal.features().colors_supported()
        && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of the terminal, or COLUMNS: a test or a log viewer may set it.
fn width(terminal: &console::Term) -> Option<usize> {
    let set = std::env::var("COLUMNS")
        .ok()
        .and_then(|text| text.parse().ok());
    set.or_else(|| {
        let (_, columns) = terminal.size_checked()?;
        Some(usize::from(columns))
    })
    .filter(|columns| *columns > 0)
}
