//! What is wrong with weights.

use std::path::PathBuf;

use thiserror::Error;

/// What is wrong with weights.
#[derive(Debug, Error)]
pub enum WeightsError {
    /// No index file.
    #[error("{}: holds neither tensor-cache.json nor ndarray-cache.json", directory.display())]
    NoIndex {
        /// Where it was looked for.
        directory: PathBuf,
    },
    /// The index cannot be understood.
    #[error("{}: {detail}", path.display())]
    BadIndex {
        /// The index file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A shard is not there.
    #[error("missing shard {}: the index names it; download it again", path.display())]
    MissingShard {
        /// The file.
        path: PathBuf,
    },
    /// A shard has another size.
    #[error("corrupt shard {}: {expected} bytes expected, {found} found", path.display())]
    ShardSize {
        /// The file.
        path: PathBuf,
        /// Size that the index states.
        expected: u64,
        /// Size of the file.
        found: u64,
    },
    /// A shard has another checksum.
    #[error("corrupt shard {}: MD5 {expected} expected, {found} found", path.display())]
    ShardChecksum {
        /// The file.
        path: PathBuf,
        /// Checksum that the index states.
        expected: String,
        /// Checksum of the file.
        found: String,
    },
    /// A shard could not be read.
    #[error("shard {}: {source}", path.display())]
    ShardRead {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The model wants a parameter that the weights lack.
    #[error("missing parameter `{name}`: the model needs it and the weights lack it")]
    MissingParameter {
        /// The parameter.
        name: String,
    },
    /// A parameter has another shape or type than the model wants.
    #[error("wrong shape of `{name}`: the model wants {expected}, the weights have {found}")]
    WrongShape {
        /// The parameter.
        name: String,
        /// Shape and type in `_metadata`.
        expected: String,
        /// Shape and type in the index.
        found: String,
    },
    /// A record does not fit into its shard or its own shape.
    #[error("parameter `{name}` in {}: {detail}", path.display())]
    BadRecord {
        /// The parameter.
        name: String,
        /// The shard.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// Random weights need every dimension.
    #[error("random weights: size of `{dim}` in `{name}` is not known; add it to the row's `dims`")]
    UnknownDimension {
        /// The parameter.
        name: String,
        /// The symbol.
        dim: String,
    },
    /// A type that weights are not made of.
    #[error("parameter `{name}`: dtype `{dtype}` is not supported")]
    UnknownType {
        /// The parameter.
        name: String,
        /// Its type.
        dtype: String,
    },
}
