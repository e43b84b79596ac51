#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod fix;
pub mod inplace;
mod io_error;
mod plan;
pub mod receipt;
pub mod shim;
pub mod source;
mod staged;
#[doc(hidden)] // For `artcheck diff`.
pub mod unified;
#[doc(hidden)]
pub mod write;

pub use io_error::IoError;
