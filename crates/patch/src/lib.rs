//! artcheck-patch: ways to make a model library and a runtime fit each other.
//!
//! One folder per way: [`source`] edits TVM's sources, [`shim`] builds a library
//! beside a stock runtime, [`inplace`] changes the artifact. It writes files;
//! it never loads or runs what it patches. Facts about TVM come from its
//! released sources, headers and libraries.
#![forbid(unsafe_code)]

pub mod fix;
mod hex;
pub mod inplace;
pub mod receipt;
pub mod shim;
pub mod source;
pub mod write;
