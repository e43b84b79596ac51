//! Which configuration and weights belong to which model library: those in its
//! folder, or in the folder that mlc-llm names after the same model.

use std::path::Path;

use serde_json::Value as Json;

use super::FolderContext;
use crate::artifact::Artifact;
use crate::documents::{Document, DocumentKind};
use crate::module::ModelLibrary;
use crate::module::metadata::{self, Metadata};

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
    let mut found = Vec::new();
    for artifact in context.artifacts {
        let file = artifact.path.split('!').next().unwrap_or(&artifact.path);
        let beside: Vec<&Document> = context
            .documents
            .iter()
            .filter(|document| belongs(document, Path::new(file)))
            .collect();
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
            let metadata = blob
                .executables()
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

/// Same folder; or `NAME-MLC/` for `NAME-<device>.<suffix>`.
fn belongs(document: &Document, file: &Path) -> bool {
    let folder = document.folder();
    if Some(folder) == file.parent() {
        return true;
    }
    let (Some(folder), Some(stem)) = (folder.file_name(), file.file_stem()) else {
        return false;
    };
    let (folder, stem) = (folder.to_string_lossy(), stem.to_string_lossy());
    folder.strip_suffix("-MLC").is_some_and(|model| {
        stem.strip_prefix(model)
            .is_some_and(|rest| rest.starts_with('-'))
    })
}

/// A number of a chat configuration, at the top or in `model_config`.
pub(super) fn number(chat: &Document, key: &str) -> Option<i64> {
    let object = chat.object()?;
    object
        .get(key)
        .and_then(Json::as_i64)
        .or_else(|| object.get("model_config")?.get(key)?.as_i64())
}
