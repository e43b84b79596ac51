//! `artcheck matrix`: artifacts x runtimes as a table.

use super::scan;
use super::terminal::Terminal;
use crate::args::ScanArgs;
use crate::exit::Status;

/// Scans and shows the table.
pub fn run(args: &ScanArgs, terminal: Terminal) -> anyhow::Result<Status> {
    scan::report(args, terminal, true)
}
