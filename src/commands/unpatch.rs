//! `artcheck unpatch FILE`: the bytes a file had before it was patched.

use std::io::Write;

use artcheck_patch::inplace;

use crate::args::UnpatchArgs;
use crate::exit::Status;

/// Restores one file from its receipt.
pub fn run(args: &UnpatchArgs) -> anyhow::Result<Status> {
    let applied = inplace::unpatch(&args.file, args.break_hard_link)?;
    let mut out = std::io::stdout().lock();
    if applied.written {
        writeln!(out, "restored {}", applied.file.display())?;
    } else {
        writeln!(
            out,
            "{} is as it was; its receipt is removed",
            applied.file.display()
        )?;
    }
    Ok(Status::Clean)
}
