//! Installed Python packages, by the `METADATA` of their `dist-info` folder or
//! wheel: name, version, what they require.

use serde::Serialize;

use super::ffi_version::{Version, VersionRange};

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// Name with dashes, lower case.
    pub name: String,
    /// Version as written.
    pub version: String,
    /// Unconditional requirements on TVM packages.
    pub requires: Vec<Requirement>,
}

/// A requirement of a package on another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// Package asked for.
    pub name: String,
    /// Specification as written, e.g. `>=0.1.12`; empty for any version.
    pub specification: String,
}

/// Packages that carry runtime parts.
const FAMILY: [&str; 6] = [
    "apache-tvm",
    "apache-tvm-ffi",
    "mlc-ai",
    "mlc-llm",
    "tvm",
    "mlc-ai-nightly",
];

impl Distribution {
    /// Reads a `METADATA` file; `None` if it names no package of the family.
    pub fn parse(metadata: &str) -> Option<Self> {
        let mut name = None;
        let mut version = None;
        let mut requires = Vec::new();
        // The header ends at the first empty line; the README follows.
        for line in metadata.lines().take_while(|line| !line.is_empty()) {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            match key {
                "Name" => name = Some(normal(value)),
                "Version" => version = Some(value.trim().to_owned()),
                "Requires-Dist" => requires.extend(requirement(value)),
                _ => {}
            }
        }
        let name = name.filter(|name| is_family(name))?;
        Some(Self {
            name,
            version: version?,
            requires,
        })
    }

    /// Whether the package holds the Python half of TVM.
    pub fn holds_tvm(&self) -> bool {
        matches!(self.name.as_str(), "apache-tvm" | "tvm") || self.name.starts_with("mlc-ai")
    }

    /// The version as a range, where it has the usual form.
    pub fn range(&self) -> Option<VersionRange> {
        Version::parse(&self.version).map(VersionRange::exactly)
    }
}

fn is_family(name: &str) -> bool {
    FAMILY.contains(&name)
        || ["mlc-ai-", "mlc-llm-", "apache-tvm-"]
            .iter()
            .any(|start| name.starts_with(start))
}

fn normal(name: &str) -> String {
    name.trim().to_ascii_lowercase().replace(['_', '.'], "-")
}

/// `apache-tvm-ffi>=0.1.12`, without requirements of extras.
fn requirement(value: &str) -> Option<Requirement> {
    let value = value.trim();
    if value.contains(';') {
        return None;
    }
    let end = value
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
        .unwrap_or(value.len());
    let (name, specification) = value.split_at_checked(end)?;
    let name = normal(name);
    is_family(&name).then(|| Requirement {
        name,
        specification: specification
            .trim()
            .trim_matches(['(', ')'])
            .trim()
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_on_the_family_are_kept() {
        let text = "Metadata-Version: 2.4\nName: apache_tvm\nVersion: 0.25.0\nRequires-Dist: apache-tvm-ffi>=0.1.12\nRequires-Dist: numpy\nRequires-Dist: apache-tvm-ffi; extra == \"x\"\n\nName: readme\n";
        let package = Distribution::parse(text).expect("a package of the family");
        assert_eq!(package.name, "apache-tvm");
        assert_eq!(package.version, "0.25.0");
        assert_eq!(
            package.requires,
            [Requirement {
                name: "apache-tvm-ffi".into(),
                specification: ">=0.1.12".into()
            }]
        );
        assert_eq!(Distribution::parse("Name: numpy\nVersion: 2\n"), None);
    }
}
