//! The documents that stand beside model libraries: mlc-llm's configurations
//! and the index of the weights, with what the shards on disk look like.
//!
//! Read, never followed outside their folder; hostile JSON is a fact like any other.

use std::fs::File;
use std::io::Read;
use std::path::{Component, Path};

use serde::Serialize;
use serde_json::Value as Json;

use crate::place::Place;

/// Bytes of a document that are read; indexes of large models stay far below.
const MAX_DOCUMENT: u64 = 16 << 20;

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentKind {
    /// `mlc-chat-config.json`.
    ChatConfig,
    /// `mlc-app-config.json`.
    AppConfig,
    /// `mlc-package-config.json`.
    PackageConfig,
    /// `tensor-cache.json`: the index since 0.22.
    TensorIndex,
    /// `ndarray-cache.json`: the index before 0.22.
    OldTensorIndex,
}

/// One document.
#[derive(Debug, Clone, Serialize)]
pub struct Document {
    /// Where it lies.
    pub path: Place,
    /// What it is.
    pub kind: DocumentKind,
    /// Its content, or why there is none.
    pub content: Result<Json, String>,
    /// Weight files an index names.
    pub shards: Vec<WeightShard>,
}

/// A weight file that an index names.
#[derive(Debug, Clone, Serialize)]
pub struct WeightShard {
    /// Name in the index.
    pub name: String,
    /// Size in the index.
    pub stated: Option<u64>,
    /// Size on disk; `None` where there is no such file.
    pub actual: Option<u64>,
    /// MD5 in the index and on disk, where both were asked for and differ.
    pub checksum_differs: Option<(String, String)>,
}

impl DocumentKind {
    /// The kind that a file's name stands for.
    pub fn of(path: &Path) -> Option<Self> {
        match path.file_name()?.to_str()? {
            "mlc-chat-config.json" => Some(Self::ChatConfig),
            "mlc-app-config.json" => Some(Self::AppConfig),
            "mlc-package-config.json" => Some(Self::PackageConfig),
            "tensor-cache.json" => Some(Self::TensorIndex),
            "ndarray-cache.json" => Some(Self::OldTensorIndex),
            _ => None,
        }
    }

    /// Whether it is an index of weights.
    pub(crate) fn is_index(self) -> bool {
        matches!(self, Self::TensorIndex | Self::OldTensorIndex)
    }
}

impl Document {
    /// The content as an object.
    pub fn object(&self) -> Option<&serde_json::Map<String, Json>> {
        self.content.as_ref().ok()?.as_object()
    }
}

/// Reads a document; `None` for files that are none. With `checksums` the
/// shards of an index are read whole.
pub fn read(path: &Path, checksums: bool) -> Option<Document> {
    let kind = DocumentKind::of(path)?;
    let content = parse(path);
    let shards = match &content {
        Ok(index) if kind.is_index() => shards(index, path, checksums),
        _ => Vec::new(),
    };
    Some(Document {
        path: Place::file(path),
        kind,
        content,
        shards,
    })
}

fn parse(path: &Path) -> Result<Json, String> {
    // A FIFO of that name would block.
    if !path.metadata().is_ok_and(|facts| facts.is_file()) {
        return Err(String::from("it is not a regular file"));
    }
    let mut text = Vec::new();
    let most = MAX_DOCUMENT.saturating_add(1);
    let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut text));
    read.map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_DOCUMENT {
        return Err(format!("it is larger than {} MiB", MAX_DOCUMENT >> 20));
    }
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

fn shards(index: &Json, path: &Path, checksums: bool) -> Vec<WeightShard> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let records = index.get("records").and_then(Json::as_array);
    records
        .into_iter()
        .flatten()
        .filter_map(|record| {
            let name = record.get("dataPath")?.as_str()?;
            let file = within(folder, name)?;
            let actual = file
                .metadata()
                .ok()
                .filter(std::fs::Metadata::is_file)
                .map(|facts| facts.len());
            let stated = record.get("md5sum").and_then(Json::as_str);
            let checksum_differs = match stated {
                Some(stated) if checksums && actual.is_some() => differs(&file, stated),
                _ => None,
            };
            Some(WeightShard {
                name: name.to_owned(),
                stated: record.get("nbytes").and_then(Json::as_u64),
                actual,
                checksum_differs,
            })
        })
        .collect()
}

/// A name from an index, if it stays in the index's folder.
fn within(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    let path = Path::new(name);
    let plain = path
        .components()
        .all(|component| matches!(component, Component::Normal(_) | Component::CurDir));
    plain.then(|| folder.join(path))
}

fn differs(file: &Path, stated: &str) -> Option<(String, String)> {
    use md5::Digest;
    let mut hasher = md5::Md5::new();
    let mut file = File::open(file).ok()?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer).ok()?;
        if count == 0 {
            break;
        }
        hasher.update(buffer.get(..count)?);
    }
    let actual = hex::encode(hasher.finalize());
    (actual != stated.to_ascii_lowercase()).then(|| (stated.to_owned(), actual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_whole_or_said_to_be_too_large() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tensor-cache.json");
        let room = usize::try_from(MAX_DOCUMENT).expect("fits") - 2;
        let longest = format!("{{}}{}", " ".repeat(room));
        std::fs::write(&path, &longest).expect("written");
        assert!(parse(&path).is_ok());
        std::fs::write(&path, longest + " ").expect("written");
        let error = parse(&path).expect_err("one byte too many");
        assert!(error.contains("larger than 16 MiB"), "{error}");
    }
}
