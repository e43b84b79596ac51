//! A dotted version, as systems count theirs.

use std::str::FromStr;

use serde::Serialize;

/// A dotted version, compared field by field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Version(pub Vec<u32>);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields = text
            .split('.')
            .map(|field| {
                field
                    .parse::<u32>()
                    .map_err(|_| format!("`{text}` is not a dotted version"))
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self(fields).trimmed())
    }
}

impl Version {
    /// Without zeros at the end: 13.0 and 13 are the same version.
    #[must_use]
    pub(crate) fn trimmed(mut self) -> Self {
        while self.0.len() > 1 && self.0.last() == Some(&0) {
            self.0.pop();
        }
        self
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields: Vec<String> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&fields.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_field() {
        let v = |text: &str| text.parse::<Version>().unwrap();
        assert!(v("2.9") < v("2.34"));
        assert!(v("13") < v("13.1"));
        assert_eq!(v("13.0"), v("13"));
    }
}
