//! The tensor index: which shard holds which parameter, and where.
//!
//! Facts: `tensor-cache.json` (until 2025 `ndarray-cache.json`) as mlc-llm
//! writes it: `records` of shards with `dataPath`, `nbytes`, `md5sum`, and in
//! each `records` of tensors with `name`, `shape`, `dtype`, `format`,
//! `nbytes`, `byteOffset`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;

use crate::error::WeightsError;

const NAMES: [&str; 2] = ["tensor-cache.json", "ndarray-cache.json"];

/// A parsed index.
#[derive(Debug)]
pub struct Index {
    /// The shards, in file order.
    pub shards: Vec<ShardRecord>,
}

/// One shard of the index.
#[derive(Debug)]
pub struct ShardRecord {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its MD5 in hexadecimal, where the index states one.
    pub md5: Option<String>,
    tensors: Vec<TensorRecord>,
}

impl ShardRecord {
    /// The record of a tensor in this shard.
    pub fn record(&self, name: &str) -> Option<&TensorRecord> {
        self.tensors.iter().find(|t| t.name == name)
    }
}

/// One tensor of a shard.
#[derive(Clone, Debug, Deserialize)]
pub struct TensorRecord {
    /// Name of the parameter.
    pub name: String,
    /// Dimensions.
    pub shape: Vec<i64>,
    /// Element type once loaded.
    pub dtype: String,
    /// `raw`, or `f32-to-bf16`: stored as bfloat16, loaded as float32.
    #[serde(default = "raw")]
    pub format: String,
    /// Size in the shard.
    pub nbytes: u64,
    /// Offset in the shard.
    #[serde(rename = "byteOffset")]
    pub offset: u64,
}

#[derive(Deserialize)]
struct File {
    records: Vec<FileShard>,
}

#[derive(Deserialize)]
struct FileShard {
    #[serde(rename = "dataPath")]
    data_path: String,
    nbytes: u64,
    #[serde(default)]
    md5sum: Option<String>,
    records: Vec<TensorRecord>,
}

fn raw() -> String {
    "raw".to_owned()
}

impl Index {
    /// Reads the index of a weight directory.
    pub fn read(directory: &Path) -> Result<Index, WeightsError> {
        let path = NAMES
            .iter()
            .map(|name| directory.join(name))
            .find(|path| path.is_file())
            .ok_or_else(|| WeightsError::NoIndex {
                directory: directory.to_owned(),
            })?;
        let bad = |detail: String| WeightsError::BadIndex {
            path: path.clone(),
            detail,
        };
        let text = fs::read_to_string(&path).map_err(|e| bad(e.to_string()))?;
        let file: File = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
        let shards = file
            .records
            .into_iter()
            .map(|shard| {
                // The name comes from a downloaded file: it must stay inside.
                let name = Path::new(&shard.data_path);
                let stays = |c| matches!(c, Component::Normal(_) | Component::CurDir);
                if !name.components().all(stays) {
                    return Err(bad(format!(
                        "dataPath `{}` leaves the directory",
                        name.display()
                    )));
                }
                Ok(ShardRecord {
                    path: directory.join(name),
                    bytes: shard.nbytes,
                    md5: shard
                        .md5sum
                        .filter(|m| !m.is_empty())
                        .map(|m| m.to_lowercase()),
                    tensors: shard.records,
                })
            })
            .collect::<Result<_, _>>()?;
        let index = Index { shards };
        match index.named_twice() {
            Some(detail) => Err(bad(detail)),
            None => Ok(index),
        }
    }

    /// Tools differ in which of two records counts; TVM takes the last.
    fn named_twice(&self) -> Option<String> {
        let mut seen = BTreeMap::new();
        for shard in &self.shards {
            for tensor in &shard.tensors {
                if let Some(first) = seen.insert(&tensor.name, &shard.path) {
                    let name = |path: &Path| {
                        let name = path.file_name().unwrap_or_default();
                        name.to_string_lossy().into_owned()
                    };
                    return Some(format!(
                        "parameter `{}` is named twice, in {} and in {}: which of the two counts depends on the tool; convert the weights again",
                        tensor.name,
                        name(first),
                        name(&shard.path)
                    ));
                }
            }
        }
        None
    }
}
