//! Reads compiled TVM Relax / mlc-llm artifacts and the runtimes that load them.
//!
//! Bytes become facts, facts become findings. Nothing here writes a file,
//! executes what it reads, prints, or knows of report formats.
//!
//! ```text
//! path -> source -> container -> module -> vm      = Artifact (facts)
//!                              \ runtime           = RuntimeProfile (facts)
//! Artifact x RuntimeProfile -> rules               = Finding
//! ```

#![forbid(unsafe_op_in_unsafe_fn)]

pub mod artifact;
pub mod bytes;
pub mod container;
pub mod epoch;
pub mod error;
pub mod finding;
pub mod limits;
pub mod module;
pub mod rules;
pub mod runtime;
pub mod scan;
pub mod source;
pub mod summary;
pub mod target;
pub mod vm;

pub use error::DecodeError;
