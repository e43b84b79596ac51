//! AC303 limits: what the configuration asks for against what the library was
//! planned for.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::beside::{self, Belongings};
use super::{Check, FolderContext, Outcome, Rule};
use crate::documents::{Document, DocumentKind};
use crate::finding::{Finding, Severity};
use crate::module::metadata::Metadata;
use crate::place::Place;
use crate::runtime::messages;

pub(super) static RULE: Rule = Rule {
    code: "AC303",
    name: "limits",
    severity: Severity::Error,
    summary: "the configuration asks for more context, batch or chunk than the library was planned for",
    explain: include_str!("ac303_limits.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Folder(check)];

/// A key, what the library says of it, and how bad more is. Memory planning
/// sizes buffers by chunk and batch; the context alone grows the cache.
type Limit = (&'static str, fn(&Metadata) -> Option<i64>, Severity);

const LIMITS: [Limit; 4] = [
    (
        "prefill_chunk_size",
        |m| m.prefill_chunk_size,
        Severity::Error,
    ),
    ("max_batch_size", |m| m.max_batch_size, Severity::Error),
    (
        "sliding_window_size",
        |m| m.sliding_window_size,
        Severity::Error,
    ),
    (
        "context_window_size",
        |m| m.context_window_size,
        Severity::Warning,
    ),
];

fn check(context: &FolderContext<'_>, out: &mut Outcome) {
    let overrides = overrides(context.documents);
    for belongings in beside::belongings(context) {
        if let Some(chat) = belongings.chat {
            for (key, planned, severity) in LIMITS {
                let wanted = beside::number(chat, key);
                compare(&belongings, &chat.path, key, wanted, planned, severity, out);
            }
        }
        let Some(prefix) = belongings.library.prefix.as_deref() else {
            continue;
        };
        let name = prefix.strip_suffix('_').unwrap_or(prefix);
        for (document, overrides) in overrides.get(name).into_iter().flatten() {
            for (key, planned, severity) in LIMITS {
                let wanted = overrides.get(key).and_then(Json::as_i64);
                let place = &document.path;
                compare(&belongings, place, key, wanted, planned, severity, out);
            }
        }
    }
}

/// What applications' configurations override, by the name of the library.
fn overrides(documents: &[Document]) -> HashMap<&str, Vec<(&Document, &Json)>> {
    let mut found: HashMap<&str, Vec<(&Document, &Json)>> = HashMap::new();
    let is_app = |kind| matches!(kind, DocumentKind::AppConfig | DocumentKind::PackageConfig);
    for document in documents.iter().filter(|document| is_app(document.kind)) {
        let list = document
            .object()
            .and_then(|object| object.get("model_list")?.as_array());
        for entry in list.into_iter().flatten() {
            let name = entry.get("model_lib").and_then(Json::as_str);
            if let (Some(name), Some(overrides)) = (name, entry.get("overrides")) {
                found.entry(name).or_default().push((document, overrides));
            }
        }
    }
    found
}

fn compare(
    belongings: &Belongings<'_>,
    document: &Place,
    key: &str,
    wanted: Option<i64>,
    planned: fn(&Metadata) -> Option<i64>,
    severity: Severity,
    out: &mut Outcome,
) {
    let (Some(wanted), Some(planned)) = (wanted, planned(&belongings.metadata)) else {
        return;
    };
    // -1 stands for no such limit, on either side.
    if planned <= 0 || wanted <= planned {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            document,
            format!("`{key}` is {wanted}, but {} was planned for {planned}", belongings.artifact.path),
        )
        .severity(severity)
        .says_known(messages::of_every_release("storage", &[]))
        .help(format!(
            "lower `{key}` to {planned}, or compile the library with `--overrides \"{key}={wanted}\"`"
        )),
    );
}
