//! An artifact: everything the rules need to know about one file or archive
//! member, owned and small, so that the bytes behind it can be let go.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::container::{Binary, InZip};
use crate::error::DecodeError;
use crate::module::ModelLibrary;
use crate::parts::PartKind;
use crate::place::Place;
use crate::source;

/// What a file is to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Carries a module blob.
    ModelLibrary,
    /// libtvm_ffi, libtvm_runtime, ...
    RuntimePart,
    /// Uses TVM's symbols: a Rust program, libmlc_llm, a Python extension.
    Client,
    /// An object of an archive whose blob lies in another object.
    LibraryObject,
    /// A binary that has nothing to do with TVM.
    Unrelated,
    /// Could not be read.
    Unreadable,
}

/// Why bytes could not become facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Kind, for the report's wording.
    pub kind: ProblemKind,
    /// One sentence.
    pub detail: String,
    /// Byte offset where known.
    pub offset: Option<u64>,
}

/// Kinds of problems; each has its own advice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProblemKind {
    /// The system refused to open or read it.
    Unreadable,
    /// Zero bytes, or zeros only.
    Empty,
    /// A Git LFS pointer instead of the file.
    LfsPointer,
    /// A web page instead of the file.
    WebPage,
    /// AppleDouble `._` metadata inside an archive.
    AppleDouble,
    /// Header promises more than the file holds, or fields contradict.
    Corrupt,
    /// Bytes that do not decode, and that nothing shows to be TVM's.
    Strange,
    /// A generation or container this tool does not know.
    Unsupported,
    /// An archive or a compression of a kind that is not opened.
    NotOpened,
    /// Several images of containers, of which one runs.
    SeveralImages,
    /// A thin archive names this file and does not hold it.
    ThinArchive,
    /// An archive that is opened here, under a library's name: no loader opens it.
    ArchiveAsLibrary,
    /// The same of a kind that is not opened here either.
    PackedAsLibrary,
    /// A limit was reached (bomb, nesting, size); the rest was not looked at.
    Limit,
    /// An archive member name that escapes the folder it is unpacked to.
    UnsafeName,
    /// A FIFO, socket, device or directory loop: never opened.
    NotAFile,
    /// A text for linkers under a library's name; no loader opens it.
    LinkerScript,
    /// A Mach-O page does not match its hash in the code signature.
    BrokenSignature,
    /// Left packed because nothing in it is asked for.
    NotNeeded,
}

impl ProblemKind {
    /// Whether the artifact may still be healthy for all we know: such a
    /// problem means "could not decide", not "broken".
    pub fn leaves_undecided(self) -> bool {
        matches!(
            self,
            Self::Unreadable
                | Self::Strange
                | Self::Unsupported
                | Self::NotOpened
                | Self::SeveralImages
                | Self::ThinArchive
                | Self::Limit
        )
    }
}

impl Problem {
    /// Bytes that do not decode, or more of them than are read.
    pub(crate) fn of(error: &DecodeError, what: &dyn std::fmt::Display) -> Self {
        let kind = if error.is_limit {
            ProblemKind::Limit
        } else {
            ProblemKind::Corrupt
        };
        Self {
            kind,
            detail: format!("{what}: {error}"),
            offset: Some(error.at),
        }
    }
}

impl From<source::Problem> for Problem {
    fn from(problem: source::Problem) -> Self {
        use source::ProblemKind as Kind;
        let kind = match problem.kind {
            Kind::Unreadable => ProblemKind::Unreadable,
            Kind::NotAFile | Kind::DirectoryLoop => ProblemKind::NotAFile,
            Kind::DamagedArchive => ProblemKind::Corrupt,
            Kind::Bomb | Kind::TooDeep => ProblemKind::Limit,
            // The compiler is no part of any verdict: leaving it packed loses nothing.
            Kind::NotInspected if problem.place.name().contains("tvm_compiler") => {
                ProblemKind::NotNeeded
            }
            Kind::NotInspected => ProblemKind::Limit,
            Kind::UnsafeName => ProblemKind::UnsafeName,
            Kind::SeveralImages => ProblemKind::SeveralImages,
            Kind::ThinArchive => ProblemKind::ThinArchive,
            Kind::NotOpened => ProblemKind::NotOpened,
        };
        Self {
            kind,
            detail: problem.detail,
            offset: None,
        }
    }
}

/// Facts about one file or archive member.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    /// Where it lies.
    pub path: Place,
    /// Bytes.
    pub size: u64,
    /// What it is to us.
    pub role: Role,
    /// Which runtime part, for runtime parts.
    pub part: Option<PartKind>,
    /// Container facts.
    #[serde(serialize_with = "serialize_binary")]
    pub binary: Option<Arc<Binary>>,
    /// How the zip archive around it keeps it.
    #[serde(skip)]
    pub in_zip: Option<InZip>,
    /// Model libraries inside (a system-lib archive object holds one each).
    pub libraries: Libraries,
    /// Kernels of TVM's compiler without a model, as a library of nothing but host code.
    #[serde(skip)]
    pub kernels: Libraries,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

impl Artifact {
    /// Something of which there is only a problem to tell.
    pub(crate) fn unread(path: Place, size: u64, problem: Problem) -> Self {
        Self {
            path,
            size,
            role: Role::Unreadable,
            part: None,
            binary: None,
            in_zip: None,
            libraries: Libraries::default(),
            kernels: Libraries::default(),
            problems: vec![problem],
        }
    }
}

/// The model libraries of an artifact, shared with artifacts that hold the same.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Libraries(Arc<Vec<ModelLibrary>>);

impl Libraries {
    /// Where the list is in memory: equal for lists that are shared.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }
}

impl From<Vec<ModelLibrary>> for Libraries {
    fn from(libraries: Vec<ModelLibrary>) -> Self {
        Self(Arc::new(libraries))
    }
}

impl Deref for Libraries {
    type Target = Vec<ModelLibrary>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for Libraries {
    fn deref_mut(&mut self) -> &mut Self::Target {
        Arc::make_mut(&mut self.0)
    }
}

impl<'a> IntoIterator for &'a Libraries {
    type Item = &'a ModelLibrary;
    type IntoIter = std::slice::Iter<'a, ModelLibrary>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Serialize for Libraries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

fn serialize_binary<S: Serializer>(
    binary: &Option<Arc<Binary>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    binary.as_deref().serialize(serializer)
}
