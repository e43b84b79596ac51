//! AC301 metadata: what the engine reads of a library, and calls in it, before
//! anything else.

use std::collections::BTreeSet;

use super::{ArtifactContext, Check, Outcome, Rule};
use crate::artifact::Artifact;
use crate::finding::{Finding, Location, Severity};
use crate::module::engine::{Engine, Needs, Purpose};
use crate::module::metadata::{FUNCTION, FoundMetadata, Metadata, MetadataError, OLD_FUNCTION};
use crate::runtime::messages;
use crate::vm::{Executable, FunctionKind};

pub(super) static RULE: Rule = Rule {
    code: "AC301",
    name: "metadata",
    severity: Severity::Error,
    summary: "`_metadata` lacks what the engine reads, or the library lacks a function that the engine calls",
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
        // Engines look into the imports of the program too.
        let host = library.own_functions(blob);
        for ((_, executable), outline) in library.programs(blob).zip(&library.outlines) {
            let subject = Subject {
                artifact: context.artifact,
                functions: functions(executable),
                host: &host,
            };
            match outline {
                Ok(found) => subject.check(found, out),
                Err(error) => subject.without_metadata(error, out),
            }
        }
    }
}

/// Functions of the VM, in bytecode or compiled, by name.
fn functions(executable: &Executable) -> BTreeSet<&str> {
    let functions = executable.functions.iter();
    functions
        .filter(|function| {
            function.kind == FunctionKind::VmTir || !function.instructions.is_empty()
        })
        .map(|function| function.name.as_str())
        .collect()
}

/// A program, and what can be called in it.
struct Subject<'a> {
    artifact: &'a Artifact,
    functions: BTreeSet<&'a str>,
    host: &'a BTreeSet<&'a str>,
}

impl Subject<'_> {
    fn has(&self, name: &str) -> bool {
        self.functions.contains(name) || self.host.contains(name)
    }

    fn is_for_engine(&self) -> bool {
        ENGINE_FUNCTIONS
            .iter()
            .any(|name| self.functions.contains(name))
    }

    fn engine(&self, purpose: Purpose) -> Engine {
        let format = self.artifact.binary.as_ref().map(|binary| binary.format);
        Engine::of(format, purpose)
    }

    fn finding(&self, message: impl Into<String>) -> Finding {
        Finding::new(&RULE, &self.artifact.path, message).severity(Severity::Warning)
    }

    fn check(&self, found: &FoundMetadata, out: &mut Outcome) {
        let metadata = &found.metadata;
        let at = Location {
            function: Some(FUNCTION.to_owned()),
            constant: Some(found.constant as u64),
            ..Location::default()
        };
        let purpose = Purpose::of(metadata, |name| self.has(name));
        let engine = self.engine(purpose);
        // What says nothing of its state is taken to have a cache.
        let state = metadata.kv_state_kind.as_deref().unwrap_or("kv_cache");
        match engine.needs(purpose, state) {
            Ok(needs) => self.check_needs(engine, purpose, &needs, metadata, &at, out),
            Err(why) => out.push(
                self.finding(why)
                    .at(at.clone())
                    .help("compile the model for an engine that takes it"),
            ),
        }
        if !metadata.unexpected.is_empty() {
            out.push(
                self.finding(format!(
                    "the metadata has {} in a shape no known release wrote",
                    list(&metadata.unexpected)
                ))
                .at(at)
                .help("compile the library with the engine's mlc-llm"),
            );
        }
    }

    fn check_needs(
        &self,
        engine: Engine,
        purpose: Purpose,
        needs: &Needs,
        metadata: &Metadata,
        at: &Location,
        out: &mut Outcome,
    ) {
        // A plain Relax program may use the name for its own purposes.
        let is_meant = self.is_for_engine() || purpose != Purpose::Chat;
        let missing = missing_keys(engine, needs, metadata);
        if let Some(first) = missing.first() {
            let mut finding = self
                .finding(format!("the metadata lacks {}, which {engine} reads", list(&missing)))
                .at(at.clone())
                .help("recompile the model with your mlc-llm, or use the older engine that it was built for");
            if !is_meant {
                finding = finding.severity(Severity::Info);
            }
            if engine == Engine::Mlc {
                let key = first.rsplit('.').next().unwrap_or(first);
                finding = finding.says_known(messages::of_others("metadata-key", &[("key", key)]));
            }
            out.push(finding);
            // It is of another time, and that has been said.
            return;
        }
        if let Some((key, value)) = refused_value(engine, needs, metadata) {
            out.push(
                self.finding(format!(
                    "`{key}` is {value} in the metadata, but {engine} takes only values above 0"
                ))
                .at(at.clone())
                .help(format!("compile the model again with a `{key}` above 0")),
            );
        }
        let mut missing = needs.missing_functions(|name| self.has(name));
        // One with neither serves batches; whether one sequence ever runs by
        // itself is up to its user.
        if engine == Engine::Mlc && !self.has("prefill") && !self.has("decode") {
            missing.retain(|name| name != "`prefill`" && name != "`decode`");
        }
        if is_meant && !missing.is_empty() {
            out.push(
                self.finding(format!(
                    "{engine} calls {}, but the library has no such function",
                    missing.join(", ")
                ))
                .help(
                    "recompile the model with your mlc-llm: functions cannot be added to a library",
                ),
            );
        }
    }

    fn without_metadata(&self, error: &MetadataError, out: &mut Outcome) {
        let engine = self.engine(Purpose::Chat);
        let is_old = self.functions.contains(OLD_FUNCTION);
        let finding = match error {
            MetadataError::NoFunction if !self.is_for_engine() && !is_old => return,
            // Which versions of web-llm read it, the rule of pages tells.
            MetadataError::NoFunction if is_old && engine == Engine::WebLlm => return,
            MetadataError::NoFunction if is_old => self
                .finding(format!("the library was built in 2023: it has `{OLD_FUNCTION}`, but {engine} reads `{FUNCTION}`"))
                .at(Location { function: Some(OLD_FUNCTION.to_owned()), ..Location::default() })
                .help("recompile the model with your mlc-llm, or use the older chat module that it was built for (`llm_chat.cc`), which reads `get_metadata`"),
            MetadataError::NoFunction => self
                .finding(format!("the library has an engine's functions but no `{FUNCTION}`"))
                .help("compile the model with mlc-llm, which adds `_metadata`; a plain Relax program that no engine loads may ignore this"),
            MetadataError::Compiled => return out.undecided(&RULE, error.to_string()),
            error @ (MetadataError::TooLong(_) | MetadataError::TooDeep) => {
                return out.over_limit(&RULE, error.to_string());
            }
            error => {
                out.push(
                    Finding::new(&RULE, &self.artifact.path, error.to_string())
                        .at(Location { function: Some(FUNCTION.to_owned()), ..Location::default() })
                        .help("compile the library again"),
                );
                return;
            }
        };
        out.push(match engine {
            Engine::Mlc => finding.says_known(messages::of_others("metadata-function", &[])),
            _ => finding,
        });
    }
}

/// Keys that the engine asks for and that are not there; those of an object
/// behind its name.
fn missing_keys(engine: Engine, needs: &Needs, metadata: &Metadata) -> Vec<String> {
    let keys = needs.keys.iter().copied();
    let keys = keys.chain(needs.cache_key.then_some("kv_cache"));
    let mut missing: Vec<String> = keys
        .filter(|key| !metadata.keys.contains(*key))
        .map(str::to_owned)
        .collect();
    if let Some(cache) = metadata.kv_cache.as_ref().filter(|_| needs.cache_key) {
        let numbers = [
            ("num_hidden_layers", cache.num_hidden_layers),
            ("num_attention_heads", cache.num_attention_heads),
            ("num_key_value_heads", cache.num_key_value_heads),
            ("head_dim", cache.head_dim),
        ];
        let absent = numbers.iter().filter(|(_, number)| number.is_none());
        missing.extend(absent.map(|(key, _)| format!("kv_cache.{key}")));
    }
    let facts = metadata.embedding_metadata.as_ref();
    if let Some(facts) = facts.filter(|_| engine == Engine::MlcEmbedding) {
        let keys = ["model_type", "pooling_strategy", "normalize"];
        let absent = keys.iter().filter(|key| facts.get(**key).is_none());
        missing.extend(absent.map(|key| format!("embedding_metadata.{key}")));
    }
    missing
}

/// A number that web-llm refuses.
fn refused_value(
    engine: Engine,
    needs: &Needs,
    metadata: &Metadata,
) -> Option<(&'static str, i64)> {
    let values = [
        ("prefill_chunk_size", metadata.prefill_chunk_size),
        ("max_batch_size", metadata.max_batch_size),
    ];
    values
        .into_iter()
        .filter(|(key, _)| engine == Engine::WebLlm && needs.keys.contains(key))
        .find_map(|(key, value)| Some((key, value.filter(|value| *value <= 0)?)))
}

fn list(keys: &[String]) -> String {
    keys.iter()
        .map(|key| format!("`{key}`"))
        .collect::<Vec<_>>()
        .join(", ")
}
