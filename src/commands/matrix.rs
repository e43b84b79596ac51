//! `artcheck matrix`: artifacts x runtimes as a table.

use super::Terminal;
use super::scan::{perform, write_report};
use crate::args::{Format, ScanArgs};
use crate::exit::Status;
use crate::report::{self, style::Style};

/// Scans and shows the table.
pub fn run(args: &ScanArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let scan = perform(args, terminal)?;
    let text = match args.format {
        Format::Human => {
            let color = terminal.color && args.output.is_none();
            report::matrix::render(&scan, Style { color })
        }
        Format::Json => report::json::render(&scan)?,
    };
    write_report(args, &text)?;
    Ok(report::status(&scan, args.fail_on, args.allow_unknown))
}
