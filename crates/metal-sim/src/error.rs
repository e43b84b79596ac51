//! What can go wrong before a kernel runs.

use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T> = std::result::Result<T, Error>;

/// Why the simulated device cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A header or library that the plug-in is built against is absent.
    #[error(
        "{what} not found below {}; the simulated Metal device is built against a \
         tvm wheel and its tvm-ffi wheel: name their folder or virtual environment",
        places(.roots)
    )]
    PartMissing {
        /// The file looked for.
        what: &'static str,
        /// Where it was looked for.
        roots: Vec<PathBuf>,
    },
    /// No C++ compiler was found.
    #[error(
        "no C++ compiler for kernels: set CXX to a clang++ or g++ with C++20 and _Float16, or install one (tried: {tried})"
    )]
    NoCompiler {
        /// The commands tried.
        tried: String,
    },
    /// The compiler rejected the plug-in.
    #[error("{compiler} failed on {file}: {output}")]
    Compile {
        /// The compiler's command.
        compiler: String,
        /// The source it worked on.
        file: String,
        /// The end of what it printed.
        output: String,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The report of a run is not what the plug-in writes.
    #[error("the simulated device's report is not readable: {0}")]
    Report(#[from] serde_json::Error),
    /// A Mach-O library that the host-code emulator cannot take.
    #[cfg(feature = "macho-host")]
    #[error(transparent)]
    MachO(#[from] crate::macho::MachOError),
}

fn places(roots: &[PathBuf]) -> String {
    let names: Vec<String> = roots.iter().map(|r| r.display().to_string()).collect();
    names.join(", ")
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { path, source }
    }
}
