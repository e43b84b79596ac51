#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod compiler;
mod error;
mod leftovers;
mod options;
mod plugin;
mod progress;
mod report;
mod runtime;
mod sources;

#[cfg(feature = "macho-host")]
pub mod macho;

pub use error::{Error, Result};
pub use options::{Arithmetic, Options, Order};
pub use plugin::{Plugin, REPORT_VARIABLE, prepare, prepare_metal};
pub use progress::Compiling;
pub use report::{KernelReport, Report};
pub use runtime::RuntimeParts;
