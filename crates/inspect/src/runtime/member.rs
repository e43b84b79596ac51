//! One part of a load set: everything that is asked of it later, owned, so that
//! its bytes can be let go.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;

use super::binary::{self, Registered};
use super::ffi_version::{self, VersionRange};
use super::strings::Exclusion;
use super::{CompilerFile, RuntimeProfile};
use crate::container::{self, Binary, Parsed};
use crate::error::DecodeError;
use crate::limits::MAX_KEPT_NAMES;
use crate::parts::PartKind;
use crate::place::Place;

/// Exported names that are kept of one part; a libtvm up to 0.23 has about
/// fifty thousand, parts of later releases less than two thousand.
const MOST_EXPORTS: usize = 400_000;

/// Names of exports, by the thousand and alike: hashed faster than compared.
pub type Exports = HashSet<String, foldhash::fast::RandomState>;

/// One part of a load set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Where it lies.
    pub path: Place,
    /// What part it is.
    pub kind: PartKind,
    /// What the container says.
    #[serde(skip)]
    pub binary: Binary,
    /// What this part alone accepts and offers.
    #[serde(skip)]
    pub profile: RuntimeProfile,
    /// Exports that other TVM binaries may ask for: C names, and C++ names of
    /// namespace `tvm`.
    #[serde(skip)]
    pub exports: Exports,
    /// tvm-ffi it was built with, as far as its imports say.
    pub built_with: VersionRange,
    /// Whether the registered functions were read from the code, as far as they can be.
    #[serde(skip)]
    pub is_followed: bool,
}

impl Member {
    /// Reads a part. `data` are the binary's own bytes (one slice of a fat
    /// file); `exclude` names ranges that are a model's.
    pub fn read(
        path: &Place,
        kind: PartKind,
        data: &[u8],
        parsed: &Parsed<'_>,
        exclude: &[Exclusion],
        registered: Registered,
    ) -> Result<Self, DecodeError> {
        let exports = exports(data, &parsed.binary)?;
        let unlisted = Self::read_unlisted(path, kind, parsed, exclude, registered);
        Ok(Self {
            exports,
            ..unlisted
        })
    }

    /// The same with no exports listed; [`Member::ask`] adds those that matter.
    pub(crate) fn read_unlisted(
        path: &Place,
        kind: PartKind,
        parsed: &Parsed<'_>,
        exclude: &[Exclusion],
        registered: Registered,
    ) -> Self {
        let undefined = &parsed.binary.undefined;
        Self {
            path: path.clone(),
            profile: profile(path, &kind, parsed, exclude, registered),
            exports: Exports::default(),
            built_with: ffi_version::by_imports(
                undefined.iter().map(|symbol| symbol.name.as_str()),
            ),
            binary: parsed.binary.clone(),
            kind,
            is_followed: registered == Registered::Followed,
        }
    }

    /// Reads from the code what was only read from strings.
    pub fn follow(&mut self, parsed: &Parsed<'_>) {
        self.profile = profile(&self.path, &self.kind, parsed, &[], Registered::Followed);
        self.is_followed = true;
    }

    /// The same part in another place.
    pub fn in_place(&self, place: Place) -> Self {
        let name = place.to_string();
        let profile = RuntimeProfile {
            name: name.clone(),
            parts: vec![name],
            ..self.profile.clone()
        };
        Self {
            path: place,
            profile,
            ..self.clone()
        }
    }

    /// Adds those of `wanted` that the binary's bytes export.
    pub fn ask(&mut self, data: &[u8], wanted: &[&str]) -> Result<(), DecodeError> {
        let defined = container::defines(data, wanted)?;
        let exported = wanted.iter().zip(defined).filter(|(_, defined)| *defined);
        self.exports
            .extend(exported.map(|(name, _)| (*name).to_owned()));
        Ok(())
    }
}

/// What a part at a place says; what a compiler registers is read later.
fn profile(
    path: &Place,
    kind: &PartKind,
    parsed: &Parsed<'_>,
    exclude: &[Exclusion],
    registered: Registered,
) -> RuntimeProfile {
    let mut profile = binary::read(&path.to_string(), kind, parsed, exclude, registered);
    if *kind == PartKind::Compiler {
        let file = CompilerFile::new(path.clone(), parsed.binary.architecture);
        profile.compiler = Some(Arc::new(file));
    }
    profile
}

fn exports(data: &[u8], binary: &Binary) -> Result<Exports, DecodeError> {
    if binary.format == container::Format::Wasm {
        let exports = binary.wasm_exports.iter();
        return Ok(exports.map(|export| export.name.clone()).collect());
    }
    let mut names = Exports::default();
    let mut bytes = 0u64;
    if binary.format == container::Format::Coff {
        let defined = binary.defined.iter().filter(|symbol| symbol.exported);
        return Ok(defined.map(|symbol| symbol.name.clone()).collect());
    }
    container::each_export(data, &mut |name| {
        // C names are few, and a model may ask for what compilers call.
        let is_cxx = matches!(name.first(), Some(b'?' | b'.')) || name.starts_with(b"_Z");
        if !is_cxx || container::mentions_tvm_namespace(name) {
            bytes = bytes.saturating_add(name.len() as u64);
            names.insert(match std::str::from_utf8(name) {
                Ok(name) => name.to_owned(),
                Err(_) => String::from_utf8_lossy(name).into_owned(),
            });
        }
        names.len() < MOST_EXPORTS && bytes < MAX_KEPT_NAMES
    })?;
    if names.len() >= MOST_EXPORTS || bytes >= MAX_KEPT_NAMES {
        let expected =
            format!("fewer than {MOST_EXPORTS} exports of TVM, in {MAX_KEPT_NAMES} bytes");
        return Err(DecodeError::limit(0, expected, "more"));
    }
    Ok(names)
}
