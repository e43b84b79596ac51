//! `artcheck doctor`: the runtimes and cached model libraries of this machine
//! in one report, fit for pasting into an issue.
//!
//! Only named variables are read, only paths are printed, and what names a person in
//! them is replaced before anything is laid out ([`super::redaction`]). Nothing is
//! executed.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use artcheck_inspect::Place;
use artcheck_inspect::runtime::load_set::LoadSet;
use artcheck_inspect::runtime::{PartKind, distribution};
use artcheck_inspect::scan::{ScanOptions, scan};
use artcheck_inspect::shell;
use artcheck_inspect::source::beginning::children;
use serde_json::{Value, json};

use super::redaction::Redaction;
use crate::args::{DoctorArgs, PlainFormat};
use crate::commands::terminal::Terminal;
use crate::exit::Status;
use crate::installed;
use crate::report::human;
use crate::report::model::Report;
use crate::report::style::Style;
use crate::streams::stdout;

/// Variables that decide which libraries a process loads. Never others.
const VARIABLES: [&str; 11] = [
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "UV_PROJECT_ENVIRONMENT",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "TVM_LIBRARY_PATH",
    "TVM_HOME",
    "MLC_LLM_HOME",
];
/// As wide as the code block of an issue, where there is no terminal.
const WIDTH: usize = 100;

/// Looks and prints.
pub fn run(args: &DoctorArgs, terminal: Terminal) -> anyhow::Result<Status> {
    // Plain: it is pasted.
    let style = Style {
        color: false,
        width: terminal.style.width.or(Some(WIDTH)),
    };
    let parts = installed::parts();
    let mut places = places(parts.paths);
    let (there, missing): (Vec<_>, Vec<_>) = args.paths.iter().partition(|path| path.exists());
    places.extend(there.into_iter().cloned());
    places.retain(|place| place.exists());
    places.sort();
    places.dedup();
    let options = ScanOptions {
        paths: places.clone(),
        joined: parts.joined,
        machine: Some(Arc::new(installed::machine())),
        provides: args.application.names(),
        ..ScanOptions::default()
    };
    let result = scan(&options, &()).context("the thread pool does not start")?;
    let report = Report::of(&result, &std::env::current_dir()?);
    let document = redacted(json!({
        "schema": "artcheck/doctor-v1",
        "system": system(),
        "variables": variables(),
        "environments": environments(),
        "looked_in": places.iter().map(|place| shown(place)).collect::<Vec<_>>(),
        "packages": result.load_sets.iter().map(packages_of).collect::<Vec<_>>(),
        "report": serde_json::to_value(&report)?,
    }));
    let text = match args.format {
        PlainFormat::Human => page(&document, style)?,
        PlainFormat::Json => format!("{}\n", serde_json::to_string_pretty(&document)?),
    };
    stdout().write_all(text.as_bytes())?;
    for path in &missing {
        tell!("artcheck: {}: no such file or folder", shell::path(path));
    }
    Ok(if !missing.is_empty() {
        Status::Failed
    } else if report.summary.errors > 0 {
        Status::Findings
    } else if report.artifacts.is_empty() {
        Status::Nothing
    } else {
        Status::Clean
    })
}

/// The document without what names a person.
fn redacted(document: Value) -> Value {
    let mut redact = Redaction::of_this_machine();
    redact.learn_all(&document);
    redact.value(document)
}

/// The document for people.
fn page(document: &Value, style: Style) -> anyhow::Result<String> {
    let items = |value: &'_ Value| value.as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = format!("artcheck {} on {}\n", env!("CARGO_PKG_VERSION"), system());
    for pair in items(&document["variables"]) {
        let _ = writeln!(out, "  {}={}", text(&pair[0]), text(&pair[1]));
    }
    for one in items(&document["environments"]) {
        let (found, site) = (text(&one["found"]), text(&one["site_packages"]));
        let _ = writeln!(out, "  {found}: {site}");
    }
    for place in items(&document["looked_in"]) {
        let _ = writeln!(out, "  looked in {}", text(&place));
    }
    for set in items(&document["packages"]) {
        let packages = items(&set["packages"]).into_iter();
        let packages =
            packages.map(|one| format!("{} {}", text(&one["name"]), text(&one["version"])));
        let packages: Vec<String> = packages.collect();
        if !packages.is_empty() {
            let of = text(&set["runtime"]);
            let _ = writeln!(out, "packages {of}\n  {}", packages.join(", "));
        }
        for ffi in items(&set["tvm_ffi"]) {
            let by = ffi["package"].as_str();
            let by = by.map_or_else(String::new, |by| format!(", which {by} brings"));
            let (version, library) = (text(&ffi["version"]), text(&ffi["library"]));
            let _ = writeln!(out, "  tvm-ffi in use: {version}, {library}{by}");
        }
    }
    if items(&document["packages"]).is_empty() {
        out.push_str("no TVM is installed where Python and the loader look here\n");
    }
    let mut out = style.page(&out);
    out.push('\n');
    let report: Report = serde_json::from_value(document["report"].clone())?;
    out.push_str(&human::render(&report, style, false));
    Ok(out)
}

/// A path without characters that a terminal would obey.
fn shown(path: &Path) -> String {
    Place::file(path).to_string()
}

/// The tvm-ffi libraries of a set: where, which version, and which package's.
fn ffi_of(set: &LoadSet) -> Vec<(String, String, Option<String>)> {
    let version = set
        .ffi_range()
        .map_or_else(|| "any".to_owned(), |range| range.to_string());
    let owner = |place: &Place| {
        // In a folder that no other package has.
        let is_own = place.folders().any(|folder| folder.name() == "tvm_ffi");
        let mut packages = set.distributions.iter();
        let package = packages.find(|package| is_own && package.name == distribution::FFI)?;
        Some(format!("{} {}", package.name, package.version))
    };
    let members = set
        .members
        .iter()
        .filter(|member| member.kind == PartKind::Ffi);
    members
        .map(|member| {
            (
                member.path.to_string(),
                version.clone(),
                owner(&member.path),
            )
        })
        .collect()
}

fn packages_of(set: &LoadSet) -> Value {
    let ffi = ffi_of(set).into_iter().map(|(library, version, package)| {
        json!({ "library": library, "version": version, "package": package })
    });
    let packages = set.distributions.iter();
    let packages = packages.map(|one| json!({ "name": one.name, "version": one.version }));
    json!({
        "runtime": set.name,
        "packages": packages.collect::<Vec<_>>(),
        "tvm_ffi": ffi.collect::<Vec<_>>(),
    })
}

fn environments() -> Vec<Value> {
    let found = installed::environments().into_iter();
    let found = found.map(|one| json!({ "found": one.found, "site_packages": shown(&one.site) }));
    found.collect()
}

fn system() -> String {
    format!("{} {}", std::env::consts::ARCH, std::env::consts::OS)
}

fn variables() -> Vec<(&'static str, String)> {
    VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, shown(Path::new(&std::env::var_os(name)?)))))
        .collect()
}

/// Where a TVM process of this machine would find its parts, those of Python
/// environments among them.
fn places(mut places: Vec<PathBuf>) -> Vec<PathBuf> {
    let lists = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TVM_LIBRARY_PATH"];
    for list in lists.iter().filter_map(std::env::var_os) {
        for folder in std::env::split_paths(&list).filter(|folder| folder.is_dir()) {
            places.extend(tvm_libraries(&folder));
        }
    }
    for list in ["LD_PRELOAD", "DYLD_INSERT_LIBRARIES"]
        .iter()
        .filter_map(std::env::var_os)
    {
        places.extend(std::env::split_paths(&list).filter(|file| file.is_file()));
    }
    let home = std::env::home_dir().unwrap_or_default();
    let cache =
        std::env::var_os("MLC_LLM_HOME").map_or_else(|| home.join(".cache/mlc_llm"), PathBuf::from);
    places.push(cache.join("model_lib"));
    places
}

fn tvm_libraries(folder: &Path) -> Vec<PathBuf> {
    let named = |path: &PathBuf| {
        path.file_name().is_some_and(|name| {
            let name = name.to_string_lossy();
            name.contains("tvm") || name.contains("mlc_llm")
        })
    };
    children(folder)
        .into_iter()
        .filter(|path| path.is_file() && named(path))
        .collect()
}
