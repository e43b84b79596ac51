//! `artcheck runtime [RUNTIME]`: what a runtime accepts and offers.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, bail};
use artcheck_inspect::runtime::{Confidence, Fact, RuntimeProfile, release};
use artcheck_inspect::shown::{shown, shown_json};
use serde_json::json;

use crate::args::{PlainFormat, RuntimeArgs};
use crate::exit::Status;
use crate::report::summary;
use crate::runtimes;

/// Shows one runtime, or lists the releases.
pub fn run(args: &RuntimeArgs) -> anyhow::Result<Status> {
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
        (PlainFormat::Human, Some(_)) => profiles.iter().map(page).collect(),
        (PlainFormat::Human, None) => {
            let lines = profiles
                .iter()
                .map(|profile| format!("{:<10} {}\n", profile.name, summary::runtime(profile)));
            lines.collect()
        }
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(Status::Clean)
}

fn save(profiles: &[RuntimeProfile], path: &Path) -> anyhow::Result<()> {
    let [profile] = profiles else {
        bail!("--save takes one runtime; {} were found", profiles.len());
    };
    std::fs::write(path, profile.to_json()?).with_context(|| format!("{}", path.display()))
}

/// All facts of one profile, each with where it came from.
fn page(profile: &RuntimeProfile) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "{}", shown(&profile.name));
    let _ = writeln!(out, "  {}", shown(&summary::runtime(profile)));
    for part in &profile.parts {
        let _ = writeln!(out, "  part                {}", shown(part));
    }
    let set = |words: &std::collections::BTreeSet<String>| {
        words
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    line(&mut out, "blob symbols", &profile.blob_symbols, set);
    line(&mut out, "blob layouts", &profile.blob_layouts, set);
    line(&mut out, "vm magics", &profile.vm_magics, set);
    line(&mut out, "vm version", &profile.vm_version, Clone::clone);
    line(
        &mut out,
        "constant table",
        &profile.constant_table,
        Clone::clone,
    );
    line(&mut out, "module loaders", &profile.module_loaders, set);
    line(
        &mut out,
        "device payloads",
        &profile.payload_order,
        Clone::clone,
    );
    line(
        &mut out,
        "function info",
        &profile.function_info,
        Clone::clone,
    );
    line(
        &mut out,
        "calling convention",
        &profile.calling_convention,
        Clone::clone,
    );
    line(&mut out, "context slots", &profile.context_slots, set);
    line(
        &mut out,
        "attention tags",
        &profile.attention_tags,
        summary::site_tags,
    );
    line(
        &mut out,
        "constructor arity",
        &profile.builtin_arity,
        |arities| {
            let counts = arities.get("vm.builtin.paged_attention_kv_cache_create");
            counts.map_or_else(
                || String::from("-"),
                |counts| {
                    counts
                        .iter()
                        .map(u64::to_string)
                        .collect::<Vec<_>>()
                        .join(" or ")
                },
            )
        },
    );
    line(
        &mut out,
        "cache config",
        &profile.cache_config_lengths,
        |lengths| {
            lengths
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(" or ")
        },
    );
    line(&mut out, "functions", &profile.functions, |names| {
        let builtins = names
            .iter()
            .filter(|name| name.starts_with("vm.builtin."))
            .count();
        format!("{} names, {builtins} of them vm.builtin", names.len())
    });
    line(&mut out, "C symbols", &profile.c_symbols, |names| {
        format!("{} names", names.len())
    });
    line(&mut out, "tvm-ffi", &profile.ffi_version, Clone::clone);
    out
}

fn line<T>(out: &mut String, label: &str, fact: &Fact<T>, show: impl Fn(&T) -> String) {
    let value = fact
        .value
        .as_ref()
        .map_or_else(|| String::from("cannot tell"), show);
    let value = shown(&value);
    let source = match fact.source {
        Some(Confidence::Probe) => "asked",
        Some(Confidence::Binary) => "read",
        Some(Confidence::BinaryLiteral) => "read, literal only",
        Some(Confidence::Release) => "release table",
        None => "",
    };
    let note = fact
        .note
        .as_deref()
        .map(|note| format!(", {note}"))
        .unwrap_or_default();
    let _ = match source {
        "" => writeln!(out, "  {label:<19} {value}"),
        source => writeln!(out, "  {label:<19} {value}  [{source}{note}]"),
    };
}
