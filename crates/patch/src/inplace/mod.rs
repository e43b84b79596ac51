//! Changes of an artifact in place: every byte that is not part of the plan
//! keeps its value, and so does the file's size, but for a first signature,
//! compressed archives, APKs and JSON.
//!
//! A plan is made from bytes alone ([`retag::plan`], [`convert::plan`],
//! [`sign::plan`], [`relocate::plan`], [`model_lib::plan`], [`align::plan`]); [`apply`] writes it
//! after a second reader has found exactly the planned difference. What is planned
//! for a program follows from its code, never from a text search.
//! Formats: docs/formats.md#blob

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

pub mod align;
mod apply;
mod archive;
mod config_shape;
mod context_strings;
pub mod convert;
mod device_payload;
mod error;
mod image;
mod leb;
mod macho;
pub mod model_lib;
#[doc(hidden)]
pub mod recheck;
pub mod relocate;
pub mod retag;
mod rewrite;
mod room;
pub mod sign;
mod site;
mod splice;
mod tags;
mod wasm;

pub use crate::plan::{Change, Edit, EditPlan, LibraryChange, NameChange, Named, Resign, Room};
pub use crate::write::WriteError;
pub use apply::{Applied, ApplyError, Output, apply, unpatch};
pub use error::{PlanError, Refusal};
pub use tags::Tag;
