//! Runs compiled model libraries of mlc-llm / Apache TVM Relax on a real
//! runtime and says, row by row of a matrix, whether the answers are right.
//!
//! This is the only crate of the workspace that loads foreign code. Foreign
//! code may crash, so each row runs in a child process; a crash is a result
//! with a name, never the end of the run.
//!
//! * [`ffi`]: the tvm-ffi C ABI, the one place with unsafe code
//! * [`parts`], [`runtime`], [`device`]: a runtime's libraries, loaded
//! * [`session`]: models driven the way mlc-llm's engine drives them
//! * [`weights`], [`tokenizer`], [`sampling`]: what a model needs beside its code
//! * [`simulate`]: rows on the simulated Metal device
//! * [`matrix`]: the file that lists rows; [`run`]: running them; [`report`]: the result
//!
//! [`run_matrix`] is the way in. It starts child processes, each of which must
//! call [`child_main`] and end with its status.

pub mod device;
pub mod error;
pub mod ffi;
pub mod matrix;
pub mod needs;
pub mod parts;
pub mod report;
pub mod run;
pub mod runtime;
pub mod sampling;
pub mod session;
pub mod simulate;
pub mod tokenizer;
pub mod weights;

pub use run::child::main as child_main;
pub use run::hooks::{Precheck, PrecheckFinding, Progress, Quiet, Shim, ShimProvider};
pub use run::matrix::{MatrixOptions, run_matrix};
pub use run::process::ChildCommand;
