//! Every test of this crate, one program: what it holds is linked once.
//!
//! Tests that need more than Rust and a C compiler run with the feature
//! `real-parts`; without it they are listed as ignored.

mod agreement;
mod answers;
mod common;
mod embeddings;
#[cfg(feature = "macho-host")]
mod emulated;
mod failures;
mod matrix_file;
mod metal_static;
mod other_systems;
mod processes;
mod random_weights;
mod reports;
mod tokens;
mod web;
