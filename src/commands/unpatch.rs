//! `artcheck unpatch FILE`: the bytes a file had before it was patched.

use std::io::Write;

use artcheck_inspect::shown::shown;
use artcheck_patch::inplace;

use crate::args::UnpatchArgs;
use crate::exit::Status;
use crate::report::style::Style;
use crate::streams::stdout;

/// Restores one file from its receipt.
pub fn run(args: &UnpatchArgs, style: Style) -> anyhow::Result<Status> {
    let applied = inplace::unpatch(&args.file, args.break_hard_link)?;
    let mut out = stdout();
    let file = applied.file.to_string_lossy();
    let file = shown(&file);
    let before = "as it was before the first patch";
    let text = match applied.written {
        true => format!("restored {file} {before}; its receipt is removed"),
        false => format!("{file} is {before} already; its receipt is removed"),
    };
    write!(out, "{}", style.page(&text))?;
    Ok(Status::Clean)
}
