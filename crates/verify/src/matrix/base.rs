//! Paths in a matrix file: relative to it, with environment variables.

use std::path::{Path, PathBuf};

/// What relative paths begin at.
pub(super) struct Base {
    directory: PathBuf,
    /// No variables: paths mean what they say.
    literal: bool,
}

impl Base {
    pub(super) fn of(matrix: &Path, literal: bool) -> Base {
        let absolute = std::path::absolute(matrix).unwrap_or_else(|_| matrix.to_owned());
        Base {
            directory: absolute.parent().map(Path::to_owned).unwrap_or_default(),
            literal,
        }
    }

    pub(super) fn path(&self, text: &str) -> Result<PathBuf, String> {
        if self.literal {
            return Ok(self.directory.join(text));
        }
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}`: `${{` without `}}`"))?;
            expanded.push_str(before);
            expanded.push_str(&variable(name));
            rest = after;
        }
        expanded.push_str(rest);
        Ok(self.directory.join(expanded))
    }

    pub(super) fn paths(&self, texts: &[String]) -> Result<Vec<PathBuf>, String> {
        texts.iter().map(|text| self.path(text)).collect()
    }
}

/// The value of a variable. One that is not set stays as it is written, so that
/// the report of the missing file shows what to set.
fn variable(name: &str) -> String {
    if let Some(value) = std::env::var_os(name) {
        return value.to_string_lossy().into_owned();
    }
    let home = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = home("XDG_CACHE_HOME").or_else(|| home("HOME").map(|h| h.join(".cache")));
    match (name, cache) {
        ("ARTCHECK_PARTS", Some(cache)) => cache
            .join("artcheck")
            .join("parts")
            .to_string_lossy()
            .into_owned(),
        _ => format!("${{{name}}}"),
    }
}
