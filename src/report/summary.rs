//! Short facts for reports: one line on an artifact, a library, a runtime.

use std::collections::BTreeMap;
use std::fmt;

use artcheck_inspect::container::Binary;
use artcheck_inspect::epoch;
use artcheck_inspect::module::{Blob, ModelLibrary, Payload, is_ffi_function};
use artcheck_inspect::runtime::{self, RuntimeProfile, SiteTags, TagSite, any_of};
use artcheck_inspect::vm::Magic;
use artcheck_inspect::vm::kv_cache::{KernelValue, kv_caches};
use artcheck_inspect::{Artifact, Role};
use serde::{Deserialize, Serialize};

use super::phrases::counted;

/// What a report says of one model library.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LibrarySummary {
    /// System-library prefix.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Releases it can have been built with, in words.
    pub epoch: String,
    /// Module kinds, root first, with code format and kernel count for device modules.
    pub modules: Vec<String>,
    /// Its Relax executables.
    pub executables: Vec<ExecutableSummary>,
    /// Context slots it needs.
    pub slots: Vec<String>,
    /// What its device code asks of the device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpu: Vec<String>,
    /// `model_type` of the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_type: Option<String>,
    /// `kv_state_kind` of the metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_state_kind: Option<String>,
}

/// What a report says of one executable.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExecutableSummary {
    /// `V1` or `V2`.
    pub magic: String,
    /// Bytecode functions.
    pub functions: usize,
    /// Instructions.
    pub instructions: usize,
    /// Constants.
    pub constants: usize,
    /// Attention tags that reach a KV-cache constructor.
    pub attention_tags: Vec<String>,
    /// Length of the cache config, where there is a KV cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_config_length: Option<u64>,
}

impl fmt::Display for LibrarySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "built by {}; {}", self.epoch, self.modules.join(" > "))?;
        for executable in &self.executables {
            write!(
                f,
                "; {}, {}",
                counted(executable.functions, "function"),
                counted(executable.instructions, "instruction")
            )?;
            if !executable.attention_tags.is_empty() {
                write!(f, ", tag {}", executable.attention_tags.join("/"))?;
            }
            if let Some(length) = executable.cache_config_length {
                write!(f, ", cache config of {length}")?;
            }
        }
        if let Some(kind) = &self.model_type {
            write!(f, "; model {kind}")?;
        }
        Ok(())
    }
}

/// Summary of one library.
pub fn library(library: &ModelLibrary, blob: &Blob) -> LibrarySummary {
    let executables: Vec<ExecutableSummary> = library
        .programs(blob)
        .map(|(_, executable)| {
            let caches = kv_caches(executable);
            let sites = caches.iter().flat_map(|cache| &cache.sites);
            let mut attention_tags: Vec<String> = sites
                .flat_map(|site| site.value.parts().0)
                .filter_map(|value| match value {
                    KernelValue::Tagged { tag, .. } => Some(tag.clone()),
                    _ => None,
                })
                .collect();
            attention_tags.sort_unstable();
            attention_tags.dedup();
            ExecutableSummary {
                magic: match executable.magic {
                    Magic::V1 => String::from("V1"),
                    Magic::V2 => String::from("V2"),
                },
                functions: executable
                    .functions
                    .iter()
                    .filter(|function| !function.instructions.is_empty())
                    .count(),
                instructions: executable.instruction_offsets.len(),
                constants: executable.constants.len(),
                attention_tags,
                cache_config_length: caches
                    .iter()
                    .flat_map(|cache| cache.config.parts().0)
                    .find_map(|config| u64::try_from(config.declared).ok()),
            }
        })
        .collect();
    let tags: Vec<&str> = executables
        .iter()
        .flat_map(|executable| executable.attention_tags.iter().map(String::as_str))
        .collect();
    let config_length = executables
        .iter()
        .find_map(|executable| executable.cache_config_length);
    let mut outlines = library.outlines.iter();
    let metadata = outlines.find_map(|outline| Some(&outline.as_ref().ok()?.metadata));
    LibrarySummary {
        prefix: library.prefix.clone(),
        epoch: epoch(library, blob, &tags, config_length).to_string(),
        modules: modules(blob),
        slots: library.slots.clone(),
        gpu: device_needs(blob),
        model_type: metadata.and_then(|metadata| metadata.model_type.clone()),
        kv_state_kind: metadata.and_then(|metadata| metadata.kv_state_kind.clone()),
        executables,
    }
}

fn device_needs(blob: &Blob) -> Vec<String> {
    let mut needs: Vec<String> = blob
        .modules
        .iter()
        .filter_map(|module| match &module.payload {
            Payload::Device(device) => Some(&device.needs),
            _ => None,
        })
        .flatten()
        .map(ToString::to_string)
        .collect();
    needs.sort_unstable();
    needs.dedup();
    needs
}

/// Module kinds in file order; equal neighbours are counted.
fn modules(blob: &Blob) -> Vec<String> {
    let mut words: Vec<(String, usize)> = Vec::new();
    for module in &blob.modules {
        let word = match &module.payload {
            Payload::Device(device)
                if device.code_format.is_empty() || device.code_format == module.kind =>
            {
                format!("{} ({} kernels)", module.kind, device.kernels.len())
            }
            Payload::Device(device) => format!(
                "{} ({}, {} kernels)",
                module.kind,
                device.code_format,
                device.kernels.len()
            ),
            _ => module.kind.clone(),
        };
        match words.last_mut() {
            Some((last, count)) if *last == word => *count = count.saturating_add(1),
            _ => words.push((word, 1)),
        }
    }
    words
        .into_iter()
        .map(|(word, count)| {
            if count == 1 {
                word
            } else {
                format!("{count} x {word}")
            }
        })
        .collect()
}

/// `model library, aarch64 mac-os (mach-o), 245 KB`.
pub fn describe(artifact: &Artifact) -> String {
    let role = match artifact.role {
        Role::ModelLibrary => "model library",
        Role::RuntimePart => "runtime part",
        Role::Client if !artifact.kernels.is_empty() => "kernel library",
        Role::Client => "client of TVM",
        Role::LibraryObject => "object of a model library",
        Role::Unrelated => "no Relax runtime or model library",
        Role::Unreadable => "unreadable",
    };
    match &artifact.binary {
        Some(binary) => {
            let functions = match artifact.role {
                Role::Client => functions(binary),
                _ => String::new(),
            };
            format!("{role}{functions}, {binary}, {}", size(artifact.size))
        }
        None => format!("{role}, {}", size(artifact.size)),
    }
}

/// Functions for TVM in a file that holds no model: they are called by their names.
fn functions(binary: &Binary) -> String {
    let defined = binary.defined.iter().filter(|symbol| symbol.exported);
    match defined
        .filter(|symbol| is_ffi_function(&symbol.name))
        .count()
    {
        0 => String::new(),
        count => format!(" with {} for TVM and no model", counted(count, "function")),
    }
}

/// Bytes in decimal units, as a directory listing shows them.
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{} KB", bytes / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

/// One line on a runtime.
pub fn runtime(profile: &RuntimeProfile) -> String {
    let mut words = Vec::new();
    if let Some(release) = &profile.release {
        words.push(format!("TVM {release}"));
    }
    if let (Some(architecture), Some(os)) = (&profile.architecture, &profile.os) {
        words.push(format!("{architecture} {os}"));
    }
    if let Some(sites) = &profile.attention_tags.value {
        words.push(format!("tags {}", tag_names(sites)));
    }
    if let Some(lengths) = &profile.cache_config_lengths.value {
        words.push(format!("cache config of {}", any_of(lengths)));
    }
    if let Some(loaders) = &profile.module_loaders.value {
        words.push(format!(
            "loads {}",
            loaders
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" ")
        ));
    }
    words.join("; ")
}

fn tag_names(sites: &BTreeMap<TagSite, SiteTags>) -> String {
    let names: Vec<String> = runtime::tag_names(sites).into_iter().collect();
    if names.is_empty() {
        String::from("none (before tags)")
    } else {
        names.join("/")
    }
}
