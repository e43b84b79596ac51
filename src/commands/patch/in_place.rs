//! `artcheck patch retag`, `convert`, `relocate`, `sign` and `model-lib`: a plan
//! from bytes, carried out where the user said where to.

use std::io::Write;
use std::path::Path;

use anyhow::Context;
use artcheck_inspect::shown::{shown, shown_lines};
use artcheck_inspect::source::Spelled as _;
use artcheck_inspect::{Place, shell};
use artcheck_patch::inplace::convert::ConvertOptions;
use artcheck_patch::inplace::retag::RetagOptions;
use artcheck_patch::inplace::{
    self, Applied, EditPlan, Output, Resign, align as alignment, convert as conversion,
    model_lib as configuration, relocate as relocation, retag as tags, sign as signature,
};
use artcheck_patch::receipt;
use serde::Serialize;

use crate::args::{
    ChangeArgs, InPlace, PatchAlignArgs, PatchConvertArgs, PatchFileArgs, PatchModelLibArgs,
    PatchRetagArgs, PlainFormat, ResignChoice,
};
use crate::exit::Status;
use crate::report::style::Style;
use crate::runtimes;
use crate::streams::stdout;

/// The attention tags of an artifact.
pub fn retag(args: &PatchRetagArgs, style: Style) -> anyhow::Result<Status> {
    let runtime = args.runtime.as_deref().map(runtimes::resolve_one);
    let runtime = runtime.transpose()?;
    change(&args.file, told(&args.change), style, |bytes| {
        let options = RetagOptions {
            to: args.to,
            runtime: runtime.as_ref().map(|runtime| &runtime.profile),
            resign: resign(args.change.resign),
            rooms: receipt::rooms(&args.file, bytes)?,
        };
        Ok(tags::plan(bytes, &options)?)
    })
}

/// Everything a runtime needs that can be made exact in the artifact itself.
pub fn convert(args: &PatchConvertArgs, style: Style) -> anyhow::Result<Status> {
    let runtime = runtimes::resolve_one(&args.runtime)?;
    change(&args.file, told(&args.change), style, |bytes| {
        let options = ConvertOptions {
            partial: args.partial,
            resign: resign(args.change.resign),
            rooms: receipt::rooms(&args.file, bytes)?,
        };
        Ok(conversion::plan(bytes, &runtime.profile, &options)?)
    })
}

/// Folders of the build machine in names and run paths.
pub fn relocate(args: &PatchFileArgs, style: Style) -> anyhow::Result<Status> {
    change(&args.file, told(&args.change), style, |bytes| {
        let resign = resign(args.change.resign);
        Ok(relocation::plan(bytes, Some(&args.file), resign)?)
    })
}

/// An ad-hoc signature, new or renewed.
pub fn sign(args: &PatchFileArgs, style: Style) -> anyhow::Result<Status> {
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    change(&args.file, told(&args.change), style, |bytes| {
        Ok(signature::plan(bytes, &name, resign(args.change.resign))?)
    })
}

/// Libraries of an APK where Android maps them.
pub fn align(args: &PatchAlignArgs, style: Style) -> anyhow::Result<Status> {
    change(&args.file, (&args.to_where, args.format), style, |bytes| {
        Ok(alignment::plan(bytes)?)
    })
}

/// A name in an app or package configuration.
pub fn model_lib(args: &PatchModelLibArgs, style: Style) -> anyhow::Result<Status> {
    change(&args.file, (&args.to_where, args.format), style, |bytes| {
        Ok(configuration::plan(bytes, &args.from, &args.to)?)
    })
}

/// Where the result goes, and how it is told.
fn told(change: &ChangeArgs) -> (&InPlace, PlainFormat) {
    (&change.to_where, change.format)
}

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
    file: Place,
    receipt: Option<Place>,
    written: bool,
    plan: &'a EditPlan,
}

/// Makes a plan for a file, shows it, and carries it out where the user said where to.
fn change(
    file: &Path,
    (to, format): (&InPlace, PlainFormat),
    style: Style,
    plan: impl FnOnce(&[u8]) -> anyhow::Result<EditPlan>,
) -> anyhow::Result<Status> {
    let bytes = std::fs::read(file).with_context(|| file.spelled())?;
    let plan = &plan(&bytes).with_context(|| file.spelled())?;
    let applied = if to.in_place || to.out.is_some() {
        Some(inplace::apply(file, plan, &output(to))?)
    } else {
        None
    };
    let mut out = stdout();
    if format == PlainFormat::Json {
        let report = Report {
            schema: "artcheck/patch-v1",
            file: Place::file(applied.as_ref().map_or(file, |applied| &applied.file)),
            receipt: applied
                .as_ref()
                .and_then(|applied| applied.receipt.as_ref().map(Place::file)),
            written: applied.as_ref().is_some_and(|applied| applied.written),
            plan,
        };
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
        return Ok(Status::Clean);
    }
    let mut text = shown_lines(&plan.describe()).into_owned();
    match applied {
        // The plan says so itself, and why.
        None if plan.is_empty() => {}
        None => text.push_str("nothing written: add --in-place, or --out FILE\n"),
        Some(applied) if !applied.written => {}
        Some(applied) => text.push_str(&wrote(&applied)),
    }
    write!(out, "{}", style.page(&text))?;
    Ok(Status::Clean)
}

/// What was written, and how to undo it.
pub fn wrote(applied: &Applied) -> String {
    let mut text = format!("wrote {}\n", shown(&applied.file.to_string_lossy()));
    if let Some(receipt) = &applied.receipt {
        text.push_str(&format!(
            "receipt {} (undo with `artcheck unpatch {}`)\n",
            shown(&receipt.to_string_lossy()),
            shell::path(&applied.file)
        ));
    }
    text
}
