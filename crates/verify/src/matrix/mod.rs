//! The matrix: a TOML file that lists rows, one model on one runtime and device each.
//!
//! [`file`] reads the TOML and refuses keys it does not know; [`row`] is the
//! resolved row that a child process gets; [`expect`] is what the answers are
//! compared with, and `claims` refuses what would prove nothing; [`reference`] reads
//! independent reference values.

mod base;
pub(crate) mod chat;
mod claims;
mod expand;
pub mod expect;
pub mod file;
pub mod reference;
pub mod row;

use std::path::PathBuf;

use thiserror::Error;

/// What is wrong with a matrix file.
#[derive(Debug, Error)]
pub enum MatrixError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// The matrix.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, or a key or value that is not known.
    #[error("{}: {detail}", path.display())]
    Syntax {
        /// The matrix.
        path: PathBuf,
        /// The parser's words, with the place.
        detail: String,
    },
    /// A row that contradicts itself, or that proves nothing.
    #[error("{}: row `{row}`: {detail}", path.display())]
    Row {
        /// The matrix.
        path: PathBuf,
        /// The row.
        row: String,
        /// What is wrong.
        detail: String,
    },
}

impl MatrixError {
    /// The error without the file's name, for a matrix that no person wrote.
    pub fn without_file(&self) -> String {
        match self {
            MatrixError::Read { source, .. } => source.to_string(),
            MatrixError::Syntax { detail, .. } => detail.clone(),
            MatrixError::Row { row, detail, .. } => format!("row `{row}`: {detail}"),
        }
    }
}
