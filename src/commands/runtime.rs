//! `artcheck runtime [RUNTIME]`: what a runtime accepts and offers.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{MAIN_SEPARATOR, Path};

use anyhow::{Context, bail};
use artcheck_inspect::runtime::glue::{self, Glue};
use artcheck_inspect::runtime::glue_asks;
use artcheck_inspect::runtime::{FactView, RuntimeProfile, release};
use artcheck_inspect::shell;
use artcheck_inspect::shown::{shown, shown_json};
use artcheck_inspect::source::Spelled as _;
use serde_json::{Value, json};

use super::terminal::Terminal;
use crate::args::{PlainFormat, RuntimeArgs};
use crate::exit::Status;
use crate::replace;
use crate::report::summary;
use crate::runtimes;
use crate::streams::stdout;

/// Shows one runtime, or lists the releases.
pub fn run(args: &RuntimeArgs, terminal: Terminal) -> anyhow::Result<Status> {
    let profiles: Vec<RuntimeProfile> = match &args.runtime {
        Some(name) => runtimes::resolve(name)?
            .into_iter()
            .map(|runtime| runtime.profile)
            .collect(),
        None => release::releases().to_vec(),
    };
    if let Some(path) = &args.save {
        save(&profiles, path)?;
    }
    let text = match (args.format, &args.runtime) {
        (PlainFormat::Json, _) => {
            let mut text = serde_json::to_string_pretty(
                &json!({ "schema": "artcheck/runtime-v1", "runtimes": profiles }),
            )?;
            text.push('\n');
            shown_json(&text).into_owned()
        }
        (PlainFormat::Human, Some(_)) => {
            let pages: String = profiles.iter().map(page).collect();
            terminal.style.page(&pages)
        }
        // The newest first: it is what people ask about.
        (PlainFormat::Human, None) => {
            let lines = profiles.iter().rev();
            let lines: String = lines
                .map(|profile| format!("{}  {}\n", profile.name, summary::runtime(profile)))
                .collect();
            terminal.style.page(&format!("{lines}{}", web()))
        }
    };
    stdout().write_all(text.as_bytes())?;
    Ok(Status::Clean)
}

fn save(profiles: &[RuntimeProfile], path: &Path) -> anyhow::Result<()> {
    let [profile] = profiles else {
        bail!("--save takes one runtime; {} were found", profiles.len());
    };
    // What is passed on names no folder of the machine that made it.
    let mut saved = profile.clone();
    if profile.name.contains(['/', '\\']) {
        let name = path.file_stem().unwrap_or_default();
        saved.name = name.to_string_lossy().into_owned();
    }
    let folder = serde_json::to_string(&format!("{}{MAIN_SEPARATOR}", profile.name))?;
    let text = saved.to_json()?.replace(folder.trim_matches('"'), "");
    let name = || path.spelled();
    replace::check(path)?;
    std::fs::write(path, text).with_context(name)?;
    // The name of a release means the release.
    let is_known = path.to_str().is_some_and(runtimes::is_known);
    let named = if is_known {
        Path::new(".").join(path)
    } else {
        path.to_owned()
    };
    tell!(
        "artcheck: wrote {}; use it with --runtime {}",
        path.spelled(),
        shell::path(&named)
    );
    Ok(())
}

/// All facts of one profile, each with where it came from; once where it is the same
/// for all.
fn page(profile: &RuntimeProfile) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", shown(&profile.name));
    if let Some(glue) = &profile.glue {
        script(&mut out, glue);
        return out;
    }
    let _ = writeln!(out, "  {}", shown(&summary::runtime(profile)));
    for part in &profile.parts {
        let _ = writeln!(out, "  {:<21} {}", "part", shown(part));
    }
    // What the compiler of a release writes is not asked of a library.
    let is_asked = |fact: &FactView| fact.value != Value::Null || !fact.key.ends_with("_written");
    let facts: Vec<FactView> = profile.facts().into_iter().filter(is_asked).collect();
    let mut sources = facts.iter().map(source);
    let first = sources.next().unwrap_or_default();
    let is_one = !first.is_empty() && sources.all(|other| other == first);
    if is_one {
        let _ = writeln!(out, "  {:<21} {first}", "all of it is");
    }
    for fact in facts {
        let from = source(&fact);
        let value = fact.words.unwrap_or_else(|| String::from("not known"));
        let _ = write!(out, "  {:<21} {}", fact.label, shown(&value));
        let _ = match is_one || from.is_empty() {
            true => writeln!(out),
            false => writeln!(out, "  [{from}]"),
        };
    }
    out
}

/// The packages of JavaScript that are known, the newest first.
fn web() -> String {
    let rows = glue::packages().iter().rev();
    let lines = rows.map(|row| {
        let names: Vec<&str> = row.packages.iter().rev().map(String::as_str).collect();
        let count = row.glue.offers.len();
        format!("{}  JavaScript, {count} imports\n", names.join(", "))
    });
    lines.collect()
}

/// What JavaScript offers to a WebAssembly library and asks of it.
fn script(out: &mut String, glue: &Glue) {
    let offers: Vec<&str> = glue.offers.iter().map(String::as_str).collect();
    let asks = |words: &[String]| glue_asks::names(words).collect::<Vec<&str>>().join(", ");
    let lists = [
        ("imports it offers", offers.join(", ")),
        ("exports it needs", glue.exports.join(", ")),
        ("asks at start for", asks(&glue.instance)),
        ("asks for chat", asks(&glue.chat)),
        ("asks for embedding", asks(&glue.embedding)),
    ];
    for (label, names) in lists.iter().filter(|(_, names)| !names.is_empty()) {
        let _ = writeln!(out, "  {label:<21} {}", shown(names));
    }
}

/// Where a fact came from; nothing where it is not known.
fn source(fact: &FactView) -> String {
    let note = fact
        .note
        .as_deref()
        .map(|note| format!(", {}", shown(note)));
    let word = fact.source.as_ref().map(|source| source.word());
    word.map_or_else(String::new, |word| {
        format!("{word}{}", note.unwrap_or_default())
    })
}
