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
// Every byte here may come from an enemy. What can fail has to say so.
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation
)]
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation
    )
)]

pub mod artifact;
pub mod bytes;
pub mod container;
pub mod documents;
pub mod epoch;
pub mod error;
pub mod finding;
pub mod limits;
pub mod module;
pub mod parts;
mod place;
pub mod rule;
pub mod rules;
pub mod runtime;
pub mod scan;
pub mod shown;
pub mod source;
mod spelling;
pub mod target;
pub mod version;
pub mod vm;
pub mod words;

pub use error::DecodeError;
