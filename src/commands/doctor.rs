//! `artcheck doctor`: the runtimes and cached model libraries of this machine
//! in one report, fit for pasting into an issue.
//!
//! Only named variables are read, only paths are printed, and the user's name
//! and home folder are replaced everywhere. Nothing is executed.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use artcheck_inspect::Place;
use artcheck_inspect::runtime::PartKind;
use artcheck_inspect::runtime::load_set::LoadSet;
use artcheck_inspect::scan::{ScanOptions, scan};
use artcheck_inspect::shell;
use serde_json::{Value, json};

use super::terminal::Terminal;
use crate::args::{DoctorArgs, PlainFormat};
use crate::exit::Status;
use crate::installed;
use crate::report::human;
use crate::report::model::Report;
use crate::report::style::Style;

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
    let redact = Redaction::of_this_machine();
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
    let text = match args.format {
        PlainFormat::Human => redact.text(&page(&report, &places, &result.load_sets, style)),
        PlainFormat::Json => {
            let report: Value = serde_json::to_value(&report)?;
            let document = json!({
                "schema": "artcheck/doctor-v1",
                "system": system(),
                "variables": variables(),
                "environments": environments(),
                "looked_in": places.iter().map(|place| shown(place)).collect::<Vec<_>>(),
                "packages": result.load_sets.iter().map(packages_of).collect::<Vec<_>>(),
                "report": report,
            });
            let mut text = serde_json::to_string_pretty(&redact.value(document))?;
            text.push('\n');
            text
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    for path in &missing {
        eprintln!("artcheck: {}: no such file or folder", shell::path(path));
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

fn page(report: &Report, places: &[PathBuf], sets: &[LoadSet], style: Style) -> String {
    let mut out = format!("artcheck {} on {}\n", env!("CARGO_PKG_VERSION"), system());
    for (name, value) in variables() {
        let _ = writeln!(out, "  {name}={value}");
    }
    for environment in installed::environments() {
        let _ = writeln!(out, "  {}: {}", environment.found, shown(&environment.site));
    }
    for place in places {
        let _ = writeln!(out, "  looked in {}", shown(place));
    }
    for set in sets {
        let packages = set.distributions.iter();
        let packages: Vec<String> = packages
            .map(|one| format!("{} {}", one.name, one.version))
            .collect();
        if !packages.is_empty() {
            let _ = writeln!(out, "packages {}\n  {}", set.name, packages.join(", "));
        }
        for (library, version, package) in ffi_of(set) {
            let by =
                package.map_or_else(String::new, |package| format!(", which {package} brings"));
            let _ = writeln!(out, "  tvm-ffi in use: {version}, {library}{by}");
        }
    }
    let mut out = style.page(&out);
    out.push('\n');
    out.push_str(&human::render(report, style, false));
    out
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
        let package = packages.find(|package| is_own && package.name == "apache-tvm-ffi")?;
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

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Replaces what names a person.
struct Redaction {
    home: String,
    user: String,
}

impl Redaction {
    fn of_this_machine() -> Self {
        let home = std::env::home_dir().unwrap_or_default();
        let user = ["USER", "LOGNAME", "USERNAME"]
            .iter()
            .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
            .or_else(|| Some(home.file_name()?.to_string_lossy().into_owned()))
            .unwrap_or_default();
        Self {
            home: home.to_string_lossy().into_owned(),
            user,
        }
    }

    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        if self.home.len() > 1 {
            text = without_home(&text, &self.home);
        }
        for homes in ["/home/", "/Users/", "\\Users\\"] {
            text = without_name_after(&text, homes);
        }
        if !self.user.is_empty() {
            text = without_word(&text, &self.user);
        }
        text
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(map) => map
                .into_iter()
                .map(|(key, value)| (key, self.value(value)))
                .collect(),
            other => other,
        }
    }
}

/// `home` as `~`; the home of another user whose name only begins alike stays.
fn without_home(text: &str, home: &str) -> String {
    let mut parts = text.split(home);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let goes_on = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        out += if part.starts_with(goes_on) { home } else { "~" };
        out += part;
    }
    out
}

/// Other people's home folders too: `/home/NAME` becomes `/home/<user>`.
fn without_name_after(text: &str, homes: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(homes) {
        let (before, after) = rest.split_at(at + homes.len());
        out.push_str(before);
        out.push_str("<user>");
        let end = after
            .find(['/', '\\', ':', ' ', '\n', '"'])
            .unwrap_or(after.len());
        rest = &after[end..];
    }
    out + rest
}

/// The user's name where it is no part of a longer word, whatever characters
/// it has itself.
fn without_word(text: &str, user: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(user) {
        let (before, from) = rest.split_at(at);
        let after = &from[user.len()..];
        out.push_str(before);
        let joins = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
        let is_part = joins(out.chars().next_back()) || joins(after.chars().next());
        out.push_str(if is_part { user } else { "<user>" });
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_homes_are_replaced() {
        for homes in ["/home", "/Users"] {
            let redact = Redaction {
                home: format!("{homes}/ada"),
                user: String::from("ada"),
            };
            assert_eq!(redact.text(&format!("{homes}/ada/x.so")), "~/x.so");
            for other in ["bob", "adam"] {
                assert_eq!(
                    redact.text(&format!("{homes}/{other}/x.so")),
                    format!("{homes}/<user>/x.so")
                );
            }
        }
        let redact = Redaction {
            home: String::new(),
            user: String::from("ada"),
        };
        assert_eq!(
            redact.text("/mnt/ada/ada-venv/adapter"),
            "/mnt/<user>/<user>-venv/adapter"
        );
        assert_eq!(
            redact.text("C:\\Users\\eve\\x.dll"),
            "C:\\Users\\<user>\\x.dll"
        );
        assert_eq!(without_word("/a.d+a/a.d+ab", "a.d+a"), "/<user>/a.d+ab");
        assert_eq!(without_word("adaada ada", "ada"), "adaada <user>");
    }
}
