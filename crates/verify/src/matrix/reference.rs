//! Reference values from an independent computation (see `corpus/reference/`).

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A case in a reference file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceName {
    /// The file.
    pub file: PathBuf,
    /// The case.
    pub case: String,
}

/// One case of a reference file.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Case {
    /// The prompt's tokens.
    pub prompt: Vec<i32>,
    /// Greedy tokens.
    #[serde(default)]
    pub tokens: Vec<i32>,
    /// Distance of each greedy token's logit from the second, where stated.
    #[serde(default)]
    pub margins: Vec<f32>,
    /// Logits after the prompt.
    #[serde(default)]
    pub first_logits: Vec<f32>,
    /// Logits from which the last token was chosen.
    #[serde(default)]
    pub last_logits: Vec<f32>,
    /// The embedding.
    #[serde(default)]
    pub embedding: Vec<f32>,
}

#[derive(Deserialize)]
struct File {
    cases: BTreeMap<String, Case>,
}

/// Reads one case.
pub fn read(name: &ReferenceName) -> Result<Case> {
    let text = fs::read_to_string(&name.file).map_err(Error::io(&name.file))?;
    let malformed = |detail: String| Error::Malformed {
        path: name.file.clone(),
        detail,
    };
    let mut file: File = serde_json::from_str(&text).map_err(|e| malformed(e.to_string()))?;
    file.cases
        .remove(&name.case)
        .ok_or_else(|| malformed(format!("no case `{}`", name.case)))
}
