//! The TOML form of a matrix.
//!
//! `[defaults]` is laid under every row, and a row with lists stands for several
//! ([`super::expand`]); `${NAME}` in a path is an environment variable, of which
//! `${ARTCHECK_PARTS}` has a default; other paths are relative to the matrix file.
//! Unknown keys are refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use toml::{Table, Value};

use crate::device::DeviceName;
use crate::sampling::TopP;
use crate::session::calls::Call;
use crate::session::{Entry, Kind, Schedule};
use crate::tokenizer::{TokenName, TokenizerSource};
use crate::weights::Source;

use super::MatrixError;
use super::base::Base;
use super::chat;
use super::claims;
use super::expand::{Given, complete, expand};
use super::expect::{Expect, ExpectFile, Similarity};
use super::row::{OtherSystem, Prompt, Row, RuntimeSpec, Simulation};

/// Reads and resolves a matrix.
pub fn read(path: &Path) -> Result<Vec<Row>, MatrixError> {
    let text = fs::read_to_string(path).map_err(|source| MatrixError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(path, &text)
}

/// Parses the text of the matrix at `path`.
pub fn parse(path: &Path, text: &str) -> Result<Vec<Row>, MatrixError> {
    let syntax = |detail: String| MatrixError::Syntax {
        path: path.to_owned(),
        detail,
    };
    let file: File = toml::from_str(text).map_err(|e| syntax(e.to_string()))?;
    let base = Base::of(path, file.literal);
    let wrong = |row: &Table, detail: String| MatrixError::Row {
        path: path.to_owned(),
        row: name(row).to_owned(),
        detail,
    };
    let mut words: BTreeSet<String> = file.given.keys().cloned().collect();
    let mut tables = Vec::new();
    for row in &file.row {
        if file.literal {
            tables.push(complete(&file.defaults, &file.given, row.clone()));
            continue;
        }
        let expanded = expand(&file.defaults, &file.given, row, &mut words);
        tables.extend(expanded.map_err(|detail| wrong(row, detail))?);
    }
    let mut names = BTreeSet::new();
    let mut rows = Vec::new();
    for table in &tables {
        let row = RowFile::of(table, &words)
            .and_then(|row| row.resolve(&base, &file.runtimes))
            .map_err(|detail| wrong(table, detail))?;
        if !names.insert(row.name.clone()) {
            return Err(wrong(table, "two rows have this name".to_owned()));
        }
        rows.push(row);
    }
    Ok(rows)
}

fn name(row: &Table) -> &str {
    let name = row.get("name").and_then(Value::as_str);
    name.unwrap_or("without a name")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    /// Kept for future change; only 1 exists.
    #[serde(rename = "schema")]
    _schema: Schema,
    /// Texts, paths and lists are what they say: nothing is filled in.
    #[serde(default)]
    literal: bool,
    #[serde(default)]
    defaults: Table,
    #[serde(default)]
    given: Given,
    #[serde(default)]
    runtimes: BTreeMap<String, RuntimeFile>,
    #[serde(default)]
    row: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(try_from = "u32")]
struct Schema;

impl TryFrom<u32> for Schema {
    type Error = String;

    fn try_from(version: u32) -> Result<Schema, String> {
        match version {
            1 => Ok(Schema),
            other => Err(format!(
                "schema {other} is not known; this version reads schema 1"
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuntimeFile {
    paths: Vec<String>,
    #[serde(default)]
    preload: Vec<String>,
    program: Option<String>,
    #[serde(default)]
    emulator: Vec<String>,
}

impl RuntimeFile {
    fn other(&self, base: &Base) -> Result<Option<OtherSystem>, String> {
        let Some(program) = &self.program else {
            return match self.emulator.is_empty() {
                true => Ok(None),
                false => Err("`emulator` needs a `program` to run".to_owned()),
            };
        };
        Ok(Some(OtherSystem {
            program: base.path(program)?,
            emulator: self.emulator.clone(),
        }))
    }
}

#[derive(Deserialize)]
struct RowFile {
    name: String,
    model: String,
    kind: Option<Kind>,
    library: String,
    weights: Option<String>,
    folder: Option<String>,
    think: Option<bool>,
    tokenizer: Option<String>,
    get: Option<String>,
    device: DeviceName,
    runtime: String,
    #[serde(default)]
    metal_sim: Simulation,
    #[serde(default)]
    shims: Vec<String>,
    #[serde(default)]
    entry: Entry,
    #[serde(default)]
    schedule: Schedule,
    prefill_chunk: Option<usize>,
    #[serde(default = "sixteen")]
    max_tokens: usize,
    #[serde(default)]
    dims: BTreeMap<String, i64>,
    sampling: Option<TopP>,
    #[serde(default)]
    follow_reference: bool,
    stop: Option<Vec<TokenName>>,
    #[serde(default)]
    warmup: u32,
    #[serde(default = "once")]
    repeat: u32,
    #[serde(default = "two_minutes")]
    time_limit: f64,
    memory_limit_mib: Option<u64>,
    #[serde(default)]
    prompt: Vec<PromptFile>,
    #[serde(default)]
    call: Vec<Call>,
    #[serde(default)]
    similarity: Vec<Similarity>,
    /// Words for placeholders.
    #[serde(flatten)]
    words: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptFile {
    text: Option<String>,
    ask: Option<String>,
    tokens: Option<Vec<i32>>,
    #[serde(default)]
    expect: ExpectFile,
}

fn sixteen() -> usize {
    16
}

fn once() -> u32 {
    1
}

fn two_minutes() -> f64 {
    120.0
}

impl RowFile {
    /// Reads an expanded row. A key that means nothing here must be a word that the
    /// matrix uses.
    fn of(table: &Table, words: &BTreeSet<String>) -> Result<RowFile, String> {
        let row = typed(table).map_err(|message| {
            // The parser forgets which key it was at: it is the one without which it
            // says something else.
            let is_wrong = |key: &&String| {
                let mut rest = table.clone();
                rest.remove(*key);
                typed(&rest).err().as_ref() != Some(&message)
            };
            match table.keys().find(is_wrong) {
                Some(key) => format!("`{key}`: {message}"),
                None => message.clone(),
            }
        })?;
        match row.words.keys().find(|key| !words.contains(*key)) {
            Some(key) => Err(format!("unknown key `{key}`")),
            None => Ok(row),
        }
    }

    fn resolve(self, base: &Base, runtimes: &BTreeMap<String, RuntimeFile>) -> Result<Row, String> {
        self.check()?;
        let runtime = runtime(self.runtime, base, runtimes)?;
        let folder = self.folder.as_deref().map(|f| base.path(f)).transpose()?;
        let folder = folder.map(|folder| chat::weights_folder(&folder));
        let weights = weights(self.weights.as_deref(), folder.as_deref(), base)?;
        let tokenizer = tokenizer(self.tokenizer.as_deref(), folder.as_deref(), base)?;
        let time_limit =
            Duration::try_from_secs_f64(self.time_limit).map_err(|e| format!("time_limit: {e}"))?;
        let memory_limit = self
            .memory_limit_mib
            .map(|m| {
                m.checked_mul(1 << 20)
                    .ok_or("memory_limit_mib is too large")
            })
            .transpose()?;
        let prompts = self
            .prompt
            .into_iter()
            .map(|prompt| prompt.resolve(base, tokenizer.is_some(), folder.is_some()))
            .collect::<Result<Vec<Prompt>, String>>()?;
        let row = Row {
            name: self.name,
            model: self.model,
            kind: self.kind,
            library: base.path(&self.library)?,
            weights,
            tokenizer,
            get: self.get,
            device: self.device,
            runtime,
            simulation: self.metal_sim,
            shims: base.paths(&self.shims)?,
            entry: self.entry,
            schedule: self.schedule,
            prefill_chunk: self.prefill_chunk,
            max_tokens: self.max_tokens,
            dims: self.dims,
            sampling: self.sampling,
            follow_reference: self.follow_reference,
            stop: self.stop,
            folder,
            think: self.think,
            warmup: self.warmup,
            repeat: self.repeat,
            time_limit,
            memory_limit,
            prompts,
            similarity: self.similarity,
            calls: self.call,
        };
        match row.kind {
            Some(kind) => row.fits(kind)?,
            None => row.is_of_one_kind()?,
        }
        Ok(row)
    }

    /// Refuses what would prove nothing, or would be left out without a word.
    fn check(&self) -> Result<(), String> {
        let has_tokenizer = self.tokenizer.is_some() || self.folder.is_some();
        if (self.prompt.is_empty() && self.call.is_empty()) || self.repeat == 0 {
            return Err("needs at least one prompt or call, and one repetition".to_owned());
        }
        if !self.prompt.is_empty() && !self.call.is_empty() {
            return Err(
                "has both `prompt` and `call`: make two rows of it, one with `prompt = []`"
                    .to_owned(),
            );
        }
        let zeros = [
            ("max_tokens", self.max_tokens == 0),
            ("prefill_chunk", self.prefill_chunk == Some(0)),
            ("time_limit", self.time_limit == 0.0),
        ];
        if let Some((key, _)) = zeros.iter().find(|(_, is_zero)| *is_zero) {
            return Err(format!("`{key}` is 0: it must be more"));
        }
        for (number, prompt) in self.prompt.iter().enumerate() {
            let key = format!("prompt[{number}].expect");
            claims::expect(&key, &prompt.expect)?;
            if self.follow_reference {
                claims::followed(&key, &prompt.expect)?;
            }
        }
        for (number, similarity) in self.similarity.iter().enumerate() {
            let key = format!("similarity[{number}]");
            claims::similarity(&key, similarity, self.prompt.len())?;
        }
        self.sampling.as_ref().map_or(Ok(()), claims::sampling)?;
        for (number, call) in self.call.iter().enumerate() {
            claims::arguments(&format!("call[{number}].arguments"), &call.arguments)?;
        }
        for stop in self.stop.iter().flatten() {
            match stop {
                TokenName::Text(text) if text.is_empty() => {
                    return Err("`stop` has an empty text, which is in every answer".to_owned());
                }
                TokenName::Id(token) if *token < 0 => {
                    return Err(format!("`stop` has the token {token}: they count from 0"));
                }
                TokenName::Text(text) if !has_tokenizer => {
                    return Err(format!(
                        "`stop` has the text `{text}`: text needs a `tokenizer`"
                    ));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The keys that have a meaning, with values of the types that they take.
fn typed(row: &Table) -> Result<RowFile, String> {
    let row: Result<RowFile, toml::de::Error> = Value::Table(row.clone()).try_into();
    row.map_err(|error| error.message().to_owned())
}

/// The runtime of a row, by its name.
fn runtime(
    name: String,
    base: &Base,
    runtimes: &BTreeMap<String, RuntimeFile>,
) -> Result<RuntimeSpec, String> {
    let runtime = runtimes.get(&name).ok_or_else(|| {
        let known: Vec<&str> = runtimes.keys().map(String::as_str).collect();
        format!(
            "no runtime `{name}`; the matrix defines: {}",
            known.join(", ")
        )
    })?;
    Ok(RuntimeSpec {
        paths: base.paths(&runtime.paths)?,
        preload: base.paths(&runtime.preload)?,
        other: runtime.other(base)?,
        name,
    })
}

/// Where a row's parameters are: what it names, else its model folder.
fn weights(named: Option<&str>, folder: Option<&Path>, base: &Base) -> Result<Source, String> {
    match (named, folder) {
        (Some(weights), _) => match Source::parse(weights)? {
            Source::Directory(_) => Ok(Source::Directory(base.path(weights)?)),
            random => Ok(random),
        },
        (None, Some(folder)) => Ok(Source::Directory(folder.to_owned())),
        (None, None) => Err("needs `weights`, or a `folder` that has them".to_owned()),
    }
}

/// A row's tokenizer: what it names, else that of its model folder.
fn tokenizer(
    named: Option<&str>,
    folder: Option<&Path>,
    base: &Base,
) -> Result<Option<TokenizerSource>, String> {
    Ok(match named.map(TokenizerSource::parse) {
        None => folder.map(|folder| TokenizerSource::File(folder.join("tokenizer.json"))),
        Some(TokenizerSource::File(path)) => {
            Some(TokenizerSource::File(base.path(&path.to_string_lossy())?))
        }
        other => other,
    })
}

impl PromptFile {
    fn resolve(self, base: &Base, has_tokenizer: bool, has_folder: bool) -> Result<Prompt, String> {
        let expect: Expect = self.expect.resolve(|path| base.path(path))?;
        let given = self.tokens.is_some() || self.text.is_some() || self.ask.is_some();
        if !given && expect.reference.is_none() {
            return Err(
                "a prompt needs `ask`, `text`, `tokens` or a reference that has them".to_owned(),
            );
        }
        if self.ask.is_some() && !has_folder {
            return Err("`ask` needs a `folder` with the conversation template".to_owned());
        }
        if !has_tokenizer && (self.text.is_some() || expect.wants_text()) {
            return Err("text needs a `tokenizer`".to_owned());
        }
        Ok(Prompt {
            text: self.text,
            ask: self.ask,
            tokens: self.tokens,
            expect,
        })
    }
}
