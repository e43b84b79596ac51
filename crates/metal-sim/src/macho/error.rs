//! Why a Mach-O library cannot be run here.

/// The result of this module's functions.
pub type Result<T> = std::result::Result<T, MachOError>;

/// A Mach-O library that the host-code emulator cannot take, or a failed call.
#[derive(Debug, thiserror::Error)]
pub enum MachOError {
    /// The bytes are not what the format asks for.
    #[error("Mach-O: {0}")]
    Malformed(String),
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
    /// A library that another one asks for is not there. dyld's words.
    #[error("Library not loaded: {name}\n  Referenced from: {from}\n  Reason: tried: {tried}")]
    LibraryNotLoaded {
        /// The name that is asked for.
        name: String,
        /// The library that asks.
        from: String,
        /// Where it was looked for.
        tried: String,
    },
    /// A library does not have what another one binds to it. dyld's words.
    #[error("Symbol not found: {symbol}\n  Referenced from: {from}\n  Expected in: {expected}")]
    SymbolNotFound {
        /// The symbol, with its leading underscore.
        symbol: String,
        /// The library that asks.
        from: String,
        /// The library that should have it.
        expected: String,
    },
    /// No loaded library has what one asks of any. dyld's words.
    #[error("symbol not found in flat namespace '{symbol}'")]
    NotInFlatNamespace {
        /// The symbol, with its leading underscore.
        symbol: String,
    },
    /// The stand-in for the system's libraries could not be built.
    #[error("the stand-in for macOS's {what} cannot be built: {why}")]
    Build {
        /// The library.
        what: &'static str,
        /// What the compiler said.
        why: String,
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

impl From<object::Error> for MachOError {
    fn from(error: object::Error) -> MachOError {
        MachOError::Malformed(error.to_string())
    }
}

pub fn malformed<T>(what: impl Into<String>) -> Result<T> {
    Err(MachOError::Malformed(what.into()))
}
