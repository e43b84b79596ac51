#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod device;
mod error;
mod ffi;
mod matrix;
pub mod needs;
mod parts;
mod report;
mod run;
mod runtime;
mod sampling;
mod session;
mod simulate;
#[cfg(all(feature = "macho-host", target_os = "linux"))]
mod stack;
mod stops;
mod tokenizer;
mod web;
mod weights;

pub use artcheck_metal_sim::{Arithmetic, Order};

pub use device::DeviceName;
pub use matrix::MatrixError;
pub use matrix::expect::{Check, Expect, Similarity};
pub use matrix::file::{parse, read};
pub use matrix::reference::ReferenceName;
pub use matrix::row::{OtherSystem, Prompt, Row, RuntimeSpec, Simulation};
pub use report::{
    Answer, Class, Facts, Failure, Figures, MatrixReport, Outcome, PrecheckFinding, RowReport,
    SCHEMA, Shim, Stage, Summary,
};
pub use run::child::main as child_main;
pub use run::hooks::{Precheck, Progress, Quiet, ShimProvider};
pub use run::matrix::{MatrixOptions, Share, run_matrix};
pub use run::process::ChildCommand;
pub use run::prove::{Proof, Trial, prove};
pub use sampling::TopP;
pub use session::calls::{Call, Given, State};
pub use session::{Entry, Kind, Schedule};
pub use tokenizer::{TokenName, TokenizerSource};
pub use weights::Source;

/// What the tests of this crate look at; no part of the front.
#[doc(hidden)]
pub mod inside {
    pub use crate::ffi::{Arg, DataType, Device, Function, Tensor};
    pub use crate::parts::RuntimeFiles;
    pub use crate::runtime::Runtime;
    pub use crate::session::metadata::Metadata;
    #[cfg(feature = "macho-host")]
    pub use crate::session::model::Loaded;
    pub use crate::tokenizer::Tokenizer;
    pub use crate::weights::random::parameter as random_parameter;
}
