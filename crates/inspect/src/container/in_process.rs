//! What is known of a file that a program of the scan loads, as far as paths and names tell.

use std::path::PathBuf;

/// A file in the process of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InProcess {
    /// The program.
    pub program: PathBuf,
    /// Where the file's requests lead, by name, as far as they are found.
    pub found: Vec<(String, PathBuf)>,
    /// Of the program itself: libraries of TVM's that are not found, and the files that ask
    /// for them.
    pub lacking: Vec<(PathBuf, String)>,
    /// Files that have the names of libraries of TVM's and that the loader refuses.
    pub refused: Vec<Refused>,
}

/// A file that the loader comes to first for a library, and that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Who asks.
    pub asking: PathBuf,
    /// The name that is asked for.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// The key of what the loader says.
    pub message: &'static str,
}
