//! Versions of tvm-ffi: comparison, what the exports of a library say, and
//! pairs that are known to break (docs/formats.md#tvm-ffi; `data/ffi_pairs.toml`).
//!
//! `TVMFFIGetVersion` is not asked: it reports one patch too many after every
//! post release.

use std::fmt;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// A version as tvm-ffi writes it: `0.1.13`, `0.1.13.post2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Version {
    /// Major, minor, patch.
    pub release: [u64; 3],
    /// 0 for none, otherwise the number of the post release plus one.
    pub post: u64,
}

impl Version {
    /// Reads `0.1.13`, `0.1.13.post2`, `0.26`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut release = [0u64; 3];
        let mut post = 0;
        for (index, part) in text.trim().split('.').enumerate() {
            if let Some(number) = part.strip_prefix("post") {
                post = number.parse::<u64>().ok()?.checked_add(1)?;
            } else if post == 0 {
                *release.get_mut(index)? = part.parse().ok()?;
            } else {
                return None;
            }
        }
        Some(Self { release, post })
    }

    /// The first version after this one.
    fn next(self) -> Self {
        Self {
            post: self.post.saturating_add(1),
            ..self
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.release;
        write!(f, "{major}.{minor}.{patch}")?;
        match self.post.checked_sub(1) {
            Some(post) => write!(f, ".post{post}"),
            None => Ok(()),
        }
    }
}

/// A half-open range of versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct VersionRange {
    /// First version inside; unbounded if absent.
    pub least: Option<Version>,
    /// First version above; unbounded if absent.
    pub below: Option<Version>,
}

impl VersionRange {
    /// Only this version.
    pub fn exactly(version: Version) -> Self {
        Self {
            least: Some(version),
            below: Some(version.next()),
        }
    }

    /// The only version inside, where there is only one.
    pub fn exact(&self) -> Option<Version> {
        self.least.filter(|least| self.below == Some(least.next()))
    }

    /// Reads `>=0.1.13, <0.1.13.post1`; `==` too. `None` for other operators.
    pub fn parse(text: &str) -> Option<Self> {
        let mut range = Self::default();
        for term in text.split(',').map(str::trim) {
            let one = if let Some(version) = term.strip_prefix(">=") {
                Self {
                    least: Some(Version::parse(version)?),
                    below: None,
                }
            } else if let Some(version) = term.strip_prefix("==") {
                Self::exactly(Version::parse(version)?)
            } else {
                Self {
                    least: None,
                    below: Some(Version::parse(term.strip_prefix('<')?)?),
                }
            };
            range.least = range.least.max(one.least);
            range.below = match (range.below, one.below) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        Some(range)
    }

    /// Whether every version of `self` lies in `other`.
    pub(crate) fn is_inside(&self, other: &Self) -> bool {
        let low = match (self.least, other.least) {
            (_, None) => true,
            (Some(own), Some(limit)) => own >= limit,
            (None, Some(_)) => false,
        };
        let high = match (self.below, other.below) {
            (_, None) => true,
            (Some(own), Some(limit)) => own <= limit,
            (None, Some(_)) => false,
        };
        low && high
    }

    /// Whether no version of `self` lies in `other`.
    pub(crate) fn is_outside(&self, other: &Self) -> bool {
        let before = matches!((self.below, other.least), (Some(own), Some(limit)) if own <= limit);
        let after = matches!((self.least, other.below), (Some(own), Some(limit)) if own >= limit);
        before || after
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.below) {
            (Some(least), Some(below)) if below == least.next() => write!(f, "{least}"),
            (Some(least), Some(below)) => write!(f, ">={least}, <{below}"),
            (Some(least), None) => write!(f, ">={least}"),
            (None, Some(below)) => write!(f, "<{below}"),
            (None, None) => f.write_str("any"),
        }
    }
}

/// C functions that came after 0.1.0 and the version that brought them.
const MARKERS: [(&str, &str); 5] = [
    ("0.1.5", "TVMFFIHandleInitOnce"),
    ("0.1.6", "TVMFFITensorCreateUnsafeView"),
    ("0.1.8", "TVMFFIErrorCreateWithCauseAndExtraContext"),
    ("0.1.13", "TVMFFIGetCustomAllocator"),
    ("0.1.14", "TVMFFIBigIntFromByteArray"),
];

/// What the exports of a libtvm_ffi say of its version.
pub(crate) fn by_exports(exports: impl Fn(&str) -> bool) -> VersionRange {
    let mut range = VersionRange {
        least: Version::parse("0.1.0"),
        below: None,
    };
    for (version, symbol) in MARKERS {
        let version = Version::parse(version);
        if exports(symbol) {
            range.least = version;
        } else {
            range.below = version;
            break;
        }
    }
    range
}

/// `json::Stringify` with its `Optional<int>` by value and by reference.
const STRINGIFY_BY_VALUE: [&str; 2] = [
    "_ZN3tvm3ffi4json9StringifyERKNS0_3AnyENS0_8OptionalIivEE",
    "?Stringify@json@ffi@tvm@@YA?AVString@23@AEBVAny@23@V?$Optional@HX@23@@Z",
];
const STRINGIFY_BY_REFERENCE: [&str; 2] = [
    "_ZN3tvm3ffi4json9StringifyERKNS0_3AnyERKNS0_8OptionalIivEE",
    "?Stringify@json@ffi@tvm@@YA?AVString@23@AEBVAny@23@AEBV?$Optional@HX@23@@Z",
];

/// What the undefined C++ symbols of a library say of the tvm-ffi it was built
/// with.
pub(crate) fn by_imports<'a>(undefined: impl IntoIterator<Item = &'a str>) -> VersionRange {
    let turn = Version::parse("0.1.13");
    let mut range = VersionRange::default();
    for name in undefined {
        if STRINGIFY_BY_VALUE.contains(&name) {
            range.below = turn;
        } else if STRINGIFY_BY_REFERENCE.contains(&name) {
            range.least = turn;
        }
    }
    range
}

/// A pair of versions that is known to break.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownBadPair {
    /// Stable name.
    pub id: String,
    /// Versions the library was built with.
    pub built_with: String,
    /// Versions it meets.
    pub runs_with: String,
    /// Nothing is reported at load.
    pub silent: bool,
    /// What happens.
    pub effect: String,
    /// What changed in between.
    pub why: String,
}

const TABLE: &str = include_str!(concat!(env!("OUT_DIR"), "/ffi_pairs.json"));

/// A release's compiler and a tvm-ffi that are known to crash when something is compiled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrashingCompiler {
    /// The release.
    pub release: String,
    /// Versions of tvm-ffi.
    pub runs_with: String,
    /// What happens.
    pub effect: String,
    /// What changed.
    pub why: String,
    /// The version to install.
    pub instead: String,
}

/// A class of a package that the Python half of some tvm-ffi refuses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedClass {
    /// The type that it is registered for.
    #[serde(rename = "type")]
    pub key: String,
    /// What it must say for itself to be taken.
    pub attribute: String,
    /// Versions of tvm-ffi.
    pub runs_with: String,
    /// What changed.
    pub why: String,
    /// The versions to install.
    pub instead: String,
}

#[derive(Default, Deserialize)]
struct Table {
    pair: Vec<KnownBadPair>,
    compiler: Vec<CrashingCompiler>,
    class: Vec<RefusedClass>,
}

fn table() -> &'static Table {
    static READ: LazyLock<Table> =
        LazyLock::new(|| serde_json::from_str(TABLE).unwrap_or_default());
    &READ
}

/// The built-in table of pairs.
pub(crate) fn known_bad_pairs() -> &'static [KnownBadPair] {
    &table().pair
}

/// What is known of a release's compiler on a tvm-ffi.
pub(crate) fn crashing_compiler(
    release: &str,
    runs: &VersionRange,
) -> Option<&'static CrashingCompiler> {
    let mut known = table().compiler.iter();
    known.find(|known| {
        let spec = VersionRange::parse(&known.runs_with);
        known.release == release && spec.is_some_and(|spec| runs.is_inside(&spec))
    })
}

/// The classes that a tvm-ffi of this version refuses.
pub(crate) fn refused_classes(version: &str) -> impl Iterator<Item = &'static RefusedClass> {
    let runs = Version::parse(version).map(VersionRange::exactly);
    table().class.iter().filter(move |class| {
        let spec = VersionRange::parse(&class.runs_with).zip(runs);
        spec.is_some_and(|(spec, runs)| runs.is_inside(&spec))
    })
}

/// The known-bad pairs into which both ranges certainly fall.
pub fn bad_pairs(built: &VersionRange, runs: &VersionRange) -> Vec<&'static KnownBadPair> {
    let inside = |range: &VersionRange, spec: &str| {
        VersionRange::parse(spec).is_some_and(|spec| range.is_inside(&spec))
    };
    known_bad_pairs()
        .iter()
        .filter(|pair| inside(built, &pair.built_with) && inside(runs, &pair.runs_with))
        .collect()
}

/// Versions that a library built with `built` is known not to run with, each
/// range that no other one covers.
pub(crate) fn bad_for(built: Version) -> Vec<&'static str> {
    let built = VersionRange::exactly(built);
    let mut bad: Vec<(&str, VersionRange)> = known_bad_pairs()
        .iter()
        .filter(|pair| {
            VersionRange::parse(&pair.built_with).is_some_and(|spec| built.is_inside(&spec))
        })
        .filter_map(|pair| {
            Some((
                pair.runs_with.as_str(),
                VersionRange::parse(&pair.runs_with)?,
            ))
        })
        .collect();
    bad.sort_unstable();
    bad.dedup();
    let ranges: Vec<VersionRange> = bad.iter().map(|(_, range)| *range).collect();
    bad.retain(|(_, range)| {
        let wider = |other: &VersionRange| other != range && range.is_inside(other);
        !ranges.iter().any(wider)
    });
    bad.into_iter().map(|(text, _)| text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> VersionRange {
        VersionRange::parse(text).expect("a range")
    }

    #[test]
    fn the_pair_table_parses_whole() {
        let table: Table = serde_json::from_str(TABLE).expect("the table parses");
        assert_eq!(table.pair.len(), known_bad_pairs().len());
        for one in &table.compiler {
            let instead = format!("=={}", one.instead);
            let instead = VersionRange::parse(&instead).expect("a version");
            assert!(crashing_compiler(&one.release, &instead).is_none());
            let newest = VersionRange::parse("==0.1.15.post2").expect("a version");
            assert_eq!(crashing_compiler(&one.release, &newest), Some(one));
        }
        let keys = |version| refused_classes(version).map(|class| class.key.as_str());
        assert_eq!(keys("0.1.12").collect::<Vec<_>>(), ["ir.DictAttrs"]);
        assert_eq!(keys("0.1.11").next(), None);
        for pair in &table.pair {
            assert!(
                VersionRange::parse(&pair.built_with).is_some(),
                "{}",
                pair.id
            );
            assert!(
                VersionRange::parse(&pair.runs_with).is_some(),
                "{}",
                pair.id
            );
        }
    }

    #[test]
    fn post_releases_order_after_their_release() {
        let versions = ["0.1.12", "0.1.13", "0.1.13.post0", "0.1.13.post2", "0.1.14"];
        let parsed: Vec<Version> = versions
            .iter()
            .map(|text| Version::parse(text).expect("a version"))
            .collect();
        assert!(parsed.is_sorted());
        for (text, version) in versions.iter().zip(&parsed) {
            assert_eq!(&version.to_string(), text);
        }
        assert_eq!(Version::parse("0.1.x"), None);
        assert_eq!(Version::parse("1.2.3.4"), None);
        assert_eq!(Version::parse(""), None);
    }

    #[test]
    fn pairs_need_certainty_on_both_sides() {
        let ids = |built: &str, runs: &str| -> Vec<&str> {
            bad_pairs(&range(built), &range(runs))
                .iter()
                .map(|pair| pair.id.as_str())
                .collect()
        };
        assert_eq!(
            ids("==0.1.12", "==0.1.15.post2"),
            ["stringify-optional-by-value"]
        );
        assert_eq!(ids("==0.1.13.post2", "==0.1.15.post2"), [""; 0]);
        assert_eq!(
            ids("==0.1.13.post2", "==0.1.13"),
            ["optional-function-pointer"]
        );
        assert_eq!(ids(">=0.1.8, <0.1.13", ">=0.1.8"), [""; 0]);
        assert!(range("==0.1.15.post2").is_inside(&range(">=0.1.14.post0")));
        assert!(range("==0.1.12").is_outside(&range(">=0.1.13.post2")));
    }
}
