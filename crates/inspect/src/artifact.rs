//! An artifact: everything the rules need to know about one file or archive
//! member, owned and small, so that the bytes behind it can be let go.

use serde::{Deserialize, Serialize};

use crate::container::Binary;
use crate::module::ModelLibrary;
use crate::parts::PartKind;
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
    /// A Git-LFS pointer instead of the file.
    LfsPointer,
    /// A web page instead of the file.
    WebPage,
    /// AppleDouble `._` metadata inside an archive.
    AppleDouble,
    /// Header promises more than the file holds, or fields contradict.
    Corrupt,
    /// A generation or container this tool does not know.
    Unsupported,
    /// A limit was reached (bomb, nesting, size); the rest was not looked at.
    Limit,
    /// An archive member name that escapes the folder it is unpacked to.
    UnsafeName,
    /// A FIFO, socket, device or directory loop: never opened.
    NotAFile,
    /// A Mach-O page does not match its hash in the code signature.
    BrokenSignature,
    /// Left packed because nothing in it is asked for.
    NotNeeded,
}

impl ProblemKind {
    /// Whether the artifact may still be healthy for all we know: such a
    /// problem means "could not decide", not "broken".
    pub fn leaves_undecided(self) -> bool {
        matches!(self, Self::Unreadable | Self::Unsupported | Self::Limit)
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
            Kind::NotInspected if problem.display.contains("tvm_compiler") => {
                ProblemKind::NotNeeded
            }
            Kind::NotInspected => ProblemKind::Limit,
            Kind::UnsafeName => ProblemKind::UnsafeName,
            Kind::ThinArchive => ProblemKind::Unsupported,
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
    /// Display path; archive members after `!`.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// What it is to us.
    pub role: Role,
    /// Which runtime part, for runtime parts.
    pub part: Option<PartKind>,
    /// Container facts.
    pub binary: Option<Binary>,
    /// Model libraries inside (a system-lib archive object holds one each).
    pub libraries: Vec<ModelLibrary>,
    /// What could not be read.
    pub problems: Vec<Problem>,
}
