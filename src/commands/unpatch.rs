//! `artcheck unpatch FILE`: the bytes a file had before it was patched.

use std::io::Write;

use artcheck_inspect::shown::shown;
use artcheck_patch::inplace;

use crate::args::UnpatchArgs;
use crate::exit::Status;

/// Restores one file from its receipt.
pub fn run(args: &UnpatchArgs) -> anyhow::Result<Status> {
    let applied = inplace::unpatch(&args.file, args.break_hard_link)?;
    let mut out = std::io::stdout().lock();
    let file = applied.file.to_string_lossy();
    let file = shown(&file);
    let before = "as it was before the first patch";
    match applied.written {
        true => writeln!(out, "restored {file} {before}; its receipt is removed")?,
        false => writeln!(out, "{file} is {before} already; its receipt is removed")?,
    }
    Ok(Status::Clean)
}
