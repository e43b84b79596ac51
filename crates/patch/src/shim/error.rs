//! Why a shim could not be made. Each message says what to do about it.

use std::path::PathBuf;

use artcheck_inspect::source::Spelled as _;

use crate::io_error::IoError;

/// An error of `patch shim`. The output file is untouched when one is returned.
#[derive(Debug, thiserror::Error)]
pub enum ShimError {
    /// No part was asked for.
    #[error(
        "no part was chosen; name some of device-api, attention-tag, cache-config, \
         context-slots, metal-payload"
    )]
    NoParts,
    /// The place of the library is taken.
    #[error("{} exists and is not a shim that artcheck built: choose another --out", path.spelled())]
    Taken {
        /// The file.
        path: PathBuf,
    },
    /// A part's name is not known.
    #[error(
        "{name:?} is not a part of the shim; expected device-api, attention-tag, cache-config, \
         context-slots or metal-payload"
    )]
    UnknownPart {
        /// The name given.
        name: String,
    },
    /// A target's name is not known.
    #[error(
        "{name:?} is not a target of the shim; expected x86_64-linux, aarch64-linux or aarch64-macos"
    )]
    UnknownTarget {
        /// The name given.
        name: String,
    },
    /// A library of the runtime was not found.
    #[error("{searched}: found no {what}; add the folder or file that has it to the runtime paths")]
    MissingLibrary {
        /// What was looked for.
        what: String,
        /// The paths searched, comma separated.
        searched: String,
    },
    /// The runtime is one for Windows.
    #[error(
        "{searched}: this is a runtime for Windows, and no shim can be built for it; take a runtime that has what is asked for"
    )]
    Windows {
        /// The paths searched, comma separated.
        searched: String,
    },
    /// Several libraries fit.
    #[error("several libraries could be {what}: {found}; name the one that your program loads")]
    SeveralLibraries {
        /// What was looked for.
        what: String,
        /// The candidates, comma separated.
        found: String,
    },
    /// A library is not readable as one.
    #[error("{}: {reason}", path.spelled())]
    BadLibrary {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The libraries are for another target.
    #[error("{}: is a library for {found}, but the shim is for {wanted}", path.spelled())]
    WrongTarget {
        /// The file.
        path: PathBuf,
        /// What it is for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The runtime is too old for a part.
    #[error(
        "{path}: does not export {symbol}, so this is not a tvm-ffi of 0.1.0 or later (TVM 0.22); \
         libraries and runtimes before that call functions in another way and no shim can bridge it"
    )]
    TooOld {
        /// The library.
        path: PathBuf,
        /// The function it lacks.
        symbol: &'static str,
    },
    /// Headers for the device-api part are absent.
    #[error(
        "{searched}: found no header {header}; the part device-api is compiled against the \
         runtime's own headers, which the wheels and checkouts of TVM have in include/"
    )]
    MissingHeader {
        /// The header.
        header: &'static str,
        /// The paths searched, comma separated.
        searched: String,
    },
    /// The header of the device API has another shape.
    #[error(transparent)]
    Header(#[from] crate::source::SourceError),
    /// No compiler can build the shim.
    #[error(
        "no C++ compiler that can build {what} for {target}{tried}\n{install}; or name one in CXX"
    )]
    NoCompiler {
        /// The parts.
        what: String,
        /// The target.
        target: String,
        /// One line per compiler tried, each beginning on a new line.
        tried: String,
        /// What to install.
        install: &'static str,
    },
    /// The compiler failed on the real source.
    #[error(
        "{compiler} could not build the shim ({status}); its source is {source_file}\n{stderr}"
    )]
    CompileFailed {
        /// The command's name.
        compiler: String,
        /// Its exit status.
        status: String,
        /// The emitted source, kept for reading.
        source_file: PathBuf,
        /// What it printed.
        stderr: String,
    },
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] IoError),
}
