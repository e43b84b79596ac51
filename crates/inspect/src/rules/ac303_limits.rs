//! AC303 limits: what the configuration asks for against what the library was
//! planned for.

use serde_json::Value as Json;

use super::beside::{self, Belongings};
use super::{Check, FolderContext, Outcome, Rule};
use crate::documents::{Document, DocumentKind};
use crate::finding::{Finding, Severity};
use crate::module::metadata::Metadata;

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
    for belongings in beside::belongings(context) {
        if let Some(chat) = belongings.chat {
            for (key, planned, severity) in LIMITS {
                let wanted = beside::number(chat, key);
                compare(&belongings, &chat.path, key, wanted, planned, severity, out);
            }
        }
        for document in context.documents {
            for overrides in overrides_for(document, &belongings) {
                for (key, planned, severity) in LIMITS {
                    let wanted = overrides.get(key).and_then(Json::as_i64);
                    compare(
                        &belongings,
                        &document.path,
                        key,
                        wanted,
                        planned,
                        severity,
                        out,
                    );
                }
            }
        }
    }
}

/// What an application's configuration overrides for this library.
fn overrides_for<'a>(document: &'a Document, belongings: &Belongings<'_>) -> Vec<&'a Json> {
    if !matches!(
        document.kind,
        DocumentKind::AppConfig | DocumentKind::PackageConfig
    ) {
        return Vec::new();
    }
    let Some(prefix) = belongings.library.prefix.as_deref() else {
        return Vec::new();
    };
    let name = prefix.strip_suffix('_').unwrap_or(prefix);
    let list = document
        .object()
        .and_then(|object| object.get("model_list")?.as_array());
    list.into_iter()
        .flatten()
        .filter(|entry| entry.get("model_lib").and_then(Json::as_str) == Some(name))
        .filter_map(|entry| entry.get("overrides"))
        .collect()
}

fn compare(
    belongings: &Belongings<'_>,
    document: &str,
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
            format!("`{key}` is {wanted}, and {} was planned for {planned}", belongings.artifact.path),
        )
        .severity(severity)
        .says("storage allocation failure, attempted to allocate ... in region")
        .help(format!(
            "lower `{key}` to {planned}, or compile the library with `--overrides \"{key}={wanted}\"`"
        )),
    );
}
