//! Running a matrix: rows in child processes, results with names.
//!
//! [`stage`] and [`failure`] are the words of a result, [`protocol`] what child
//! and parent say to each other, [`child`] the inside of the child process,
//! [`process`] the parent's view of one child, [`matrix`] the whole run,
//! [`hooks`] what other crates plug in.

pub mod child;
pub mod failure;
pub mod hooks;
pub mod matrix;
pub mod process;
pub mod protocol;
mod signal;
pub mod stage;
