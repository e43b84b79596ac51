//! AC301 metadata: what mlc-llm's engine reads before anything else.

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::artifact::Artifact;
use crate::finding::{Finding, Location, Severity};
use crate::module::metadata::{self, FUNCTION, Metadata, MetadataError};
use crate::vm::Executable;

pub(super) static RULE: Rule = Rule {
    code: "AC301",
    name: "metadata",
    severity: Severity::Error,
    summary: "`_metadata` missing, unreadable, or without keys, or the library without functions, that the engine requires",
    explain: include_str!("ac301_metadata.md"),
};

pub(super) const CHECKS: &[Check] = &[Check::Artifact(check)];

/// Functions that only an engine calls: a library with one of them is meant for it.
const ENGINE_FUNCTIONS: &[&str] = &[
    "prefill",
    "decode",
    "batch_prefill",
    "batch_decode",
    "embed",
];

fn check(context: &ArtifactContext<'_>, out: &mut Outcome) {
    for library in &context.artifact.libraries {
        let Ok(blob) = &library.blob else { continue };
        for (_, executable) in blob.executables() {
            check_executable(context.artifact, executable, out);
        }
    }
}

fn check_executable(artifact: &Artifact, executable: &Executable, out: &mut Outcome) {
    let location = Location {
        function: Some(FUNCTION.to_owned()),
        ..Location::default()
    };
    match metadata::read(executable) {
        Ok(found) => {
            let location = Location { constant: Some(found.constant as u64), ..location };
            if !found.metadata.missing.is_empty() {
                // A plain Relax program may use the name for its own purposes.
                let severity = if is_for_engine(executable) {
                    Severity::Warning
                } else {
                    Severity::Info
                };
                out.push(
                    Finding::new(
                        &RULE,
                        &artifact.path,
                        format!("the metadata lacks {}", list(&found.metadata.missing)),
                    )
                    .severity(severity)
                    .at(location.clone())
                    .says(format!("key `{}` not found in the JSON object", first(&found.metadata.missing)))
                    .help("today's engine requires these keys: compile the library with its mlc-llm, or use the engine of the library's day"),
                );
            }
            check_functions(artifact, executable, &found.metadata, out);
            if !found.metadata.unexpected.is_empty() {
                out.push(
                    Finding::new(&RULE, &artifact.path, format!("the metadata has {} in a shape no known release wrote", list(&found.metadata.unexpected)))
                        .severity(Severity::Warning)
                        .at(location)
                        .help("compile the library with the engine's mlc-llm"),
                );
            }
        }
        Err(MetadataError::NoFunction) if !is_for_engine(executable) => {}
        Err(MetadataError::NoFunction) => out.push(
            Finding::new(&RULE, &artifact.path, "the library has an engine's functions but no `_metadata`")
                .says("_metadata function not found in module")
                .help("compile the model with mlc-llm, which adds `_metadata`; a plain Relax program that no engine loads may ignore this")
                .severity(Severity::Warning),
        ),
        Err(error) => out.push(
            Finding::new(&RULE, &artifact.path, error.to_string())
                .at(location)
                .help("compile the library again"),
        ),
    }
}

/// Makers of the state that the engine keeps per sequence; one is enough.
const STATE_MAKERS: [&str; 3] = [
    "create_flashinfer_paged_kv_cache",
    "create_tir_paged_kv_cache",
    "create_rnn_state",
];

/// Functions without which the engine can answer no request: others it asks
/// for are optional, or have a fallback.
fn check_functions(
    artifact: &Artifact,
    executable: &Executable,
    metadata: &Metadata,
    out: &mut Outcome,
) {
    // What lacks keys too is of another time, and already reported.
    if !is_for_engine(executable) || !metadata.missing.is_empty() {
        return;
    }
    let has = |name: &&str| defines(executable, name);
    let wanted: &[&str] = match metadata.model_task.as_deref() {
        Some("embedding") => &["prefill"],
        _ => &["embed", "batch_prefill", "batch_decode"],
    };
    let mut missing: Vec<String> = wanted
        .iter()
        .filter(|name| !has(name))
        .map(|name| (*name).to_owned())
        .collect();
    let keeps_state = metadata.model_task.as_deref() != Some("embedding");
    if keeps_state && !STATE_MAKERS.iter().any(|name| defines(executable, name)) {
        missing.push(STATE_MAKERS.join("` or `"));
    }
    if missing.is_empty() {
        return;
    }
    out.push(
        Finding::new(
            &RULE,
            &artifact.path,
            format!(
                "the engine calls {}, and the library has no such function",
                list(&missing)
            ),
        )
        .severity(Severity::Warning)
        .says("Check failed: (f.defined()) is false, or a call of an empty function")
        .help(
            "compile the library with the engine's mlc-llm: functions cannot be added afterwards",
        ),
    );
}

fn defines(executable: &Executable, name: &str) -> bool {
    executable
        .functions
        .iter()
        .any(|function| !function.instructions.is_empty() && function.name == name)
}

fn is_for_engine(executable: &Executable) -> bool {
    ENGINE_FUNCTIONS
        .iter()
        .any(|name| defines(executable, name))
}

fn list(keys: &[String]) -> String {
    keys.iter()
        .map(|key| format!("`{key}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn first(keys: &[String]) -> &str {
    keys.first().map_or("", String::as_str)
}
