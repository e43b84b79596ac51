//! A plan of changes in place: shown, and carried out where the user said where to.

use std::io::Write;
use std::path::{Path, PathBuf};

use artcheck_patch::inplace::{self, EditPlan, Output, Resign};
use serde::Serialize;

use crate::args::{InPlace, PlainFormat, ResignChoice};
use crate::exit::Status;

/// What to do with a signature.
pub fn resign(choice: Option<ResignChoice>) -> Resign {
    match choice {
        Some(ResignChoice::Adhoc) => Resign::AdHoc,
        None => Resign::Keep,
    }
}

/// Where the result goes.
pub fn output(to: &InPlace) -> Output {
    match &to.out {
        Some(file) => Output::File(file.clone()),
        None => Output::InPlace {
            break_hard_link: to.break_hard_link,
        },
    }
}

/// What a change in place reports as JSON.
#[derive(Serialize)]
struct Report<'a> {
    schema: &'static str,
    file: &'a Path,
    receipt: Option<&'a PathBuf>,
    written: bool,
    plan: &'a EditPlan,
}

/// Shows a plan, and carries it out where the user said where to.
pub fn carry_out(
    file: &Path,
    plan: &EditPlan,
    to: &InPlace,
    format: PlainFormat,
) -> anyhow::Result<Status> {
    let applied = if to.in_place || to.out.is_some() {
        Some(inplace::apply(file, plan, &output(to))?)
    } else {
        None
    };
    let mut out = std::io::stdout().lock();
    if format == PlainFormat::Json {
        let report = Report {
            schema: "artcheck/patch-v1",
            file: applied.as_ref().map_or(file, |applied| &applied.file),
            receipt: applied
                .as_ref()
                .and_then(|applied| applied.receipt.as_ref()),
            written: applied.as_ref().is_some_and(|applied| applied.written),
            plan,
        };
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
        return Ok(Status::Clean);
    }
    write!(out, "{}", plan.describe())?;
    match applied {
        None if plan.is_empty() => writeln!(out, "nothing to change")?,
        None => writeln!(out, "nothing written: add --in-place, or --out FILE")?,
        Some(applied) if !applied.written => writeln!(
            out,
            "nothing to change: {} is left as it is",
            file.display()
        )?,
        Some(applied) => {
            writeln!(out, "wrote {}", applied.file.display())?;
            if let Some(receipt) = applied.receipt {
                writeln!(
                    out,
                    "receipt {} (undo with `artcheck unpatch {}`)",
                    receipt.display(),
                    applied.file.display()
                )?;
            }
        }
    }
    Ok(Status::Clean)
}
