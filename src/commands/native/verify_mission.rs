//! `artcheck verify --mission DIR`: every model folder that is there, asked what
//! `matrix/mission.toml` asks, and a table for a pull request.
//!
//! It becomes a matrix in a temporary file, so it runs as any matrix does. Nothing is
//! fetched.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use artcheck_inspect::scan;
use artcheck_inspect::shown::shown;
use artcheck_inspect::source::Spelled as _;
use artcheck_verify::{MatrixReport, Outcome, RowReport};
use toml::{Table, Value};

use super::init_verify::INDEXES;
use super::verify_one::{Matrix, NAMED, absolute, named_runtime, path};
use crate::args::VerifyArgs;

/// The questions, with what the answers must hold.
const QUESTIONS: &str = include_str!("../../../matrix/mission.toml");

/// What a model library may be called.
const LIBRARIES: [&str; 3] = ["dylib", "so", "dll"];

/// What is linked into an app instead, and what a page loads.
const ARCHIVE: &str = "tar";
const WEB: &str = "wasm";

/// Where a model's folder has its weights, if not beside the library.
const PARAMS: &str = "params";

/// A model folder that cannot be asked, and why.
pub struct Left {
    folder: PathBuf,
    reason: String,
}

/// The matrix of the folders in `folder`, and the folders that have no row in it.
pub fn matrix(args: &VerifyArgs, folder: &Path) -> anyhow::Result<(Matrix, Vec<Left>)> {
    let (mut rows, mut left) = (Vec::new(), Vec::new());
    let questions: Table = toml::from_str(QUESTIONS).context("matrix/mission.toml")?;
    let device = match args.device.as_deref() {
        // The run makes simulated rows of rows for Metal, with the time that they take.
        None | Some("metal-sim") => "metal",
        Some(device) => device,
    };
    for model in folders(folder)? {
        match row(&model, &questions, device) {
            Ok(mut row) => {
                if let Some(tokens) = args.max_tokens {
                    row.insert("max_tokens".into(), i64::from(tokens).into());
                }
                rows.push(Value::Table(row));
            }
            Err(error) => left.push(Left {
                folder: model,
                reason: format!("{error:#}"),
            }),
        }
    }
    if rows.is_empty() && !files(folder, &LIBRARIES).is_empty() {
        bail!(
            "{}: it holds libraries itself. Each model has a folder of its own, with its library and params: name the folder around those",
            folder.spelled()
        );
    }
    if rows.is_empty() && left.is_empty() {
        bail!(
            "{}: no folder in it holds a model library; each model has a folder of its own there, with model.dylib and params",
            folder.spelled()
        );
    }
    let mut file = Table::new();
    file.insert("runtimes".into(), named_runtime(args)?.into());
    file.insert("row".into(), Value::Array(rows));
    Ok((Matrix::temporary(file)?, left))
}

/// Adds the folders without a row as rows that did not run, as far as they are `wanted`
/// by name, so that every report counts them.
pub fn add(
    report: &mut MatrixReport,
    left: &[Left],
    args: &VerifyArgs,
    wanted: impl Fn(&str) -> bool,
) {
    let device = args.device.as_deref().unwrap_or("metal");
    for folder in left {
        let name = name_of(&folder.folder);
        if !wanted(&name) {
            continue;
        }
        // The matrix has the places before these.
        let place = report.rows.iter().map(|row| row.place.saturating_add(1));
        let place = place.max().unwrap_or(0);
        report.rows.push(RowReport {
            model: name.clone(),
            device: device.to_owned(),
            simulated: device == "metal-sim",
            runtime: NAMED.to_owned(),
            library: folder.folder.spelled().into(),
            ..RowReport::not_run(place, name, folder.reason.clone())
        });
    }
}

/// The folders that may be models, by name: each that has a library or weights, or that
/// cannot be looked into.
fn folders(of: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(of).with_context(|| of.spelled())?;
    let folders = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir());
    let suffixes = [&LIBRARIES[..], &[ARCHIVE, WEB]].concat();
    let mut found: Vec<PathBuf> = folders
        .filter(|path| {
            std::fs::read_dir(path).is_err()
                || !files(path, &suffixes).is_empty()
                || !files(&path.join(PARAMS), &LIBRARIES).is_empty()
                || has_weights(path)
                || deeper(path).is_some()
        })
        .collect();
    found.sort();
    Ok(found)
}

fn has_weights(folder: &Path) -> bool {
    let places = [folder.to_owned(), folder.join(PARAMS)];
    let mut indexes = places
        .iter()
        .flat_map(|place| INDEXES.map(|name| place.join(name)));
    indexes.any(|index| index.is_file())
}

/// A model's folder inside the one that should be one.
fn deeper(folder: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let inside = entries.filter_map(|entry| Some(entry.ok()?.path()));
    inside.filter(|path| has_weights(path)).min()
}

/// The files of a folder with one of these suffixes, by name.
fn files(folder: &Path, suffixes: &[&str]) -> Vec<PathBuf> {
    let has = |path: &Path| {
        let extension = path.extension();
        suffixes
            .iter()
            .any(|suffix| extension.is_some_and(|e| e.eq_ignore_ascii_case(suffix)))
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| has(path) && path.is_file())
        .collect();
    found.sort();
    found
}

/// The one library of a folder.
fn library_of(folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::read_dir(folder)?;
    let found = files(folder, &LIBRARIES);
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => bail!(without_library(folder)),
        several => {
            let names: Vec<String> = several.iter().map(|file| name_of(file)).collect();
            bail!(
                "{} libraries, {}: keep one, and give each other one a folder of its own",
                several.len(),
                names.join(" and ")
            )
        }
    }
}

/// Why a folder has no library, and what to do.
fn without_library(folder: &Path) -> String {
    let has = |suffix: &str| !files(folder, &[suffix]).is_empty();
    if has(ARCHIVE) {
        "a system library is linked into an app, not loaded: compile for macOS".to_owned()
    } else if has(WEB) {
        "a web library runs in a page: docs/systems.md has rows for it".to_owned()
    } else if let Some(library) = files(&folder.join(PARAMS), &LIBRARIES).first() {
        let name = name_of(library);
        format!("{name} is in {PARAMS}: move it into the folder above, beside {PARAMS}")
    } else if let Some(inner) = deeper(folder).filter(|_| !has_weights(folder)) {
        format!(
            "the model is one folder deeper, in {}: name this folder by --mission, or move the model up",
            name_of(&inner)
        )
    } else {
        "weights without a model library: `mlc_llm compile` writes one".to_owned()
    }
}

/// The last part of a path as text, which differs where the bytes do.
fn name_of(path: &Path) -> String {
    Path::new(path.file_name().unwrap_or_default()).spelled()
}

fn row(folder: &Path, questions: &Table, device: &str) -> anyhow::Result<Table> {
    let name = name_of(folder);
    let library = path(&absolute(&library_of(folder)?)?)?;
    if !has_weights(folder) {
        bail!(
            "a model library without weights: put what `mlc_llm convert_weight` and `mlc_llm gen_config` write into {PARAMS}"
        );
    }
    let mut row = Table::new();
    for (key, value) in asked(&name, questions)? {
        row.insert(key, value);
    }
    row.insert("name".into(), name.clone().into());
    row.insert("model".into(), name.into());
    row.insert("library".into(), library);
    row.insert("folder".into(), path(&absolute(folder)?)?);
    row.insert("runtime".into(), NAMED.into());
    row.insert("device".into(), device.into());
    Ok(row)
}

/// What the mission asks a model of that name: its own row's questions, or those of any
/// chat model.
fn asked(name: &str, questions: &Table) -> anyhow::Result<Table> {
    let rows = questions.get("row").and_then(Value::as_array);
    let rows: Vec<&Table> = rows
        .into_iter()
        .flatten()
        .filter_map(Value::as_table)
        .collect();
    let lower = name.to_lowercase();
    let is_named = |row: &&&Table| {
        let model = row.get("model").and_then(Value::as_str);
        let short = model.and_then(|model| model.rsplit('/').next());
        short.is_some_and(|short| lower.contains(&short.to_lowercase()))
    };
    let chat = rows
        .iter()
        .find(|row| row.get("model").is_some_and(Value::is_array));
    let row = rows
        .iter()
        .find(is_named)
        .or(chat)
        .context("no questions")?;
    let mut kept = questions
        .get("defaults")
        .and_then(Value::as_table)
        .cloned()
        .unwrap_or_default();
    kept.extend((*row).clone());
    for key in ["get", "kind", "row"] {
        kept.remove(key);
    }
    Ok(kept)
}

/// The table for a pull request.
pub fn table(report: &MatrixReport) -> String {
    let mut text = String::from(
        "| model | kind | VM format | runtime | device | tokens/s | answer |\n|---|---|---|---|---|---|---|\n",
    );
    for row in &report.rows {
        let facts = &row.facts;
        let kind = facts
            .kind
            .map_or_else(|| "-".to_owned(), |kind| kind.to_string());
        let runtime = if facts.packages.is_empty() {
            "-".to_owned()
        } else {
            facts.packages.join(", ")
        };
        let device = if row.simulated {
            "Metal, simulated on a CPU"
        } else {
            &row.device
        };
        let rate = row.figures.tokens_per_second;
        let rate = rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
        line(
            &mut text,
            [
                &row.model,
                &kind,
                &vm_format(&row.library),
                &runtime,
                device,
                &rate,
                &answer(row),
            ],
        );
    }
    text
}

fn line(text: &mut String, cells: [&str; 7]) {
    let cells = cells.map(|cell| shown(cell).replace('|', "\\|").replace('\n', " "));
    // Writing to a string cannot fail.
    let _ = writeln!(text, "| {} |", cells.join(" | "));
}

/// What came of a row: the answers, or what was measured, or why there is none.
fn answer(row: &RowReport) -> String {
    let texts: Vec<String> = row
        .answers
        .iter()
        .filter_map(|answer| Some(format!("\"{}\"", answer.text.as_deref()?.trim())))
        .collect();
    let said = if texts.is_empty() {
        let details = row
            .checks
            .iter()
            .map(|check| format!("{}: {}", check.name, check.detail));
        details.collect::<Vec<_>>().join("; ")
    } else {
        texts.join(", ")
    };
    match &row.outcome {
        Outcome::Passed => said,
        Outcome::Failed { failure } if said.is_empty() => format!("failed: {}", failure.message),
        Outcome::Failed { failure } => format!("failed: {}; {said}", failure.message),
        Outcome::NotRun { reason } => format!("not run: {reason}"),
    }
}

/// The generations of the executables in a library.
fn vm_format(library: &Path) -> String {
    if !library.is_file() {
        return "-".to_owned();
    }
    let mut found: Vec<String> = scan::artifacts_of(library)
        .iter()
        .flat_map(|artifact| &artifact.libraries)
        .filter_map(|library| library.blob.as_ref().ok())
        .flat_map(|blob| {
            blob.executables()
                .map(|(_, executable)| format!("{:?}", executable.magic))
                .collect::<Vec<_>>()
        })
        .collect();
    found.sort();
    found.dedup();
    if found.is_empty() {
        "-".to_owned()
    } else {
        found.join(", ")
    }
}
