//! The policy a project keeps beside its artifacts: `artcheck.toml` and the
//! baseline, applied to a finished report. No rule knows of it.

mod apply;
pub mod baseline;
pub mod config;

pub use apply::apply;
pub use config::Config;

/// What `artcheck init` writes: every key, explained and commented out.
pub const TEMPLATE: &str = include_str!("template.toml");
