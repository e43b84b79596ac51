//! Which configuration and weights belong to which model library: those in its
//! folder or in `params/` there, or in the folder that mlc-llm names after the same model.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::Path;

use serde_json::Value as Json;

use super::FolderContext;
use crate::artifact::Artifact;
use crate::documents::{Document, DocumentKind};
use crate::module::ModelLibrary;
use crate::module::metadata::{self, Metadata};
use crate::place::Place;

/// A library with what belongs to it.
pub(super) struct Belongings<'a> {
    /// The file.
    pub artifact: &'a Artifact,
    /// The library.
    pub library: &'a ModelLibrary,
    /// What it says of itself.
    pub metadata: Metadata,
    /// Its chat configuration.
    pub chat: Option<&'a Document>,
    /// The index of its weights.
    pub index: Option<&'a Document>,
    /// The index under its other name, where both are there.
    pub other_index: Option<&'a Document>,
}

/// Every library that has metadata and at least one document.
pub(super) fn belongings<'a>(context: &FolderContext<'a>) -> Vec<Belongings<'a>> {
    let folders = Folders::of(context.documents);
    let mut found = Vec::new();
    for artifact in context.artifacts.iter().filter(|a| !a.libraries.is_empty()) {
        let beside = folders.beside(&artifact.path);
        if beside.is_empty() {
            continue;
        }
        let of_kind = |kind| {
            beside
                .iter()
                .copied()
                .find(|document| document.kind == kind)
        };
        let new = of_kind(DocumentKind::TensorIndex);
        let old = of_kind(DocumentKind::OldTensorIndex);
        for library in &artifact.libraries {
            let Ok(blob) = &library.blob else { continue };
            let metadata = library
                .programs(blob)
                .find_map(|(_, executable)| metadata::read(executable).ok());
            if let Some(metadata) = metadata {
                found.push(Belongings {
                    artifact,
                    library,
                    metadata: metadata.metadata,
                    chat: of_kind(DocumentKind::ChatConfig),
                    index: new.or(old),
                    other_index: new.and(old),
                });
            }
        }
    }
    found
}

/// Documents, in the order they were found, by their folder.
struct Folders<'a> {
    documents: &'a [Document],
    by_path: HashMap<&'a Path, Vec<usize>>,
    /// Those in a folder `NAME-MLC`, by that name.
    by_model: HashMap<&'a [u8], Vec<usize>>,
}

impl<'a> Folders<'a> {
    fn of(documents: &'a [Document]) -> Self {
        let mut by_path: HashMap<&Path, Vec<usize>> = HashMap::new();
        let mut by_model: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (index, document) in documents.iter().enumerate() {
            let Some(folder) = document.path.path().parent() else {
                continue;
            };
            by_path.entry(folder).or_default().push(index);
            let name = folder.file_name().map(OsStr::as_encoded_bytes);
            if let Some(model) = name.and_then(|name| name.strip_suffix(b"-MLC")) {
                by_model.entry(model).or_default().push(index);
            }
        }
        Self {
            documents,
            by_path,
            by_model,
        }
    }

    /// Same folder, or `params/` in it; or `NAME-MLC/` for `NAME-<device>.<suffix>`.
    fn beside(&self, artifact: &Place) -> Vec<&'a Document> {
        let file = artifact.path();
        let mut found: BTreeSet<usize> = BTreeSet::new();
        if let Some(folder) = file.parent() {
            for place in [folder, &folder.join("params")] {
                found.extend(self.by_path.get(place).into_iter().flatten());
            }
        }
        let stem = file.file_stem().map_or(&b""[..], OsStr::as_encoded_bytes);
        for (dash, _) in stem.iter().enumerate().filter(|(_, byte)| **byte == b'-') {
            let model = stem.get(..dash).and_then(|name| self.by_model.get(name));
            found.extend(model.into_iter().flatten());
        }
        let found = found.into_iter();
        found
            .filter_map(|index| self.documents.get(index))
            .collect()
    }
}

/// A number of a chat configuration, at the top or in `model_config`.
pub(super) fn number(chat: &Document, key: &str) -> Option<i64> {
    let object = chat.object()?;
    object
        .get(key)
        .and_then(Json::as_i64)
        .or_else(|| object.get("model_config")?.get(key)?.as_i64())
}
