//! Profiles kept as JSON: `artcheck runtime PATH --save`, `--runtime FILE`.

use serde::{Deserialize, Serialize};

use super::RuntimeProfile;

/// Name and version of the form; raised when a reader of the old form would
/// misread the new one.
pub const FORMAT: &str = "artcheck-runtime-1";

/// Why a saved profile cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// Not JSON, or not of this shape.
    #[error("not a saved runtime profile: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Another generation of the form.
    #[error(
        "saved runtime profile of form {found}, expected {FORMAT}: save it again with this version"
    )]
    Format {
        /// What the file says.
        found: String,
    },
}

#[derive(Deserialize)]
struct Header {
    format: String,
}

#[derive(Serialize, Deserialize)]
struct Saved<P> {
    format: String,
    profile: P,
}

impl RuntimeProfile {
    /// The profile as JSON that [`RuntimeProfile::from_json`] reads back.
    pub fn to_json(&self) -> Result<String, ProfileError> {
        let saved = Saved {
            format: FORMAT.to_owned(),
            profile: self,
        };
        let mut text = serde_json::to_string_pretty(&saved)?;
        text.push('\n');
        Ok(text)
    }

    /// Reads a saved profile.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let header: Header = serde_json::from_str(text)?;
        if header.format != FORMAT {
            return Err(ProfileError::Format {
                found: header.format,
            });
        }
        let saved: Saved<Self> = serde_json::from_str(text)?;
        Ok(saved.profile)
    }
}
