//! AC302 weights: the parameters a library expects against the index of the
//! weights that belong to it.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::beside::{self, Belongings};
use super::{Check, FolderContext, Outcome, Rule};
use crate::documents::{Document, DocumentKind};
use crate::finding::{Finding, Severity};
use crate::module::SymbolGeneration;
use crate::module::metadata::{Extent, Metadata, Parameter};
use crate::place::Place;
use crate::runtime::messages;

pub(super) static RULE: Rule = Rule {
    code: "AC302",
    name: "weights",
    severity: Severity::Error,
    summary: "the weights do not fit the library: names, shapes, types, shard sizes or checksums differ",
    explain: include_str!("ac302_weights.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Folder(check)];

/// Differences listed in full; a wrong model has thousands.
const LISTED: usize = 8;

fn check(context: &FolderContext<'_>, out: &mut Outcome) {
    for document in context.documents.iter().filter(|d| d.kind.is_index()) {
        match &document.content {
            Err(why) => out.push(
                Finding::new(
                    &RULE,
                    &document.path,
                    "the index of the weights cannot be read",
                )
                .evidence(why.clone())
                .help("convert or download the weights again"),
            ),
            Ok(_) => shards(document, out),
        }
    }
    for belongings in beside::belongings(context) {
        let Some(index) = belongings.index else {
            continue;
        };
        index_name(&belongings, index, out);
        if !belongings.metadata.params.is_empty() && index.content.is_ok() {
            parameters(&belongings, index, out);
        }
    }
}

fn shards(document: &Document, out: &mut Outcome) {
    let mut wrong = Vec::new();
    for shard in &document.shards {
        match (shard.actual, shard.stated) {
            (None, _) => wrong.push(format!("{} is missing", shard.name)),
            (Some(actual), Some(stated)) if actual != stated => wrong.push(format!(
                "{} has {actual} bytes, but the index says {stated}",
                shard.name
            )),
            _ => {}
        }
        if let Some((stated, actual)) = &shard.checksum_differs {
            wrong.push(format!(
                "{} has MD5 {actual}, but the index says {stated}",
                shard.name
            ));
        }
    }
    if wrong.is_empty() {
        return;
    }
    // An index alone, without any shard, is how libraries are built and tested.
    let none_there = document.shards.iter().all(|shard| shard.actual.is_none());
    let severity = if none_there {
        Severity::Info
    } else {
        Severity::Error
    };
    out.push(
        listed(
            Finding::new(
                &RULE,
                &document.path,
                damaged(wrong.len(), document.shards.len()),
            ),
            wrong,
        )
        .severity(severity)
        .evidence("the runtime does not open the file, or answers wrongly without a message")
        .help("download or convert the weights again"),
    );
}

/// How many of the weight files are not what the index says.
fn damaged(wrong: usize, all: usize) -> String {
    match (wrong, all) {
        (_, 1) => String::from("the weight file is missing or damaged"),
        (1, _) => format!("1 of {all} weight files is missing or damaged"),
        _ => format!("{wrong} of {all} weight files are missing or damaged"),
    }
}

/// The name the index has, against the one the library's runtime reads.
fn index_name(belongings: &Belongings<'_>, index: &Document, out: &mut Outcome) {
    let wanted = match belongings.library.symbols {
        SymbolGeneration::FfiUnderscoreLibraryBin => DocumentKind::TensorIndex,
        SymbolGeneration::DevMblob | SymbolGeneration::FfiLibraryBin => {
            DocumentKind::OldTensorIndex
        }
        SymbolGeneration::Unknown => return,
    };
    if index.kind == wanted || belongings.other_index.is_some() {
        return;
    }
    let (has, reads) = match wanted {
        DocumentKind::TensorIndex => ("ndarray-cache.json", "tensor-cache.json"),
        _ => ("tensor-cache.json", "ndarray-cache.json"),
    };
    out.push(
        Finding::new(
            &RULE,
            &index.path,
            format!(
                "the weights have {has}, but the runtime of {} reads {reads}",
                belongings.artifact.path
            ),
        )
        .severity(Severity::Warning)
        .says_known(messages::of_every_release("file", &[("file", reads)]))
        .help(format!(
            "copy the index to {reads}; its content is the same"
        )),
    );
}

fn parameters(belongings: &Belongings<'_>, index: &Document, out: &mut Outcome) {
    let held = held(index);
    let mut wrong = Vec::new();
    for parameter in &belongings.metadata.params {
        let Some((shape, dtype)) = held.get(parameter.name.as_str()) else {
            wrong.push(format!("{} is not in the index", parameter.name));
            continue;
        };
        if !fits(parameter, shape, &belongings.metadata, belongings.chat) {
            wrong.push(format!(
                "{} is {}, but the library expects {}",
                parameter.name,
                spelled(shape),
                expected(parameter)
            ));
        } else if *dtype != parameter.dtype {
            wrong.push(format!(
                "{} is {dtype}, but the library expects {}",
                parameter.name, parameter.dtype
            ));
        }
    }
    let parameters = wrong.len();
    if let (Some(library), Some(config)) = (
        belongings.metadata.tensor_parallel_shards,
        belongings
            .chat
            .and_then(|chat| beside::number(chat, "tensor_parallel_shards")),
    ) && library != config
    {
        wrong.push(format!(
            "tensor_parallel_shards is {config} in the configuration, but {library} in the library"
        ));
    }
    let Some(first) = wrong.first().cloned() else {
        return;
    };
    out.push(
        listed(
            Finding::new(
                &RULE,
                &belongings.artifact.path,
                unfit(parameters, belongings.metadata.params.len(), &index.path),
            ),
            wrong,
        )
        .says_known(match first.strip_suffix(" is not in the index") {
            Some(name) => {
                messages::of_every_release("parameter", &[("name", name.trim_matches('`'))])
            }
            None => None,
        })
        .help("convert the weights with the library's quantization and shard count, or compile a library from the weights' own configuration"),
    );
}

/// How many of the library's parameters differ; none of them where only the number of
/// shards does.
fn unfit(wrong: usize, all: usize, index: &Place) -> String {
    let (subject, verb) = match (wrong, all) {
        (0, _) => (String::from("the number of tensor-parallel shards"), "does"),
        (_, 1) => (String::from("the library's only parameter"), "does"),
        (1, _) => (format!("1 of {all} parameters"), "does"),
        _ => (format!("{wrong} of {all} parameters"), "do"),
    };
    format!("{subject} {verb} not fit the weights in {index}")
}

fn listed(mut finding: Finding, wrong: Vec<String>) -> Finding {
    let more = wrong.len().saturating_sub(LISTED);
    for line in wrong.into_iter().take(LISTED) {
        finding = finding.evidence(line);
    }
    if more > 0 {
        finding = finding.evidence(format!("and {more} more"));
    }
    finding
}

/// Shape and type by name.
fn held(index: &Document) -> BTreeMap<&str, (Vec<i64>, &str)> {
    let shards = index
        .object()
        .and_then(|index| index.get("records")?.as_array());
    shards
        .into_iter()
        .flatten()
        .filter_map(|shard| shard.get("records")?.as_array())
        .flatten()
        .filter_map(|record| {
            let shape = record.get("shape")?.as_array()?;
            Some((
                record.get("name")?.as_str()?,
                (
                    shape.iter().filter_map(Json::as_i64).collect(),
                    record.get("dtype")?.as_str()?,
                ),
            ))
        })
        .collect()
}

fn fits(
    parameter: &Parameter,
    shape: &[i64],
    metadata: &Metadata,
    chat: Option<&Document>,
) -> bool {
    // A parameter with preprocessing, or split over devices, has another shape on disk.
    if parameter.preprocs > 0
        || metadata
            .tensor_parallel_shards
            .is_some_and(|shards| shards > 1)
    {
        return true;
    }
    parameter.shape.len() == shape.len()
        && parameter
            .shape
            .iter()
            .zip(shape)
            .all(|(expected, found)| match expected {
                Extent::Fixed(expected) => expected == found,
                Extent::Named(name) => chat
                    .and_then(|chat| beside::number(chat, name))
                    .is_none_or(|value| value == *found),
            })
}

fn spelled(shape: &[i64]) -> String {
    let extents: Vec<String> = shape.iter().map(i64::to_string).collect();
    format!("({})", extents.join(", "))
}

fn expected(parameter: &Parameter) -> String {
    let extents: Vec<String> = parameter
        .shape
        .iter()
        .map(|extent| match extent {
            Extent::Fixed(number) => number.to_string(),
            Extent::Named(name) => name.clone(),
        })
        .collect();
    format!("({})", extents.join(", "))
}
