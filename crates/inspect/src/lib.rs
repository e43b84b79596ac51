#![doc = include_str!("../README.md")]
#![deny(missing_docs)]
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

mod artifact;
mod bytes;
pub mod container;
mod documents;
mod epoch;
mod error;
mod finding;
pub mod limits;
mod machine;
pub mod module;
#[cfg_attr(target_family = "wasm", path = "pages_wasm.rs")]
mod pages;
#[cfg(unix)]
mod pages_lost;
mod parts;
mod place;
pub mod python;
mod rule;
pub mod rules;
pub mod runtime;
pub mod scan;
#[doc(hidden)] // For the other crates of artcheck.
pub mod shell;
#[doc(hidden)] // For the other crates of artcheck.
pub mod shown;
pub mod source;
mod spelling;
mod target;
#[cfg_attr(target_family = "wasm", path = "threads_wasm.rs")]
mod threads;
mod version;
pub mod vm;
mod words;

pub use artifact::{Artifact, Libraries, Problem, ProblemKind, Role};
pub use bytes::Reader;
pub use epoch::epoch;
pub use error::DecodeError;
pub use finding::{Finding, Location, Need, Outcome, Rename, Repair, Said, Severity, Undecided};
pub use machine::{HostCode, host_code};
pub use rule::Rule;
pub use rules::ALL as RULES;
pub use runtime::RuntimeProfile;
pub use scan::{GivenRuntime, Scan, ScanOptions, Verdict, VerdictStatus, scan, scan_bytes};
pub use source::Place;
pub use target::{GpuFeature, Target};
pub use version::Version;
pub use words::spell;
