//! AC208 system-lib-name: a static model is found by name, and the name
//! stands in three places; in a page it must have none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::link_set;
use super::{ArtifactContext, Check, FolderContext, Outcome, Page, Rule};
use crate::container::{Architecture, Format, Platform};
use crate::documents::{Document, DocumentKind};
use crate::finding::{Finding, Severity};
use crate::limits::MAX_FINDINGS;
use crate::module::SymbolGeneration;
use crate::place::Place;
use crate::runtime::messages;
use crate::words::spell;

pub(super) static RULE: Rule = Rule {
    code: "AC208",
    name: "system-lib-name",
    severity: Severity::Error,
    summary: "prefix, blob symbol and `model_lib` of a system library do not agree",
    explain: include_str!("ac208_system_lib_name.md"),
};

pub(super) const CHECKS: &[Check] = &[
    Check::Artifact(check_constructor),
    Check::Folder(check),
    Check::Page(check_page),
];

/// JavaScript takes the system library of no name, and no other.
fn check_page(page: &Page<'_>, out: &mut Outcome) {
    let prefix = page.library.prefix.as_deref();
    let (Some(prefix), Some(_)) = (prefix, page.runtime) else {
        return;
    };
    let path = &page.artifact.path;
    let message = format!(
        "{} asks for a system library without a prefix; this one has `{prefix}`",
        page.package
    );
    out.push(
        Finding::new(&RULE, path, message)
            .on(page.package)
            .says_known(messages::of_others("no-program", &[]))
            .help("compile it again with an empty prefix: `mlc_llm compile --device webgpu` has one, `--system-lib-prefix` sets it"),
    );
}

/// A static model announces itself in a constructor; without one nobody ever
/// hears of it, whatever its name.
fn check_constructor(context: &ArtifactContext<'_>, out: &mut Outcome) {
    let artifact = context.artifact;
    let Some(binary) = &artifact.binary else {
        return;
    };
    let named = artifact.libraries.iter().find_map(|l| l.prefix.as_deref());
    let Some(prefix) = named.filter(|_| !binary.has_constructors) else {
        return;
    };
    // Elsewhere constructors are not told apart from other start-up code.
    if !matches!(binary.format, Format::Elf | Format::MachO | Format::Coff) {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            &artifact.path,
            format!("the model with prefix `{prefix}` has no constructor that registers it"),
        )
        .evidence("no `.init_array`, `__mod_init_func` or `.CRT$XC` section")
        .says_known(messages::of_others("system-lib", &[("prefix", prefix)]))
        .help("link it again without dropping constructors: `KEEP(*(.init_array))` in a linker script, no `strip` of whole sections"),
    );
}

fn check(context: &FolderContext<'_>, out: &mut Outcome) {
    mixed_generations(context, out);
    same_names(context, out);
    let available: BTreeSet<&str> = context
        .artifacts
        .iter()
        .flat_map(|artifact| &artifact.libraries)
        .filter_map(|library| library.prefix.as_deref())
        .map(|prefix| prefix.strip_suffix('_').unwrap_or(prefix))
        .collect();
    // Without a static library among the files there is nothing to be named.
    if available.is_empty() {
        return;
    }
    let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for name in &available {
        alike.entry(plain(name)).or_default().push(name);
    }
    for document in context.documents {
        if matches!(
            document.kind,
            DocumentKind::AppConfig | DocumentKind::PackageConfig
        ) {
            for wanted in wanted_names(document) {
                if !available.contains(wanted) {
                    let alike = alike.get(&plain(wanted)).map(Vec::as_slice);
                    out.push(unknown_name(document, wanted, &available, alike));
                }
            }
        }
    }
}

/// `model_lib` of every entry, and the keys of the table that names prepared ones.
fn wanted_names(document: &Document) -> BTreeSet<&str> {
    let Some(object) = document.object() else {
        return BTreeSet::new();
    };
    let listed = object
        .get("model_list")
        .and_then(Json::as_array)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.get("model_lib")?.as_str());
    let prepared = object
        .get("model_lib_path_for_prepare_libs")
        .and_then(Json::as_object)
        .into_iter()
        .flat_map(|table| table.keys().map(String::as_str));
    listed.chain(prepared).collect()
}

fn unknown_name(
    document: &Document,
    wanted: &str,
    available: &BTreeSet<&str>,
    alike: Option<&[&str]>,
) -> Finding {
    let mut names: Vec<&str> = available.iter().copied().take(MAX_FINDINGS).collect();
    if names.len() < available.len() {
        names.push("...");
    }
    let finding = Finding::new(
        &RULE,
        &document.path,
        format!("`model_lib` asks for `{wanted}`, and no library among the files has that prefix"),
    )
    .evidence(format!("prefixes there are: {}", names.join(", ")))
    .says_known(messages::of_others("system-lib", &[("prefix", wanted)]));
    match alike {
        Some([name]) => finding.rename(wanted, *name).help(format!(
            "write `{name}`: the two differ in dashes, dots or letter case alone; \
             `artcheck fix` and `artcheck patch model-lib` do"
        )),
        _ => finding.help(format!(
            "set `model_lib` to one of the prefixes (`artcheck patch model-lib {} --from {wanted} --to \
             PREFIX`), or compile the model with `--system-lib-prefix` as the configuration says",
            document.path
        )),
    }
}

fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace(['-', '.'], "_")
}

/// Two models of one name in one program, or in a folder of what is linked somewhere.
fn same_names(context: &FolderContext<'_>, out: &mut Outcome) {
    for set in link_set::folders(context.artifacts) {
        let is_program = !set.runtime.is_empty();
        let (whole, severity) = match is_program {
            true => ("program", Severity::Error),
            false => ("folder: no program is linked with both", Severity::Warning),
        };
        let mut holders: BTreeMap<(&str, Architecture, Platform), Vec<&Place>> = BTreeMap::new();
        for (artifact, binary) in &set.others {
            for prefix in artifact
                .libraries
                .iter()
                .filter_map(|one| one.prefix.as_deref())
            {
                let key = (prefix, binary.architecture, binary.platform);
                holders.entry(key).or_default().push(&artifact.path);
            }
        }
        for ((prefix, ..), places) in holders {
            let [first, second, ..] = places.as_slice() else {
                continue;
            };
            out.push(
                Finding::new(
                    &RULE,
                    *second,
                    format!("the prefix `{prefix}` is that of another library of the same {whole}"),
                )
                .severity(severity)
                .evidence(format!("the other: {first}"))
                .evidence("the linker finds the symbols of the library twice")
                .help(
                    "compile each model with a --system-lib-prefix of its own, or link one of them",
                ),
            );
        }
    }
}

/// One archive whose libraries are of several generations: no runtime reads all.
fn mixed_generations(context: &FolderContext<'_>, out: &mut Outcome) {
    let mut archives: BTreeMap<Place, BTreeMap<SymbolGeneration, &Place>> = BTreeMap::new();
    for artifact in context.artifacts {
        let Some(archive) = artifact.path.archive() else {
            continue;
        };
        for library in &artifact.libraries {
            if library.prefix.is_some() && library.symbols != SymbolGeneration::Unknown {
                archives
                    .entry(archive.clone())
                    .or_default()
                    .entry(library.symbols)
                    .or_insert(&artifact.path);
            }
        }
    }
    for (archive, generations) in archives {
        if generations.len() > 1 {
            let mut finding = Finding::new(
                &RULE,
                archive,
                "the archive holds libraries with blob symbols of several generations",
            )
            .evidence("a runtime finds those of its own generation only")
            .help("compile all libraries of the archive with one TVM release");
            for (generation, member) in generations {
                finding = finding.evidence(format!("{}: {member}", spell(generation)));
            }
            out.push(finding);
        }
    }
}
