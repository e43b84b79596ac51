//! artcheck-patch: ways to make a model library and a runtime fit each other.
//!
//! One folder per way. It writes files; it never loads or runs what it patches.
//! Facts about TVM come from its released sources, headers and libraries.
#![forbid(unsafe_code)]

pub mod shim;
pub mod source;
