//! A resolved row: everything a child process needs, with absolute paths.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use artcheck_metal_sim::{Arithmetic, Order};
use serde::{Deserialize, Serialize};

use crate::device::DeviceName;
use crate::sampling::TopP;
use crate::session::calls::Call;
use crate::session::{Entry, Kind, Schedule};
use crate::tokenizer::{TokenName, TokenizerSource};
use crate::weights::Source;

use super::chat;
use super::expect::{Expect, Similarity};

/// One row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Unique name.
    pub name: String,
    /// The model, for people.
    pub model: String,
    /// The kind it must be; found out from the library if absent.
    pub kind: Option<Kind>,
    /// The model library.
    pub library: PathBuf,
    /// Where weights come from.
    pub weights: Source,
    /// How text becomes tokens; absent if all prompts are tokens.
    pub tokenizer: Option<TokenizerSource>,
    /// Where a user gets library, weights and tokenizer.
    pub get: Option<String>,
    /// The device.
    pub device: DeviceName,
    /// The runtime.
    pub runtime: RuntimeSpec,
    /// How the simulated device runs it, where that is the device.
    pub simulation: Simulation,
    /// Shim libraries to load after the runtime.
    pub shims: Vec<PathBuf>,
    /// Which entry points are used.
    pub entry: Entry,
    /// How several prompts share the model.
    pub schedule: Schedule,
    /// Longest prefill of one call.
    pub prefill_chunk: Option<usize>,
    /// Tokens to generate.
    pub max_tokens: usize,
    /// Sizes of symbolic dimensions, for random weights.
    pub dims: BTreeMap<String, i64>,
    /// Top-p, or greedy.
    pub sampling: Option<TopP>,
    /// Follow the reference's tokens instead of one's own, so that one close
    /// call does not change all that comes after it (for 16-bit arithmetic).
    pub follow_reference: bool,
    /// Tokens that end a sequence; if absent, those that the model's folder names.
    pub stop: Option<Vec<TokenName>>,
    /// The folder of a model as mlc-llm writes it, with `mlc-chat-config.json`.
    pub folder: Option<PathBuf>,
    /// False: a model that thinks before it answers is told not to.
    pub think: Option<bool>,
    /// Untimed runs before the measured one.
    pub warmup: u32,
    /// How often the row runs, each time in a new process.
    pub repeat: u32,
    /// Limit of one run.
    pub time_limit: Duration,
    /// Limit of the child's address space.
    pub memory_limit: Option<u64>,
    /// The prompts.
    pub prompts: Vec<Prompt>,
    /// Expected similarity of embeddings.
    pub similarity: Vec<Similarity>,
    /// Functions to call instead of a conversation.
    pub calls: Vec<Call>,
}

/// The runtime of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeSpec {
    /// Name in the matrix.
    pub name: String,
    /// Directories, wheels or virtual environments.
    pub paths: Vec<PathBuf>,
    /// Libraries to open before the runtime.
    pub preload: Vec<PathBuf>,
    /// A program of another system, to run rows on that system's runtime.
    #[serde(default)]
    pub other: Option<OtherSystem>,
}

/// How rows of another system run here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherSystem {
    /// This program, built for that system.
    pub program: PathBuf,
    /// What runs that system's programs here, and its arguments: `qemu-aarch64`, `wine`.
    pub emulator: Vec<String>,
}

impl OtherSystem {
    /// The command without the program's own arguments.
    pub fn command(&self) -> (PathBuf, Vec<OsString>) {
        let mut words = self.emulator.iter();
        match words.next() {
            None => (self.program.clone(), Vec::new()),
            Some(first) => {
                let mut arguments: Vec<OsString> = words.map(OsString::from).collect();
                arguments.push(self.program.clone().into_os_string());
                (PathBuf::from(first), arguments)
            }
        }
    }
}

/// How the simulated device runs a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Simulation {
    /// Check every access of every kernel.
    pub guard: bool,
    /// The order of threads.
    pub order: Order,
    /// How kernels round.
    pub arithmetic: Arithmetic,
}

/// One prompt and what must come of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prompt {
    /// Text, for the tokenizer.
    pub text: Option<String>,
    /// A question, for the conversation template of the model's folder.
    pub ask: Option<String>,
    /// Tokens; these win over text.
    pub tokens: Option<Vec<i32>>,
    /// What is expected.
    pub expect: Expect,
}

impl Row {
    /// Refuses what a model of this kind has no answer to.
    pub fn fits(&self, kind: Kind) -> Result<(), String> {
        let embeds = kind == Kind::Embedding;
        let Some(key) = self.misfit(embeds) else {
            return Ok(());
        };
        Err(match embeds {
            true => format!(
                "`{key}` is for models that write text, and this is an embedding model: compare embeddings with a `reference` or by `similarity`"
            ),
            false => format!("`{key}` is for embedding models, and this model writes text"),
        })
    }

    /// Refuses a row that no kind of model could satisfy.
    pub(super) fn is_of_one_kind(&self) -> Result<(), String> {
        match (self.misfit(true), self.misfit(false)) {
            (Some(writes), Some(embeds)) => Err(format!(
                "`{embeds}` is for embedding models, `{writes}` for models that write text: no model is both"
            )),
            _ => Ok(()),
        }
    }

    /// A key that is for the other kind of model.
    fn misfit(&self, embeds: bool) -> Option<String> {
        if !embeds && !self.similarity.is_empty() {
            return Some("similarity".to_owned());
        }
        self.prompts
            .iter()
            .enumerate()
            .find_map(|(number, prompt)| {
                if embeds && prompt.ask.is_some() {
                    return Some(format!("prompt[{number}].ask"));
                }
                let key = prompt.expect.misfit(embeds)?;
                Some(format!("prompt[{number}].expect.{key}"))
            })
    }

    /// The files that must exist for the row to run, with what they are.
    pub fn files(&self) -> Vec<(&'static str, PathBuf)> {
        let mut files = vec![("library", self.library.clone())];
        if let Source::Directory(path) = &self.weights {
            files.push(("weights", path.clone()));
        }
        if let Some(TokenizerSource::File(path)) = &self.tokenizer {
            files.push(("tokenizer", path.clone()));
        }
        let asks = self.prompts.iter().any(|prompt| prompt.ask.is_some());
        if let Some(folder) = self.folder.as_ref().filter(|_| asks) {
            files.push(("conversation template", folder.join(chat::NAME)));
        }
        files.extend(self.runtime.paths.iter().map(|p| ("runtime", p.clone())));
        files.extend(self.runtime.preload.iter().map(|p| ("preload", p.clone())));
        files.extend((self.runtime.other.iter()).map(|other| ("program", other.program.clone())));
        files.extend(self.shims.iter().map(|p| ("shim", p.clone())));
        let references = self
            .prompts
            .iter()
            .filter_map(|p| p.expect.reference.clone());
        files.extend(references.map(|r| ("reference", r.file)));
        files
    }
}
