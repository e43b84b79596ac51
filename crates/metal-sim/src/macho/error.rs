//! Why a Mach-O library cannot be run here.

/// The result of this module's functions.
pub type Result<T> = std::result::Result<T, MachOError>;

/// A Mach-O library that the host-code emulator cannot take, or a failed call.
#[derive(Debug, thiserror::Error)]
pub enum MachOError {
    /// The bytes are not what the format asks for.
    #[error("Mach-O, byte {offset:#x}: {what}")]
    Malformed {
        /// Where in the file.
        offset: u64,
        /// What is wrong, and what was expected.
        what: String,
    },
    /// Well-formed, but of a kind that is not emulated.
    #[error("Mach-O: {0} is not emulated")]
    Unsupported(String),
    /// There is no module blob to load.
    #[error(
        "the library has no symbol `__tvm_ffi__library_bin`: not a model library of TVM 0.22 or later"
    )]
    NoBlob,
    /// The emulated code did what it must not.
    #[error("emulated host code of `{function}` stopped at {at}: {what}")]
    Stopped {
        /// The function that the runtime called.
        function: String,
        /// Where, as symbol and offset if known.
        at: String,
        /// The emulator's word.
        what: String,
    },
    /// The emulator itself failed.
    #[error("the emulator failed: {0}")]
    Emulator(String),
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
}

pub fn malformed<T>(offset: u64, what: impl Into<String>) -> Result<T> {
    Err(MachOError::Malformed {
        offset,
        what: what.into(),
    })
}
