//! Why a source patch could not be made. Each message says where and what to do.

use std::path::PathBuf;

use artcheck_inspect::source::Spelled as _;

use crate::io_error::IoError;

/// An error of `patch source`. Nothing was changed when one is returned.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No `attn_backend.cc` at or below the folder.
    #[error(
        "{dir}: no TVM sources here: found no src/runtime/vm/attn_backend.cc and no \
         src/runtime/relax_vm/attn_backend.cc below it; give a TVM or relax checkout of 0.20 or \
         later, or the folder of an installed wheel"
    )]
    NoTree {
        /// The folder searched.
        dir: PathBuf,
    },
    /// Several trees below the folder.
    #[error("{}: holds several TVM trees, name one of them: {trees}", dir.spelled())]
    SeveralTrees {
        /// The folder searched.
        dir: PathBuf,
        /// Their roots, comma separated.
        trees: String,
    },
    /// A needed file of the tree is absent.
    #[error("{}: expected {path}, which is not there; the tree is incomplete", root.spelled())]
    MissingFile {
        /// Root of the tree.
        root: PathBuf,
        /// The absent file.
        path: String,
    },
    /// A converter function is absent.
    #[error(
        "{path}: could not find a definition of {function}; this file has a shape that is not \
         known (0.20 to 0.27 are), so nothing was changed"
    )]
    FunctionNotFound {
        /// The file.
        path: String,
        /// The function looked for.
        function: &'static str,
    },
    /// A converter function is there but does something else.
    #[error(
        "{path}:{line}: {function}: expected one `if (name == \"tirx\")` or `if (name == \
         \"tir\")`, found {found}; nothing was changed"
    )]
    UnknownShape {
        /// The file.
        path: String,
        /// Line of the function.
        line: usize,
        /// The function.
        function: &'static str,
        /// What is there instead.
        found: String,
    },
    /// The header does not declare `DeviceAPI` as known.
    #[error("{path}: could not find {what} of class DeviceAPI; nothing was changed")]
    UnknownHeader {
        /// The header.
        path: String,
        /// What was looked for.
        what: &'static str,
    },
    /// A file of our name exists with other content.
    #[error(
        "{path}: exists and is not what this patch would write, and lacks {missing}; move it \
         away or finish it by hand"
    )]
    ForeignFile {
        /// The file.
        path: String,
        /// The first function it lacks.
        missing: &'static str,
    },
    /// The build neither globs nor lists the runtime sources.
    #[error(
        "{path}: neither a glob src/runtime/*.cc nor a line src/runtime/device_api.cc (or \
         c_runtime_api.cc) was found, so it is not known how to add src/runtime/device_c_api.cc \
         to the build; nothing was changed"
    )]
    UnknownBuild {
        /// The build file.
        path: String,
    },
    /// A source file is not UTF-8.
    #[error("{}: byte {offset} is not UTF-8; expected a text file", path.spelled())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Offset of the first bad byte.
        offset: usize,
    },
    /// A file changed between reading and writing.
    #[error("{}: changed while the patch was made; run the command again", path.spelled())]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] IoError),
}
