//! Installed Python packages, by the `METADATA` of their `dist-info` folder:
//! name, version, and what they require of packages of TVM's family.
//!
//! Any package that requires one of the family counts, whatever its own name:
//! an environment is as sound as what its packages ask of each other.

use std::collections::BTreeSet;
use std::str::FromStr;

use pep440_rs::VersionSpecifiers;
use serde::Serialize;

use super::ffi_version::{RefusedClass, Version, VersionRange};
use crate::place::Place;

/// TVM's own package.
pub const TVM: &str = "apache-tvm";
/// The package without which none of the family can be imported.
pub const FFI: &str = "apache-tvm-ffi";

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Distribution {
    /// Name with dashes, lower case.
    pub name: String,
    /// Version as written.
    pub version: String,
    /// Requirements on packages of the family.
    pub requires: Vec<Requirement>,
    /// Global functions that importing it registers: from its Python source, or from a
    /// library of its binding where it is tvm-ffi.
    #[serde(skip)]
    pub registers: BTreeSet<String>,
    /// Those that its Python source may register under a name that is computed.
    #[serde(skip)]
    pub may_register: BTreeSet<String>,
    /// Names that its Python files import and the tvm-ffi beside it lacks.
    #[serde(skip)]
    pub lacking: Vec<Lacking>,
    /// The Python file with a class that the installed tvm-ffi refuses, and the class.
    #[serde(skip)]
    pub refused: Option<(String, &'static RefusedClass)>,
}

/// A name that a Python file imports in vain, or an argument that it is called with in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lacking {
    /// The file, below `site-packages`.
    pub file: String,
    /// The module asked, `tvm_ffi.dataclasses`.
    pub module: String,
    /// The name.
    pub name: String,
    /// The argument, where the name is there.
    pub argument: Option<String>,
}

/// A requirement of a package on another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// Package asked for.
    pub name: String,
    /// Specification as written, e.g. `>=0.1.12`; empty for any version.
    pub specification: String,
    /// When it is asked for, e.g. `python_version < "3.14"`; empty for always.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub marker: String,
}

impl Distribution {
    /// Reads a `METADATA` file; `None` if it neither names a package of the
    /// family nor requires one.
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
        let name = name.filter(|name| is_family(name) || !requires.is_empty())?;
        Some(Self {
            name,
            version: version?,
            requires,
            registers: BTreeSet::new(),
            may_register: BTreeSet::new(),
            lacking: Vec::new(),
            refused: None,
        })
    }

    /// Whether the package holds the Python half of TVM.
    pub(crate) fn holds_tvm(&self) -> bool {
        matches!(self.name.as_str(), TVM | "tvm") || self.name.starts_with("mlc-ai")
    }

    /// Whether it is tvm-ffi.
    pub(crate) fn is_ffi(&self) -> bool {
        self.name == FFI
    }

    /// The version as a range, where it has the usual form.
    pub fn range(&self) -> Option<VersionRange> {
        Version::parse(&self.version).map(VersionRange::exactly)
    }

    /// Whether the installed version is one that a requirement takes; `None`
    /// where either is not written as Python's packages write them.
    pub fn meets(&self, requirement: &Requirement) -> Option<bool> {
        requirement.takes(&self.version)
    }
}

impl Requirement {
    /// Whether it takes a version; `None` where that is not known.
    pub(crate) fn takes(&self, version: &str) -> Option<bool> {
        let version = pep440_rs::Version::from_str(version).ok()?;
        let wanted = VersionSpecifiers::from_str(&self.specification).ok()?;
        // What is installed is installed, a version for tests too (pip check says so).
        Some(wanted.contains(&version))
    }
}

/// The `site-packages` folder, or the application, that a file lies in: what is
/// there is one process, or so many of them.
pub(crate) fn environment(part: &Place) -> Option<Place> {
    /// Folders and archives that systems install as one application.
    const APPLICATIONS: [&[u8]; 4] = [b".app", b".apk", b".aab", b".ipa"];
    part.folders().find(|folder| {
        let name = folder.raw_name();
        let mut suffixes = APPLICATIONS.iter();
        matches!(name, b"site-packages" | b"dist-packages")
            || suffixes.any(|suffix| name.len() > suffix.len() && name.ends_with(suffix))
    })
}

/// The Pythons that a package is for, as its `METADATA` says.
pub(crate) fn pythons(metadata: &str) -> Option<Requirement> {
    let mut header = metadata.lines().take_while(|line| !line.is_empty());
    let wanted = header.find_map(|line| line.strip_prefix("Requires-Python:"))?;
    Some(Requirement {
        name: "python".to_owned(),
        specification: wanted.trim().to_owned(),
        marker: String::new(),
    })
}

/// All that a `METADATA` file asks for.
pub(crate) fn required(metadata: &str) -> impl Iterator<Item = Requirement> {
    let header = metadata.lines().take_while(|line| !line.is_empty());
    let required = header.filter_map(|line| line.strip_prefix("Requires-Dist:"));
    required.filter_map(requirement_of_any)
}

/// The package that a requirement asks for, and what follows its name.
fn named(value: &str) -> Option<(String, &str)> {
    let value = value.trim();
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = value.find(|c| !is_of_name(c)).unwrap_or(value.len());
    let (name, rest) = value.split_at_checked(end)?;
    Some((normal(name), rest))
}

/// The Python of a place below `lib/python3.11`: `3.11`.
pub(crate) fn python_of(place: &Place) -> Option<String> {
    place.folders().find_map(|folder| {
        let name = folder.name();
        let (major, minor) = name.strip_prefix("python")?.split_once('.')?;
        let number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        (number(major) && number(minor)).then(|| format!("{major}.{minor}"))
    })
}

/// Whether a folder is the one in which tvm-ffi's package keeps its library.
pub(crate) fn is_ffi_folder(folder: Option<Place>) -> bool {
    let package = folder.filter(|folder| folder.name() == "lib");
    let package = package.and_then(|folder| folder.folder());
    package.is_some_and(|package| package.name() == "tvm_ffi")
}

/// TVM itself, tvm-ffi, their companions and forks (`apache-tvm-tirx`,
/// `jax-tvm-ffi`), and mlc-llm's packages.
pub(crate) fn is_family(name: &str) -> bool {
    name.split('-').any(|word| word == "tvm")
        || ["mlc-ai", "mlc-llm"].iter().any(|family| {
            name.strip_prefix(family)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
}

/// Lower case, with one dash for each run of dashes, dots and underscores.
pub(crate) fn normal(name: &str) -> String {
    let name = name.trim().to_ascii_lowercase();
    let words: Vec<&str> = name
        .split(['-', '_', '.'])
        .filter(|word| !word.is_empty())
        .collect();
    words.join("-")
}

/// `apache-tvm-ffi[cpp] (>=0.1.12) ; python_version < "3.14"`, if it asks for a
/// package of the family. One that names an address asks for no version.
fn requirement(value: &str) -> Option<Requirement> {
    requirement_of_any(value).filter(|required| is_family(&required.name))
}

fn requirement_of_any(value: &str) -> Option<Requirement> {
    let (name, rest) = named(value)?;
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('[') {
        Some(extras) => extras.split_once(']')?.1,
        None => rest,
    };
    let (specification, marker) = rest.split_once(';').unwrap_or((rest, ""));
    let specification = match specification.trim_start().starts_with('@') {
        true => "",
        false => specification.trim().trim_matches(['(', ')']).trim(),
    };
    Some(Requirement {
        name,
        specification: specification.to_owned(),
        marker: marker.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Option<(String, String, String)> {
        requirement(line).map(|found| (found.name, found.specification, found.marker))
    }

    #[test]
    fn requirements_on_the_family_are_kept() {
        let text = "Metadata-Version: 2.4\nName: apache_tvm\nVersion: 0.25.0\nRequires-Dist: apache-tvm-ffi>=0.1.12\nRequires-Dist: numpy\nRequires-Dist: apache-tvm-ffi; extra == \"x\"\n\nName: readme\n";
        let package = Distribution::parse(text).expect("a package of the family");
        assert_eq!(package.name, "apache-tvm");
        assert_eq!(package.version, "0.25.0");
        let kept: Vec<(&str, &str)> = package
            .requires
            .iter()
            .map(|kept| (kept.specification.as_str(), kept.marker.as_str()))
            .collect();
        assert_eq!(kept, [(">=0.1.12", ""), ("", "extra == \"x\"")]);
        assert_eq!(Distribution::parse("Name: numpy\nVersion: 2\n"), None);
    }

    #[test]
    fn whoever_requires_the_family_counts() {
        let text = "Name: tilelang\nVersion: 0.1.12\nRequires-Dist: apache-tvm-ffi<=0.1.11,>=0.1.10\nRequires-Dist: torch\n";
        let package = Distribution::parse(text).expect("it asks for tvm-ffi");
        assert!(!package.holds_tvm());
        assert_eq!(package.requires.len(), 1);
        assert_eq!(
            Distribution::parse("Name: hktvmall\nVersion: 1\nRequires-Dist: torch\n"),
            None
        );
    }

    #[test]
    fn requirements_are_read_in_every_spelling() {
        let some = |name: &str, specification: &str, marker: &str| {
            Some((name.to_owned(), specification.to_owned(), marker.to_owned()))
        };
        for (line, expected) in [
            (
                " apache_tvm.ffi ( >=0.1.2,~=0.1.0 ) ",
                some("apache-tvm-ffi", ">=0.1.2,~=0.1.0", ""),
            ),
            ("jax-tvm-ffi!=0.1.3", some("jax-tvm-ffi", "!=0.1.3", "")),
            (
                "apache-tvm-ffi[cpp]>=0.1; extra == 'a'",
                some("apache-tvm-ffi", ">=0.1", "extra == 'a'"),
            ),
            (
                "apache-tvm @ https://example.org/a.whl ; os_name == 'nt'",
                some("apache-tvm", "", "os_name == 'nt'"),
            ),
            ("mlc-ai-nightly-cpu", some("mlc-ai-nightly-cpu", "", "")),
            ("mlc-aid", None),
            ("apache-tvm[", None),
            ("", None),
        ] {
            assert_eq!(asked(line), expected, "{line}");
        }
    }

    #[test]
    fn versions_are_compared_as_python_does() {
        let installed = |version: &str| Distribution {
            name: "apache-tvm-ffi".into(),
            version: version.into(),
            requires: Vec::new(),
            registers: BTreeSet::new(),
            may_register: BTreeSet::new(),
            lacking: Vec::new(),
            refused: None,
        };
        let wanted = |specification: &str| Requirement {
            name: "apache-tvm-ffi".into(),
            specification: specification.into(),
            marker: String::new(),
        };
        for (version, specification, expected) in [
            ("0.1.12", "<=0.1.11,>=0.1.10", Some(false)),
            ("0.1.11", "<=0.1.11,>=0.1.10", Some(true)),
            ("0.1.15.post2", ">=0.1.2,~=0.1.0", Some(true)),
            ("0.2.0", "~=0.1.0", Some(false)),
            ("0.1.3", "!=0.1.3", Some(false)),
            ("0.1.13.post2", ">=0.1.14.post0", Some(false)),
            ("0.1.14rc2", ">=0.1.14", Some(false)),
            ("0.1.12", "==0.1.*", Some(true)),
            ("0.1.12", "", Some(true)),
            ("0.1.12", "newest", None),
            ("unknown", ">=1", None),
        ] {
            let met = installed(version).meets(&wanted(specification));
            assert_eq!(met, expected, "{version} for {specification}");
        }
    }
}
