//! Every test of this crate, one program: what it holds is linked once.
//!
//! Tests that need more than Rust and a C compiler run with the feature
//! `real-parts`; without it they are listed as ignored.

mod common;
mod corpus;
#[cfg(unix)]
mod inplace_files;
mod inplace_names;
mod inplace_plans;
mod inplace_run;
mod shim_aarch64;
mod shim_build;
mod shim_clients;
#[cfg(unix)]
mod shim_models;
mod shim_wrapper;
mod source;
mod source_compiled;
